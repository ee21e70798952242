"""Batch, monitor socket, QMP and the prompt of the built program, as people and scripts use them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess

import harness
import pace
from terminal import Terminal

# A link that keeps the migration of a steady() guest under way, and one that lets any go through.
HOLD = [f"migrate_set_parameter max-bandwidth {pace.HELD}B", "migrate_set_parameter downtime-limit 0"]
RELEASE = ["migrate_set_parameter max-bandwidth 0", f"migrate_set_parameter downtime-limit {harness.LONG_PAUSE}"]


def machine(rate):
    return ["--memory", pace.SMALL, "--machine", pace.stress(rate, "prefill=on")]


def small():
    return machine(pace.calm())


def steady():
    return machine(pace.STEADY)


def batch(*options, stdin="", env=None, expect=0):
    """Runs a batch to its end; returns what it printed."""
    result = harness.run_program([harness.MIGMON, *options], stdin, text=True, env={**os.environ, **(env or {})})
    for sign in ("Sanitizer", "runtime error:"):
        if sign in result.stderr:
            raise harness.Failure(result.stderr)
    if result.returncode != expect:
        raise harness.Failure(f"exit {result.returncode}, expected {expect}\n{result.stdout}\n{result.stderr}")
    return result.stdout + result.stderr


def commands(*lines):
    return [word for line in lines for word in ("-c", line)]


def contains(text, *parts):
    for part in parts:
        if part not in text:
            raise harness.Failure(f"{part!r} is not in:\n{text}")


# ---- batches ----

def nobody(s):
    """A path in a folder that does not exist."""
    return s.path("no/socket")


def exit_codes(s):
    def listener(name, **kwargs):
        return s.migmon(name, "--incoming", f"unix:{s.path(name + '.sock')}", **kwargs)

    batch(*small(), *commands("info status"), expect=0)
    contains(batch("--memory", "nonsense", expect=1), "not a size")
    contains(batch(*small(), *commands("no_such_command"), expect=1), "unknown command: 'no_such_command'")
    contains(batch(*small(), *commands(f"migrate unix:{nobody(s)}"), expect=2), "Failed to connect")
    contains(batch(*small(), "--incoming", f"unix:{nobody(s)}", expect=2), "Failed to bind")
    contains(batch(*small(), *commands(f"migrate_incoming unix:{s.path('x')}"), expect=3),
             "'-incoming' was not specified on the command line")
    listener("small", machine="stress")
    contains(batch("--memory", pace.LARGE, *commands(f"migrate unix:{s.path('small.sock')}"), expect=4),
             "the guest goes on here")
    contains(batch(*small(), *commands("migrate rdma:1.2.3.4:5"), expect=3), "RDMA is not built in")
    batch(*small(), *commands('migrate "exec:exit 3"'), expect=4)
    batch(*small(), *commands("guest_set rate much"), expect=1)
    batch(*small(), *commands("migrate_set_parameter downtime-limit 99999999"), expect=1)
    batch("--memory", pace.SMALL, "--ram-file", s.path("no/file"), *commands("info name"), expect=1)
    path = s.path("never")
    peer = socket.socket(socket.AF_UNIX)
    peer.bind(path)
    peer.listen()
    # A migration that is still running is waited for; here it is cancelled by a line of the batch.
    contains(batch(*small(), *commands(f"migrate -d unix:{path}", "migrate_cancel", "wait cancelled"),
                   expect=5), "cancelled")
    contains(batch(*small(), *commands("migrate_set_parameter max-bandwidth 0", f"migrate -d unix:{path}",
                                     "wait completed 0.2"), expect=8), "wait")
    peer.close()
    # The destination stands still after the guest was handed over; the source gives up waiting.
    dst = listener("held", machine="stress", fault="dst-eof=hold")
    contains(batch(*small(), *commands("migrate_set_parameter x-handover-timeout 500",
                                     f"migrate unix:{s.path('held.sock')}"), expect=7),
             "nobody confirmed it")
    dst.execute("x-fault-release")
    contains(planted(s, "lost"), "lost")
    contains(batch(*small(), *commands("assert run-state == paused"), expect=9), "assertion failed", "'running'")
    contains(batch(*small(), *commands("echo a", "expect ^b$"), expect=9), "expected /^b$/", "  a\n")


def quit_tells_what_became_of_the_migration(s):
    child = 'migrate -d "exec:cat >/dev/null; exit 3"'
    contains(batch(*small(), *commands(child, "wait failed", "quit"), expect=7), "nobody confirmed it")
    batch(*small(), *commands('migrate -d "exec:cat >/dev/null"', "wait completed", "quit"), expect=0)
    batch(*small(), *commands(f"migrate -d unix:{nobody(s)}", "wait failed", "quit"), expect=2)
    slow = [*HOLD, "migrate -d \"exec:cat >/dev/null\"", "wait active"]
    batch(*steady(), *commands(*slow, "migrate_cancel", "wait cancelled", "quit"), expect=5)
    text = batch(*steady(), *commands(*slow, "quit"), expect=130)
    contains(text, "the migration to exec:cat >/dev/null is cancelled and the guest ends with this process\n")
    if text.count("cancelled") != 1:
        raise harness.Failure(text)
    # The same from a socket.
    for kind in ("qmp", "hmp"):
        vm = s.migmon(f"vm-{kind}")
        vm.execute("migrate", uri=f"unix:{nobody(s)}")
        harness.wait_for("the migration fails", lambda vm=vm: vm.status() == "failed")
        vm.execute("quit") if kind == "qmp" else vm.hmp("quit")
        if harness.wait_end(vm.process) != 2:
            raise harness.Failure(f"{kind}: exit {vm.process.returncode}")


def a_failure_is_told_once(s):
    text = batch(*small(), *commands(f"migrate unix:{nobody(s)}"), expect=2)
    contains(text, f"Error: Failed to connect to '{nobody(s)}': No such file or directory; "
                   "the guest goes on here\n")
    if "migration to" in text:
        raise harness.Failure(text)
    contains(batch(*small(), *commands(f"migrate -d unix:{nobody(s)}", "wait failed"), expect=2),
             f"migration to unix:{nobody(s)} failed: ")


def signals(s):
    """A batch that is not over is interrupted, between two lines as well; who only waits ends in peace."""
    def ended_by(number, *options, stdin=subprocess.DEVNULL, ready=None):
        process = subprocess.Popen([harness.MIGMON, *small(), *options], stdin=stdin, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        if ready is None:
            process.stdout.readline()
        else:
            harness.wait_for("the socket is there", lambda: os.path.exists(ready))
        process.send_signal(number)
        code = harness.wait_end(process)
        process.stdout.close()
        return code
    many = commands("echo ready", *["echo x"] * 2000, "sleep 600", "echo y")
    path = s.path("m.sock")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if ended_by(number, *many) != 130:
            raise harness.Failure(f"{number}: a batch was not interrupted")
    for number in (signal.SIGTERM, signal.SIGINT):
        if ended_by(number, "--incoming", f"unix:{path}", ready=path) != 0:
            raise harness.Failure(f"{number}: a destination that waited did not end in peace")


def nothing_to_do_and_no_room(s):
    contains(batch("--memory", pace.SMALL, "--machine", "none", stdin=None, expect=1), "nothing to do: no commands")
    with open("/dev/full", "w") as full:
        result = harness.run_program([harness.MIGMON, *small(), *commands("echo x")], stdout=full)
    if result.returncode == 0:
        raise harness.Failure("output to a full device is no success")
    result = harness.run_program([harness.MIGMON, *small(), "--json", "-c", b"echo \xff\xfe"])
    for line in result.stdout.splitlines():
        json.loads(line.decode())


def faults_come_before_nothing_to_do(s):
    """A fault of any option is named, though there are no commands, no terminal and no socket."""
    for options, code, text in [
            (["--connect", f"unix:{nobody(s)}"], 2, "no/socket"), (["--peer", f"unix:{nobody(s)}"], 2, "no/socket"),
            (["--connect", "nosuch:/x"], 2, "nosuch:/x"), (["--machine", "nonee"], 1, "nonee"),
            (["--machine", "stress,rate=much"], 1, "much"), (["--uuid", "x"], 1, "uuid"),
            (["--ram-file", s.path("no/file")], 1, "no/file"), (["--memory", "x"], 1, "not a size"),
            (["--smp", "x"], 1, "--smp"), (["--tracker", "x"], 1, "--tracker"), (["--theme", "x"], 1, "theme"),
            (["--color", "x"], 1, "color"), (["--refresh", "x"], 1, "refresh"),
            (["--peer-timeout", "x"], 1, "--peer-timeout"), (["--observe"], 1, "--observe goes with"),
            (["--batch", s.path("none")], 1, "none"), (["--nonsense"], 1, "nonsense"), ([], 1, "nothing to do")]:
        done = harness.run_program([harness.MIGMON, "--memory", pace.SMALL, *options], text=True)
        if done.returncode != code or text not in done.stderr or (options and "nothing to do" in done.stderr):
            raise harness.Failure(f"{options}: exit {done.returncode}, expected {code}: {done.stderr}")


def text_that_only_looks_right(s):
    """A byte order mark is nothing; what only looks like a blank, a quote or a dash is named."""
    script = s.path("script.hmp")
    with open(script, "w", encoding="utf-8-sig") as file:
        file.write("info status\n")
    contains(batch(*small(), "--batch", script), "VM status: running")
    contains(batch(*small(), *commands("\ufeff# a comment", "\ufeffinfo status")), "VM status: running")
    for line, hint in [("info\u00a0status", "character 5 is a no-break space (U+00A0), not a blank"),
                       ("migrate_set_capability events \u201con\u201d", "(U+201C), not a \""),
                       ("migrate_set_parameter downtime-limit \u2212300", "a minus sign (U+2212), not a -"),
                       ("wait \u2013timeout 5 completed", "a typographic dash (U+2013), not a -"),
                       ("info st\u200batus", "an invisible space (U+200B); remove it")]:
        contains(batch(*small(), *commands(line), expect=1), hint)
    contains(batch(*small(), *commands("echo \u201cwords\u201d\u00a0\u2013")), "\u201cwords\u201d\u00a0\u2013")


def a_batch_waits_until_the_guest_is_filled(s):
    """The copy has every page; a guest that does not run is not waited for."""
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=pace.LARGE)
    batch("--memory", pace.LARGE, "--machine", "stress,pattern=idle,prefill=on", *commands(f"migrate unix:{path}"))
    dst.wait_status("completed")
    checked, written = re.search(r"ok, (\d+) pages checked, (\d+) written", dst.hmp("guest_verify")).groups()
    if checked != written:
        raise harness.Failure(f"{written} of {checked} pages were written when the guest left")
    contains(batch("--memory", pace.LARGE, "--machine", "stress,prefill=on", "-S", *commands("info status")), "prelaunch")


def after_a_cancel_the_destination_says_where_it_listens(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}")
    src = s.migmon("src", machine=pace.stress(pace.STEADY, "prefill=on"))
    src.hold()
    src.execute("migrate", uri=f"unix:{path}")
    dst.wait_status("active")
    src.execute("migrate_cancel")
    dst.wait_status("failed")
    dst.wait_log("as a cancel there does")
    dst.wait_log(f"this side still listens on unix:{path}: a source may connect")
    contains(dst.hmp(f"migrate_incoming unix:{path}"), "The incoming migration has already been started",
             f"this side listens on unix:{path}: a source may connect")
    src.wait_status("cancelled")
    src.unlimited()
    src.execute("migrate", uri=f"unix:{path}")
    harness.arrived(src, dst)


def warnings_of_qmp_reach_the_operator(s):
    """QMP has no place for a warning; help marks what is deprecated or may change."""
    vm = s.migmon("vm")
    vm.capability("compress")
    vm.wait_log("warning: old compression method is deprecated")
    vm.set(compress_level=3)
    vm.wait_log("warning: old compression is deprecated")
    for name, sign in [("x-checkpoint-delay", "unstable: "), ("x-ignore-shared", "unstable: "), ("x-colo", "unstable: "),
                       ("x-vcpu-dirty-limit-period", "unstable: "), ("x_colo_lost_heartbeat", "unstable: "),
                       ("compress", "deprecated: "), ("block-incremental", "deprecated: ")]:
        contains(vm.hmp(f"help {name}"), sign)
    if "unstable" in vm.hmp("help max-bandwidth"):
        raise harness.Failure("max-bandwidth is not unstable")


def pasted_lines_and_files_at_the_prompt(s):
    if shutil.which("tmux") is None:
        return "not tried: tmux is not here"
    t = Terminal(s, "vm", "--machine", "stress", width=100, height=40)

    def paste(text):
        t.tmux("set-buffer", text)
        t.tmux("paste-buffer", "-p", "-t", t.name)

    t.shows(r"^\(migmon\)$")
    paste("echo one$((1))\necho two\r\necho three\n")
    t.shows(r"^echo three$")
    if re.search("^(one|two|three)", t.screen(), re.MULTILINE):
        raise harness.Failure(f"pasted lines ran before Enter:\n{t.screen()}")
    t.keys("C-u", "C-c")
    t.shows(r"^\(migmon\)\s*\Z")
    paste("echo one\necho two\nnonsense\necho never\n")
    t.keys("Enter")
    t.shows(r"^\(migmon\) echo two\ntwo$")
    t.shows(r"^unknown command: 'nonsense'\n(.*\n)*the lines after it were not run$")
    if re.search("^never", t.screen(), re.MULTILINE):
        raise harness.Failure(f"lines behind the error ran:\n{t.screen()}")
    with open(s.path("inner.hmp"), "w") as file:
        file.write("# a comment\nset word inner\necho $word\n")
    with open(s.path("outer.hmp"), "w") as file:
        file.write("source inner.hmp\necho outer\n")
    t.keys("source out", "Tab", "Enter")
    t.shows(r"^inner\n\(migmon\) echo outer\nouter\n\(migmon\)\s*\Z")
    t.keys("source nosuch.hmp", "Enter")
    t.shows(r"^Error: Could not open 'nosuch.hmp'")
    # A flag that nobody began to type is listed, not inserted.
    t.keys("cont ", "Tab", "Tab")
    t.shows(r"^ +-f .*")
    t.shows(r"^\(migmon\) cont\s*\Z")
    t.keys("C-u", "sleep ", "Tab", "Tab")
    t.shows(r"^ +seconds$")
    t.keys("C-u", "quit", "Enter")
    t.shows(r"^ended with 0")


def failed_with_the_guest_on_the_destination(s):
    """Exit 6: all of the guest is there, but the source could not be told; the operator runs it there."""
    path = s.path("m.sock")
    command = [harness.MIGMON, *small(), "--incoming", f"unix:{path}",
               *commands("wait failed", "assert owner == unknown", "cont -f", "assert owner == here",
                         "assert running == on", "wait completed")]
    dst = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, env={**os.environ, "MIGMON_FAULT": "dst-eof=cut"})
    try:
        src = s.migmon("src")
        # Without the question of the hand-over the destination's answer decides, and there is no way for it.
        src.set(x_handover=False)
        src.capability("return-path")
        harness.wait_for("the destination listens", lambda: os.path.exists(path))
        src.execute("migrate", uri=f"unix:{path}")
        text, _ = harness.communicate(dst)
    finally:
        if dst.poll() is None:
            dst.kill()
            dst.wait()
    contains(text, "waited for 'completed', but migration ended as 'failed'")
    if dst.returncode != 6:
        raise harness.Failure(f"exit {dst.returncode}: {text}")


def interrupted(s):
    process = subprocess.Popen([harness.MIGMON, *small(), *commands("echo ready", "sleep 600")],
                               stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "ready\n":
        raise harness.Failure("no output")
    process.send_signal(signal.SIGINT)
    if harness.wait_end(process) != 130:
        raise harness.Failure(f"exit {process.returncode}")
    process.stdout.close()


def errors_name_file_and_line(s):
    path = s.path("script.hmp")
    with open(path, "w") as file:
        file.write("# a comment\n\ninfo status\nmigrate_set_parameter max-bandwidth oops\necho not reached\n")
    text = batch(*small(), "--batch", path, expect=1)
    contains(text, f"{path}:4: ", "Invalid size oops", "VM status: running")
    if "not reached" in text:
        raise harness.Failure("went on after an error")


def stdin_batch_waits_for_the_migration(s):
    s.migmon("dst", "--incoming", f"unix:{s.path('m.sock')}")
    text = batch(*small(), stdin=f"migrate_set_parameter max-bandwidth {8 * pace.calm()}B\n"
                                 f"migrate -d unix:{s.path('m.sock')}\n")
    contains(text, "the destination confirmed that it has the guest")


def json_lines(s):
    script = s.path("script.hmp")
    with open(script, "w") as file:
        file.write("set size 5M\non-error continue\ninfo status\nmigrate_set_parameter max-bandwidth $size\n"
                   "assert run-state == paused\nbogus\nstop\n")
    result = harness.run_program([harness.MIGMON, *small(), "--json", "--batch", script], text=True)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    if any(line["migmon"] != 1 for line in lines):
        raise harness.Failure(result.stdout)
    replies = {line["command"]: line for line in lines if "command" in line}
    expected = {
        "set size 5M": ("script.hmp:1", None), "info status": ("script.hmp:3", None),
        "migrate_set_parameter max-bandwidth 5M": ("script.hmp:4", None),
        "assert run-state == paused": ("script.hmp:5", "assert"), "bogus": ("script.hmp:6", "syntax"),
        "stop": ("script.hmp:7", None),
    }
    for command, (place, kind) in expected.items():
        reply = replies[command]
        if not reply["place"].endswith(place) or reply.get("error", {}).get("kind") != kind:
            raise harness.Failure(reply)
    if replies["info status"]["return"]["status"] != "running":
        raise harness.Failure(replies)
    if [line["event"] for line in lines if "event" in line] != ["STOP"] or lines[-1]["exit"] != 9:
        raise harness.Failure(result.stdout)
    if result.returncode != 9: # of the first error
        raise harness.Failure(result.returncode)


def the_language_of_batches(s):
    dst = s.migmon("dst", "--incoming", f"unix:{s.path('m.sock')}")
    with open(s.path("limits.hmp"), "w") as file:
        file.write("migrate_set_parameter downtime-limit $limit\n"
                   "info migrate_parameters\nexpect ^downtime-limit: $limit ms$\nexpect ^max-bandwidth: ")
    with open(s.path("main.hmp"), "w") as file:
        file.write(f"""# the whole language in one migration
