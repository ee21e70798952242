"""The pages of the manual and the completion of shells, against what the program says about itself.

Arguments: migmon.1, migmon-dashboard.7, migmon-hmp.7, migmon-json.5, in any order. Without mandoc and groff the pages are not
formatted; what they hold is checked all the same.
"""

import json
import os
import re
import shutil
import sys

import harness

PAGES = {re.search(r"migmon(?:-\w+)?\.\d$", path).group(): path for path in sys.argv[1:]}


def read(page):
    with open(PAGES[page]) as file:
        return file.read()


def run(*argv, expect=0):
    result = harness.run_program(argv, text=True)
    if result.returncode != expect:
        raise harness.Failure(f"{argv}: exit {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result.stdout


def migmon(*lines):
    """What the lines of a batch print."""
    words = [word for line in lines for word in ("-c", line)]
    return run(harness.MIGMON, "--memory", "16M", "--machine", "none", *words)


def items(page):
    """Everything that a list of the page has an entry for."""
    return {word for line in read(page).splitlines() if line.startswith(".It ")
            for word in re.findall(r'"\\&([^"]*)"', line)}


def need(names, where, what):
    missing = sorted(set(names) - where)
    if missing:
        raise harness.Failure(f"not in {what}: {', '.join(missing)}")
    return len(set(names))


def pages_are_well_formed(_s):
    if shutil.which("mandoc"):
        for path in PAGES.values():
            run("mandoc", "-Tlint", "-Wwarning", path)
        return "mandoc"
    if shutil.which("groff"):
        for path in PAGES.values():
            result = harness.run_program(["groff", "-mdoc", "-Tutf8", "-ww", "-z", path], text=True)
            if result.returncode != 0 or result.stderr:
                raise harness.Failure(result.stderr)
        return "groff"
    return "not tried: neither mandoc nor groff is here"


def every_command_is_in_the_manual(_s):
    names = [line.split(" ")[0] for line in migmon("help").splitlines() if " -- " in line]
    subs = [" ".join(line.split(" ")[:2]) for line in migmon("info").splitlines()]
    return need(names + subs, items("migmon-hmp.7"), "migmon-hmp(7)")


def every_setting_is_in_the_manual(_s):
    reply = json.loads(run(harness.MIGMON, "--memory", "16M", "--machine", "none", "--json",
                           "-c", "info migrate_parameters").splitlines()[0])
    capabilities = [line.split(":")[0] for line in migmon("info migrate_capabilities").splitlines()]
    states = re.search(r"values are: (.*)", harness.run_program(
        [harness.MIGMON, "--memory", "16M", "-c", "assert status == ?"], text=True).stdout).group(1).split(", ")
    names = [*reply["return"], *capabilities, *states, "MIGRATION", "STOP", "downtime", "ram.transferred", "owner"]
    return need(names, items("migmon-hmp.7"), "migmon-hmp(7)")


def the_json_page_names_the_members(_s):
    page = items("migmon-json.5") | set(re.findall(r"\.It Cm (\S+)", read("migmon-json.5")))
    lines = run(harness.MIGMON, "--memory", "16M", "--machine", "none", "--json", "-c", "info status", "-c", "stop",
                "-c", "info migrate", "-c", "assert run-state == running", expect=9)
    seen = set()
    for line in lines.splitlines():
        reply = json.loads(line)
        if next(iter(reply.items())) != ("migmon", 1):
            raise harness.Failure(line)
        seen |= set(reply) - {"migmon", "exit"} | set(reply.get("error", ()))
        if reply.get("command") == "info status":
            seen |= set(reply["return"])
        seen |= {reply.get("event", "event")}
    return need(seen, page, "migmon-json(5)")


def c_strings(path, table):
    """All strings of a table in a C file of the project."""
    with open(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), path)) as file:
        body = file.read().split(table, 1)[1].split("\n};", 1)[0]
    return re.findall(r'"((?:[^"\\]|\\.)*)"', body)


