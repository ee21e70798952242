"""Batch, monitor socket, QMP and the prompt of the built program, as people and scripts use them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess

import harness

SMALL = ["--memory", "32M", "--machine", "stress,rate=20M,prefill=on"]


def batch(*options, stdin="", env=None, expect=0):
    """Runs a batch to its end; returns what it printed."""
    result = subprocess.run([harness.MIGMON, *options], input=stdin, capture_output=True, text=True,
                            timeout=harness.PATIENCE * 4, check=False, env={**os.environ, **(env or {})})
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

def exit_codes(s):
    def listener(name, **kwargs):
        return s.migmon(name, "--incoming", f"unix:{s.path(name + '.sock')}", memory="32M", **kwargs)

    batch(*SMALL, *commands("info status"), expect=0)
    contains(batch("--memory", "nonsense", expect=1), "not a size")
    contains(batch(*SMALL, *commands("no_such_command"), expect=1), "unknown command: 'no_such_command'")
    contains(batch(*SMALL, *commands("migrate unix:/nonexistent/socket"), expect=2), "Failed to connect")
    contains(batch(*SMALL, "--incoming", "unix:/nonexistent/socket", expect=2), "Failed to bind")
    contains(batch(*SMALL, *commands("migrate_incoming unix:/tmp/x"), expect=3),
             "'-incoming' was not specified on the command line")
    listener("small", machine="stress")
    contains(batch("--memory", "64M", *commands(f"migrate unix:{s.path('small.sock')}"), expect=4), "failed")
    path = s.path("never")
    peer = socket.socket(socket.AF_UNIX)
    peer.bind(path)
    peer.listen()
    # A migration that is still running is waited for; here it is cancelled by a line of the batch.
    contains(batch(*SMALL, *commands(f"migrate -d unix:{path}", "migrate_cancel", "wait cancelled 60"),
                   expect=5), "cancelled")
    contains(batch(*SMALL, *commands("migrate_set_parameter max-bandwidth 0", f"migrate -d unix:{path}",
                                     "wait completed 0.2"), expect=8), "wait")
    peer.close()
    # The destination stands still after the guest was handed over; the source gives up waiting.
    dst = listener("held", machine="stress", fault="dst-eof=hold")
    contains(batch(*SMALL, *commands("migrate_set_parameter x-handover-timeout 500",
                                     f"migrate unix:{s.path('held.sock')}"), expect=7),
             "nobody confirmed it")
    dst.execute("x-fault-release")
    contains(batch("--memory", "32M", "--machine", "stress,prefill=on",
                   *commands("sleep 1", "stop", "guest_plant lost", "guest_verify"), env={"MIGMON_FAULT": ""},
                   expect=10), "lost")


def interrupted(s):
    process = subprocess.Popen([harness.MIGMON, *SMALL, *commands("echo ready", "sleep 600")],
                               stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "ready\n":
        raise harness.Failure("no output")
    process.send_signal(signal.SIGINT)
    if process.wait(harness.PATIENCE) != 130:
        raise harness.Failure(f"exit {process.returncode}")
    process.stdout.close()


def errors_name_file_and_line(s):
    path = s.path("script.hmp")
    with open(path, "w") as file:
        file.write("# a comment\n\ninfo status\nmigrate_set_parameter max-bandwidth oops\necho not reached\n")
    text = batch(*SMALL, "--batch", path, expect=1)
    contains(text, f"{path}:4: ", "Invalid size oops", "VM status: running")
    if "not reached" in text:
        raise harness.Failure("went on after an error")


def stdin_batch_waits_for_the_migration(s):
    s.migmon("dst", "--incoming", f"unix:{s.path('m.sock')}", memory="32M")
    text = batch(*SMALL, stdin=f"migrate_set_parameter max-bandwidth 20M\nmigrate -d unix:{s.path('m.sock')}\n")
    contains(text, "the destination confirmed that it has the guest")


def json_lines(s):
    text = batch(*SMALL, "--json", *commands("info status", "migrate_set_parameter max-bandwidth 5M"))
    for line in text.strip().split("\n"):
        json.loads(line)
    contains(text, '"running"')


def traced_requests(s):
    text = batch(*SMALL, "--trace-requests", *commands("migrate_set_capability events on"))
    contains(text, '"migrate-set-capabilities"', '"events"')


def every_planted_fault_is_named(s):
    for fault in ("stale", "lost", "swapped", "torn", "corrupt", "stale-ledger", "stale-group"):
        text = batch("--memory", "64M", "--machine", "stress,rate=400M,prefill=on",
                     *commands("sleep 1", "stop", f"guest_plant {fault}", "guest_verify"),
                     env={"MIGMON_FAULT": ""}, expect=10)
        if not re.search(rf"^{fault}: |\b{fault}\b", text, re.MULTILINE):
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
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory="32M")
    src = s.migmon("src", memory="32M")
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

class Terminal:
    """migmon in tmux, on a server of its own."""

    def __init__(self, s, *options):
        self.command = ["tmux", "-S", s.path("tmux"), "-f", "/dev/null"]
        env = f"XDG_STATE_HOME={s.path('state')}"
        line = " ".join([env, harness.MIGMON, *options])
        subprocess.run([*self.command, "new-session", "-d", "-x", "100", "-y", "40", line], check=True)

    def type(self, *keys):
        subprocess.run([*self.command, "send-keys", *keys], check=True)

    def screen(self):
        result = subprocess.run([*self.command, "capture-pane", "-p"], capture_output=True, text=True, check=False)
        return result.stdout.rstrip()

    def wait(self, pattern):
        try:
            harness.wait_for(pattern, lambda: re.search(pattern, self.screen(), re.MULTILINE))
        except harness.Failure as failure:
            raise harness.Failure(f"{failure}; the screen:\n{self.screen()}") from None

    def close(self):
        subprocess.run([*self.command, "kill-server"], capture_output=True, check=False)


def prompt(s):
    if shutil.which("tmux") is None:
        return "not tried: tmux is not here"
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory="64M", machine="stress")
    t = Terminal(s, "--memory", "64M", "--machine", "stress,rate=60M,prefill=on")
    try:
        t.wait(r"^\(migmon\)$")
        t.type("migr", "Tab", "_set_p", "Tab", "max-ban", "Tab", "8", "Enter")
        t.wait(r"^\(migmon\) migrate_set_parameter max-bandwidth 8")
        t.type("info migrate_par", "Tab", "Enter")
        t.wait(r"^max-bandwidth: 8388608 bytes/second$")
        # It cannot converge; the line says so all the time.
        t.type(f"migrate unix:{path}", "Enter")
        t.wait(r"^active pass \d+ +to go ")
        t.type("C-c")
        t.wait(r"press Ctrl-C again to cancel the migration")
        t.type("C-c")
        t.wait(r"cancelled; the guest goes on here")
        t.type("migrate_set_parameter max-bandwidth 0", "Enter", f"migrate unix:{path}", "Enter")
        t.wait(r"completed: .* downtime \d+ ms")
        t.type("info status", "Enter")
        t.wait(r"^VM status: paused \(postmigrate\)$")
        # History: the line before the last one, again.
        t.type("Up", "Up", "C-u", "cont", "Enter")
        t.wait(r"^Error: the guest may run elsewhere")
        t.type("quit", "Enter")
        harness.wait_for("the program ends", lambda: "(migmon)" not in t.screen())
    finally:
        t.close()
    dst.wait_status("completed")
    dst.verify()


harness.run([exit_codes, interrupted, errors_name_file_and_line, stdin_batch_waits_for_the_migration,
             json_lines, traced_requests, every_planted_fault_is_named, monitor_socket,
             qmp_events_in_order, prompt])