set dir {s.dir}
set limit 0
set uri "unix:$dir/m.sock"
source $dir/limits.hmp
assert status == none
assert owner == here
migrate_set_parameter max-bandwidth {pace.HELD}B
migrate -d $uri
wait active
wait MIGRATION_PASS
migrate_set_parameter max-bandwidth 0
migrate_set_parameter downtime-limit {harness.LONG_PAUSE}
wait completed
assert status == completed
assert downtime < 1000min
assert ram.transferred > 5M
assert ram.total == {pace.SMALL}
assert passes >= 1
assert owner == peer
assert run-state == postmigrate
""")
    contains(batch(*steady(), "--batch", s.path("main.hmp")), "the destination confirmed")
    dst.wait_status("completed")
    # Errors name the inner file; what follows is run, and the first error decides.
    with open(s.path("inner.hmp"), "w") as file:
        file.write("echo inner\nassert status == completed\n")
    text = batch(*small(), *commands("on-error continue", f"source {s.path('inner.hmp')}", "nonsense",
                                   "echo last", "on-error stop", "stop x", "echo not reached"), expect=9)
    contains(text, "inner\n", "last\n", f"{s.path('inner.hmp')}:2: assert: assertion failed",
             "-c 3: nonsense: unknown command", "-c 6: stop: stop|s: extraneous characters")
    if "not reached" in text:
        raise harness.Failure(text)
    # What a refusal means is decided when it comes, not by what happens later.
    contains(batch(*small(), *commands("on-error continue", "migrate_incoming unix:/x",
                                     f"migrate unix:{nobody(s)}"), expect=3), "Failed to connect")
    with open(s.path("loop.hmp"), "w") as file:
        file.write(f"source {s.path('loop.hmp')}\n")
    contains(batch(*small(), "--batch", s.path("loop.hmp"), expect=1), "loop.hmp:1: source: ", "deeper than 16")
    contains(batch(*small(), *commands(f"source {s.path('missing')}"), expect=1), "-c 1: source: Could not open")
    contains(batch(*small(), *commands("echo $HOME"), env={"HOME": "/x"}, expect=1), "variable 'HOME' is not set")


def traced_requests(s):
    text = batch(*small(), "--trace-requests", *commands("migrate_set_capability events on"))
    contains(text, '"migrate-set-capabilities"', '"events"')


def planted(s, fault):
    """What a batch says of a fault that is planted once the guest has written; its exit status is 10."""
    vm = s.migmon(fault, "--batch", "-", machine=pace.stress(0, "prefill=on"), fault="")
    vm.written(20000)
    vm.process.stdin.write(f"stop\nguest_plant {fault}\nguest_verify\n".encode())
    vm.process.stdin.flush()
    if harness.wait_end(vm.process) != 10:
        raise harness.Failure(f"{fault}: exit {vm.process.returncode}\n{vm.output()}")
    return vm.output()


def every_planted_fault_is_named(s):
    for fault in ("stale", "lost", "swapped", "torn", "corrupt", "stale-ledger", "stale-group"):
        text = planted(s, fault)
        if not re.search(rf"^{fault}: |\b{fault}\b", text.replace(f"guest_plant {fault}", ""), re.MULTILINE):
            raise harness.Failure(f"{fault}: {text}")


# ---- sockets ----

class HmpClient:
    """Types lines, reads to the prompt, as a script with socat would."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(harness.PATIENCE)
        self.socket.connect(path)
        self.banner = self.read()

    def read(self):
        text = ""
        while not text.endswith("(migmon) "):
            data = self.socket.recv(4096)
            if not data:
                raise harness.Failure(f"closed after {text!r}")
            text += data.decode()
        return text

    def __call__(self, line):
        self.socket.sendall(line.encode() + b"\n")
        return self.read()