def every_key_and_setting_of_the_dashboard_is_in_the_manual(s):
    page = items("migmon-dashboard.7")
    text = " ".join(read("migmon-dashboard.7").split())
    missing = [help for help in c_strings("tui/ui-keys.c", "const KeyRow key_table[] = {")
               if help not in text and help not in page and " " in help]
    if missing:
        raise harness.Failure(f"not in migmon-dashboard(7): {missing}")
    os.makedirs(s.path("migmon"))
    known = []
    for key in filter(str.isalpha, page & set(c_strings("tui/config.c", "} keys[] = {"))):
        with open(s.path("migmon/dashboard.conf"), "w") as file:
            file.write(f"{key} = no such value\n")
        told = harness.run_program([harness.MIGMON, "--plain", "--memory", "16M", "-c", "info name"], text=True,
                                   env={**os.environ, "XDG_CONFIG_HOME": s.dir}).stderr
        values = re.search(rf"dashboard.conf:1: {key}: 'no such value' is not one of (.*)", told)
        if values is None or values.group(1) not in page:
            raise harness.Failure(f"{key}: {told}")
        known.append(key)
    if len(known) < 8:
        raise harness.Failure(f"only {known} are in migmon-dashboard(7)")
    return f"{len(known)} settings"


def every_option_is_in_the_manual(_s):
    page = read("migmon.1")
    names = re.findall(r"--([a-z-]+)", run(harness.MIGMON, "--help").split("Commands come")[0])
    missing = [name for name in set(names) if not re.search(rf"\.It .*Fl -{name}\b", page)]
    if missing:
        raise harness.Failure(f"options not in migmon(1): {missing}")
    codes = re.findall(r"^\.It (\d+)$", page, re.MULTILINE)
    if codes != ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "130"]:
        raise harness.Failure(codes)
    return len(set(names))


BASH = """
source "$1"
complete -p migmon
shift
COMP_WORDS=(migmon "$@")
COMP_CWORD=$#
_migmon
printf '%s\\n' "${COMPREPLY[@]}"
"""


def bash_completes_options(s):
    if shutil.which("bash") is None:
        return "not tried: bash is not here"
    path = s.path("completion")
    with open(path, "w") as file:
        file.write(run(harness.MIGMON, "--completion", "bash"))
    options = re.findall(r"--[a-z-]+", run(harness.MIGMON, "--help").split("Commands come")[0])
    rows = [
        (["--"], sorted(set(options))),
        (["--inc"], ["--incoming"]),
        (["--tracker", ""], ["async", "sync"]),
        (["--tracker", "=", "a"], ["async"]),
        (["--tracker", "="], ["async", "sync"]),
        (["-S", "--machine", "s"], ["stress"]),
        (["--incoming", "de"], ["defer"]),
        (["--monitor", ""], ["tcp:", "unix:"]),
        (["--memory", ""], []),
        (["--batch", s.path("two w")], [s.path("two words")]),
        (["--monitor", "unix", ":", s.path("two")], [s.path("two words")]),
    ]
    with open(s.path("two words"), "w"):
        pass
    for words, expected in rows:
        lines = run("bash", "--norc", "-c", BASH, "bash", path, *words).splitlines()
        if "_migmon" not in lines[0] or sorted(filter(None, lines[1:])) != expected:
            raise harness.Failure(f"{words}: {lines}, expected {expected}")
    return f"{len(rows)} lines"


def zsh_completes_options(s):
    script = run(harness.MIGMON, "--completion", "zsh")
    options = re.findall(r"--[a-z-]+", run(harness.MIGMON, "--help").split("Commands come")[0])
    if not script.startswith("#compdef migmon\n"):
        raise harness.Failure(script)
    need(options, set(re.findall(r"--[a-z-]+", script)), "the completion for zsh")
    path = s.path("_migmon")
    with open(path, "w") as file:
        file.write(script)
    # Quotes and braces mean the same to both shells here.
    for shell in ("zsh", "bash"):
        if shutil.which(shell):
            run(shell, "-n", path)
            return f"read by {shell}"
    return "not read: no shell is here"


if __name__ == "__main__":
    sys.argv[1:] = [] # they are no names of tests
    harness.run([pages_are_well_formed, every_command_is_in_the_manual, every_setting_is_in_the_manual,
                 the_json_page_names_the_members,
                 every_key_and_setting_of_the_dashboard_is_in_the_manual, every_option_is_in_the_manual, bash_completes_options,
                 zsh_completes_options])
