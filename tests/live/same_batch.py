"""One batch script, unchanged, against the guest of migmon itself and against a running QEMU: the same lines with the
same shape come out, text and JSON, and the same exit status."""

import difflib
import json
import os
import re

import harness
import pace
import real_guest

SCRIPT = """\
# moves the guest: first attempt is cancelled, the second goes through
info status
info name
migrate_set_parameter downtime-limit 0
migrate_set_parameter max-bandwidth {link}B
migrate_set_capability return-path on
migrate -d unix:{dir}/first
wait active
info migrate
assert owner == here
migrate_cancel
wait cancelled
assert run-state == running
info status
migrate_set_parameter max-bandwidth 1G
migrate_set_parameter downtime-limit {pause}
migrate unix:{dir}/second
assert status == completed
assert run-state == postmigrate
assert owner == peer
assert downtime < 1000min
info status
info migrate
expect ^owner: peer \\(confirmed\\)
migrate_cancel
echo done
"""

# Lines of info migrate that not every release has, and those that count what happened to happen.
EXTRA = ("passes", "last pass", "dirty pages rate", "dirty-limit", "multifd bytes", "pages-per-second", "precopy ram",
         "downtime ram", "postcopy", "clear-bitmap-shift", "time", "pause", "samples", "verdict", "advice", "zero-copy",
         "expected downtime", "last second", "throttle", "skipped")


# Members that not every release has, or only sometimes.
GONE = ("singlestep", "error-desc")


def shape(text, s):
    """The labels of the lines, in order: numbers, names and paths are the run's own."""
    lines = []
    for line in text.replace(s.dir, "DIR").splitlines():
        label = line.split(":")[0] if re.match(r"^[a-zA-Z][\w -]*: ", line) else re.sub(r"\d[\d.]*", "N", line)
        if not label.startswith(EXTRA):
            lines.append(label)
    return lines


def run(s, name, *options):
    done = harness.run_program([harness.MIGMON, *options, "--batch", s.path("same.hmp")], text=True)
    if done.returncode != 0:
        raise harness.Failure(f"{name}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def in_process(s, *options):
    destinations = [s.migmon(f"in-process-{i}", "--incoming", f"unix:{s.path(where)}")
                    for i, where in enumerate(("first", "second"))]
    try:
        # Enough to write that the slow attempt does not finish.
        return run(s, "in process", "--memory", pace.SMALL, "--name", "vm", "--machine",
                   pace.stress(pace.STEADY, "prefill=on"), *options)
    finally:
        for destination in destinations:
            s.drop(destination)


def on_qemu(s, binary, *options):
    src = real_guest.start_writing(s, binary, "vm")
    destinations = [real_guest.start(s, binary, f"dst{i}", "-incoming", f"unix:{s.path(where)}")
                    for i, where in enumerate(("first", "second"))]
    try:
        # A QEMU answers its monitor before it listens.
        for where in ("first", "second"):
            harness.wait_for(f"{where} is listened on", lambda where=where: os.path.exists(s.path(where)))
        return run(s, "QEMU", "--connect", f"unix:{src.qmp_path}", "--peer-timeout", "600", *options)
    finally:
        for process in (src, *destinations):
            process.kill()
            s.drop(process)


def objects(text):
    """(place, command, succeeded, members of the return value) of each line."""
    rows = []
    for line in text.splitlines():
        o = json.loads(line)
        if "command" in o:
            value = o.get("return")
            members = sorted(m for m in value if m not in GONE) if isinstance(value, dict) else None
            rows.append((o["place"], o["command"], "error" in o, members))
    return rows


def prepare(s):
    with open(s.path("same.hmp"), "w") as file:
        file.write(SCRIPT.format(dir=s.dir, link=pace.HELD, pause=harness.LONG_PAUSE))


def same_text(s, binary):
    prepare(s)
    ours, theirs = shape(in_process(s), s), shape(on_qemu(s, binary), s)
    if ours != theirs:
        raise harness.Failure("\n".join(difflib.unified_diff(ours, theirs, "in process", "QEMU", lineterm="")))
    return f"{len(ours)} lines"


def same_objects(s, binary):
    prepare(s)
    ours, theirs = objects(in_process(s, "--json")), objects(on_qemu(s, binary, "--json"))
    for mine, other in zip(ours, theirs, strict=True):
        if mine != other:
            raise harness.Failure(f"in process: {mine}\nQEMU:       {other}")
    return f"{len(ours)} objects"


def main():
    qemus = harness.real_qemus()
    if not qemus:
        harness.skip("no qemu-system-x86_64 is installed")
    tests = []
    for function in (same_text, same_objects):
        for version, binary in qemus.items():
            def test(s, function=function, binary=binary):
                return function(s, binary)
            test.__name__ = f"{function.__name__}_{version}"
            tests.append(test)
    harness.run(tests)


main()