def monitor_socket(s):
    path = s.path("monitor")
    s.migmon("vm", "--monitor", f"unix:{path}")
    if os.stat(path).st_mode & 0o777 != 0o600:
        raise harness.Failure("the socket is open to others")
    first, second = HmpClient(path), HmpClient(path)
    contains(first.banner, "migmon", "type 'help'")
    contains(first("info name"), "info name", "\r\nvm\r\n")
    contains(second("migrate_set_parameter downtime-limit 77"), "(migmon) ")
    contains(first("info migrate_parameters"), "downtime-limit: 77 ms\r\n")
    contains(first("bogus"), "unknown command: 'bogus'\r\n")
    # One waits for a migration that does not move, the other works.
    peer = socket.socket(socket.AF_UNIX)
    peer.bind(s.path("peer"))
    peer.listen()
    first.socket.sendall(f"migrate unix:{s.path('peer')}\n".encode())
    harness.wait_for("the migration runs", lambda: "setup" in second("info migrate") or
                     "active" in second("info migrate"))
    second("migrate_cancel")
    contains(first.read(), "cancelled")
    peer.close()


def qmp_events_in_order(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}")
    src = s.migmon("src")
    src.capability("events")
    dst.capability("events")
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")

    def names(process):
        return [e["data"].get("status", e["event"]) if "data" in e else e["event"]
                for e in process.qmp.poll_events() if e["event"] != "MIGRATION_PASS"]
    if names(src) != ["setup", "active", "STOP", "completed"]:
        raise harness.Failure(names(src))
    if names(dst) != ["active", "RESUME", "completed"]:
        raise harness.Failure(names(dst))
    passes = [e["data"]["pass"] for e in src.qmp.events if e["event"] == "MIGRATION_PASS"]
    if passes != list(range(1, len(passes) + 1)) or len(passes) < 2:
        raise harness.Failure(passes)
    stamps = [e["timestamp"]["seconds"] * 10**6 + e["timestamp"]["microseconds"] for e in src.qmp.events]
    if stamps != sorted(stamps):
        raise harness.Failure("timestamps go back")


# ---- the prompt in a real terminal ----

def prompt(s):
    if shutil.which("tmux") is None:
        return "not tried: tmux is not here"
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}")
    t = Terminal(s, "vm", "--machine", pace.stress(pace.STEADY, "prefill=on"), width=100, height=40)
    t.shows(r"^\(migmon\)$")
    t.keys("migr", "Tab", "_set_p", "Tab", "max-ban", "Tab", "8", "Enter")
    t.shows(r"^\(migmon\) migrate_set_parameter max-bandwidth 8")
    t.keys("info migrate_par", "Tab", "Enter")
    t.shows(r"^max-bandwidth: 8388608 bytes/second$")
    # The language of batches is understood; what only waits ends with Ctrl-C.
    def interrupt_a_wait():
        t.keys("wait comp", "Tab", "Enter")
        t.shows(r"^\(migmon\) wait completed")
        t.keys("C-c")  # one that comes before Enter clears the line: then once more
        return "Error: interrupted" in t.screen()
    harness.wait_for("the wait is interrupted", interrupt_a_wait, every=0.2)
    t.shows(r"^\(migmon\)\s*\Z")
    t.keys("set speed 1M", "Enter", "migrate_set_parameter max-bandwidth $sp", "Tab", "Enter")
    t.keys("assert run-st", "Tab", "== pau", "Tab", "Enter")
    t.shows(r"assertion failed: run-state == paused, but it is 'running'")
    # Search in the history finds a line of before.
    t.keys("C-r", "info migrate_p", "Enter")
    t.shows(r"^max-bandwidth: 1048576 bytes/second$")
    # It cannot converge; the line says so all the time.
    t.keys(f"migrate unix:{path}", "Enter")
    t.shows(r"^active pass \d+ +to go ")
    t.keys("C-c")
    t.shows(r"press Ctrl-C again to cancel the migration")
    t.keys("C-c")
    t.shows(r"cancelled; the guest goes on here")
    for line in (*RELEASE, f"migrate unix:{path}"):
        t.keys(line, "Enter")
    t.shows(r"completed: .* downtime [\d.]+ m?s")
    t.keys("info status", "Enter")
    t.shows(r"^VM status: paused \(postmigrate\)$")
    # History: the line before the last one, again.
    t.keys("Up", "Up", "C-u", "cont", "Enter")
    t.shows(r"^Error: the guest may run elsewhere")
    t.keys("quit", "Enter")
    t.shows(r"^ended with \d")
    dst.wait_status("completed")
    dst.verify()


def a_stopped_prompt_gets_its_terminal_back(s):
    if shutil.which("tmux") is None:
        return "not tried: tmux is not here"
    # A history that is a device or a pipe is left alone.
    os.makedirs(s.path("migmon"))
    os.mkfifo(s.path("migmon/history"), 0o644)
    t = Terminal(s, "vm", "--machine", pace.stress(pace.STEADY, "prefill=on"), width=100, height=40)
    t.shows(r"^\(migmon\)$")
    if os.stat(s.path("migmon/history")).st_mode & 0o777 != 0o644:
        raise harness.Failure("the mode of a pipe was changed")
    t.signal(signal.SIGTSTP)  # ignored
    t.signal(signal.SIGSTOP)
    subprocess.run(["stty", "-F", t.tty(), "sane"], check=True)  # as a shell does
    t.signal(signal.SIGCONT)
    harness.wait_for("the mode is set again", lambda: not t.mode()["icanon"])
    t.keys("info sta", "Tab", "Enter")
    t.shows(r"^VM status: running$")
    t.keys("migrate tcp:", "Tab", "Tab")
    t.shows(r"^  HOST:PORT$")
    t.keys("C-u")
    for line in HOLD:
        t.keys(line, "Enter")
    t.keys('migrate -d "exec:cat >/dev/null"', "Enter", "wait active", "Enter", "quit", "Enter")
    t.shows(r"quit again to cancel it")
    t.keys("quit", "Enter")
    t.shows(r"^ended with \d")


harness.run([faults_come_before_nothing_to_do, text_that_only_looks_right, a_batch_waits_until_the_guest_is_filled,
             after_a_cancel_the_destination_says_where_it_listens, warnings_of_qmp_reach_the_operator, pasted_lines_and_files_at_the_prompt, a_failure_is_told_once, quit_tells_what_became_of_the_migration, signals, nothing_to_do_and_no_room,
             a_stopped_prompt_gets_its_terminal_back, exit_codes, failed_with_the_guest_on_the_destination, interrupted, the_language_of_batches,
             errors_name_file_and_line, stdin_batch_waits_for_the_migration, json_lines, traced_requests, every_planted_fault_is_named, monitor_socket,
             qmp_events_in_order, prompt])
