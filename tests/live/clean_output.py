"""What strangers and options say is shown to people, and obeyed by no terminal: every text of an attached monitor, the
names and addresses of our own options, in every output for people. JSON and QMP have every byte."""

import fcntl
import json
import os
import pty
import select
import shutil
import socket
import struct
import subprocess
import termios
import threading
import unicodedata

import harness
import pace

# A title, a colour by C1, text from right to left, a line of its own, the carriage return over what stands there.
EVIL = "x\x1b]0;T\x07\x9b31m\u202egnp\u2066\nfake: a line\r\t\x7f\u2028"
SIGNS = ("\x1b]0;", "\x9b", "\u202e", "\u2066", "\u2028", "\x07", "\x7f")
# As an argument of a program: no line end is spared, and a byte that is no UTF-8.
EVIL_BYTES = EVIL.encode() + b"\xff\xc3"


def judge(what, output, newline="\n"):
    """The bytes of an output for people that is no picture of a screen."""
    try:
        text = output.decode()
    except UnicodeDecodeError as error:
        raise harness.Failure(f"{what}: {error}: {output[max(error.start - 80, 0):error.start + 20]!r}") from None
    text = text.replace(newline, "\n")
    for at, char in enumerate(text):
        if (unicodedata.category(char) == "Cc" and char not in "\n\t") or char in SIGNS:
            raise harness.Failure(f"{what}: {char!r} in {text[max(at - 200, 0):at + 40]!r}")
    for line in text.split("\n"):
        if line.startswith("fake:"):
            raise harness.Failure(f"{what}: a line that nobody wrote:\n{text[-2000:]}")
    return text


# ---- a monitor whose every text is evil ----

REPLIES = {
    "query-version": {"qemu": {"major": 8, "minor": 2, "micro": 0}, "package": "p"},
    "query-name": {"name": "n"},
    "query-uuid": {"UUID": "u"},
    "query-status": {"status": "running", "running": True, "singlestep": False},
    "query-migrate": {"status": "failed", "error-desc": "e", "blocked-reasons": ["b"],
                      "socket-address": [{"type": "unix", "path": "p"}],
                      "ram": {"transferred": 1, "total": 2, "remaining": 1, "page-size": 4096}},
    "query-migrate-parameters": {"max-bandwidth": 1, "downtime-limit": 300, "tls-creds": "t", "tls-hostname": "h",
                                 "multifd-compression": "m", "foreign": "f"},
    "query-migrate-capabilities": [{"capability": "c", "state": True}],
    "query-migrationthreads": [{"name": "n", "thread-id": 7}],
    "query-cpus-fast": [{"cpu-index": 0, "qom-path": "q", "thread-id": 7, "target": "t"}],
    "query-memdev": [{"id": "i", "size": 1048576, "merge": True, "dump": True, "prealloc": False, "share": True,
                      "host-nodes": [], "policy": "default"}],
    "query-memory-size-summary": {"base-memory": 1048576},
    "query-machines": [{"name": "m", "cpu-max": 1, "is-default": True, "hotpluggable-cpus": False,
                        "numa-mem-supported": False, "deprecated": False}],
    "query-dirty-rate": {"status": "measured", "start-time": 1, "calc-time": 1, "mode": "page-sampling",
                         "dirty-rate": 1, "sample-pages": 512},
    "query-vcpu-dirty-limit": [{"cpu-index": 0, "limit-rate": 1, "current-rate": 1}],
    "query-kvm": {"enabled": True, "present": True},
    "qom-list": [{"name": "n", "type": "t"}],
    "qom-get": "q",
    "human-monitor-command": "first\nsecond",
}


def evil(value, key=None):
    """The same with a tail of EVIL behind every text, except where a kind decides how the rest is read."""
    if isinstance(value, str):
        return value if key == "type" else value + EVIL
    if isinstance(value, list):
        return [evil(item, key) for item in value]
    if isinstance(value, dict):
        return {name: evil(item, name) for name, item in value.items()}
    return value


def schema():
    commands = list(REPLIES) + ["migrate", "migrate-incoming", "migrate-set-parameters", "migrate-set-capabilities",
                                "migrate_cancel", "cont", "stop", "calc-dirty-rate", "migrate-pause", "migrate-recover",
                                "query-qmp-schema"]
    members = ["uri", "channels", "resume", "max-bandwidth", "capabilities", "calc-time", "mode", "foreign" + EVIL]
    rows = [{"name": name, "meta-type": "command", "arg-type": "a", "ret-type": "b"} for name in commands]
    rows.append({"name": "a", "meta-type": "object", "members": [{"name": name, "type": "str"} for name in members]})
    rows.append({"name": "b", "meta-type": "object", "members": []})
    rows.append({"name": "kind" + EVIL, "meta-type": "enum", "values": ["v" + EVIL],
                 "members": [{"name": "v" + EVIL}]})
    return rows


# Every part that a person may see is evil in one of the rounds; evil states stop some flows, so they have their own.
ROUNDS = ("names", "states", "errors")


def answer(kind, request):
    name = request.get("execute") or request.get("exec-oob")
    if name == "qmp_capabilities":
        return {"return": {}}
    if name == "query-qmp-schema":
        return {"return": schema()}
    if kind == "errors" and name not in ("query-version", "query-status"):
        return {"error": {"class": "GenericError", "desc": "no" + EVIL + "\nhint: obey"}}
    if name not in REPLIES:
        return {"error": {"class": "GenericError", "desc": "no" + EVIL}} if kind == "names" else {"return": {}}
    value = evil(REPLIES[name])
    if name == "human-monitor-command":
        value = value.replace("\nfake", "fake").replace("first\n", "first\r\n")  # its lines are lines
    if kind != "states":
        for member in ("status", "mode"):
            if isinstance(value, dict) and member in value:
                value[member] = REPLIES[name][member]
    return {"return": value}


class Monitor:
    """A QMP monitor on a socket."""

    def __init__(self, path, kind):
        self.kind = kind
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        def send(value):
            client.sendall(json.dumps(value).encode() + b"\r\n")

        try:
            send({"QMP": {"version": evil(REPLIES["query-version"]), "capabilities": ["oob"]}})
            data = b""
            while True:
                while b"\n" not in data:
                    more = client.recv(65536)
                    if not more:
                        return
                    data += more
                line, data = data.split(b"\n", 1)
                request = json.loads(line)
                reply = answer(self.kind, request)
                if "id" in request:
                    reply["id"] = request["id"]
                for event in ("MIGRATION", "STOP", "X_NOTICE", "EVENT" + EVIL):
                    send({"event": event, "data": evil({"status": "active", "text": "t"}),
                          "timestamp": {"seconds": 1, "microseconds": 1}})
                send(reply)
        except (OSError, ValueError):
            pass
        finally:
            client.close()

    def close(self):
        self.listener.close()


LINES = ["info status", "info name", "info uuid", "info version", "info guest", "info migrate", "info target",
         "info migrate_parameters", "info migrate_capabilities", "info migration_threads", "info dirty_rate",
         "info vcpu_dirty_limit", "info snapshots", "migrate_set_parameter max-bandwidth 1M",
         "migrate_set_capability events on", "migrate_set_parameter nosuch 1", "help nosuch", "help foreign",
         "migrate_check unix:/nowhere/m", "migrate_to -d unix:/nowhere/m", "migrate_to -r unix:/nowhere/m",
         "migrate -d unix:/nowhere/m", "migrate_cancel", "migrate_continue pre-switchover", "assert status == none",
         "assert downtime < 1s", "qemu info status", "expect nothing", "calc_dirty_rate 1", "migrate_pause", "cont", "stop",
         "savevm x", "report"]


def attached_monitors(s):
    for kind in ROUNDS:
        paths, monitors = [], []
        for side in ("a", "b"):
            paths.append(s.path(f"{kind}-{side}"))
            monitors.append(Monitor(paths[-1], kind))
        options = [harness.MIGMON, "--connect", f"unix:{paths[0]}", "--peer", f"unix:{paths[1]}", "--peer-timeout", "5"]
        script = s.path("script")
        reports = [s.path(f"{kind}.{form}") for form in ("txt", "md", "svg")]
        with open(script, "w") as file:
            file.write("\n".join(["on-error continue", *LINES, *(f"report {path}" for path in reports),
                                  "connect unix:/nowhere/q", "echo alive", "quit"]))
        for more in ([], ["--plain"], ["--trace-requests"]):
            done = harness.run_program([*options, *more, "--batch", script])
            output = judge(f"{kind} {more}: output", done.stdout)
            if "alive" not in output or "\\x1b" not in output or "U+202E" not in output:
                raise harness.Failure(f"{kind}: the batch did not show it:\n{output}\n{done.stderr.decode()}")
            judge(f"{kind} {more}: errors", done.stderr)
        for path in reports:
            if os.path.exists(path):
                with open(path, "rb") as file:
                    judge(path, file.read())
        done = harness.run_program([*options, "--json", "-c", "info name", "-c", "info status", "-c", "quit"])
        replies = [json.loads(line) for line in done.stdout.decode().split("\n") if line]
        names = [reply["return"]["name"] for reply in replies
                 if reply.get("command") == "info name" and "error" not in reply]
        if kind != "errors" and names != ["n" + EVIL]:
            raise harness.Failure(f"--json changed the name: {replies}")
        judge(f"{kind}: errors beside --json", done.stderr)
        for monitor in monitors:
            monitor.close()
    return f"{len(ROUNDS)} kinds of monitors, {len(LINES)} lines each"


# ---- our own options ----

def options_and_lines(s):
    """Each option, each kind of argument, good and refused."""
    binary = os.fsencode(harness.MIGMON)
    folder = os.fsencode(s.path("f-")) + EVIL_BYTES
    refused = [[b"--" + EVIL_BYTES], [b"--memory", EVIL_BYTES], [b"--machine", EVIL_BYTES], [b"--smp", EVIL_BYTES],
               [b"--machine", b"stress," + EVIL_BYTES + b"=1"], [b"--machine", b"stress,pattern=" + EVIL_BYTES],
               [b"--uuid", EVIL_BYTES], [b"--ram-file", folder + b"/no"], [b"--incoming", EVIL_BYTES],
               [b"--incoming", b"unix:" + folder + b"/no"], [b"--connect", EVIL_BYTES],
               [b"--connect", b"unix:" + folder], [b"--peer", b"unix:" + folder], [b"--monitor", EVIL_BYTES],
               [b"--qmp", b"unix:" + folder + b"/no"], [b"--batch", folder], [b"--tracker", EVIL_BYTES],
               [b"--theme", EVIL_BYTES], [b"--color", EVIL_BYTES], [b"--refresh", EVIL_BYTES],
               [b"--completion", EVIL_BYTES], [b"--peer-timeout", EVIL_BYTES], [EVIL_BYTES]]
    for options in refused:
        done = harness.run_program([binary, *options])
        judge(f"{options}: output", done.stdout)
        text = judge(f"{options}: errors", done.stderr)
        if done.returncode not in (1, 2) or "nothing to do" in text or "\\x1b" not in text:
            raise harness.Failure(f"{options}: exit {done.returncode}: {text}")
    lines = [b"info name", b"info migrate", b"info guest", EVIL_BYTES, b"help " + EVIL_BYTES, b"info " + EVIL_BYTES,
             b"migrate -d unix:" + folder, b"migrate -d " + EVIL_BYTES, b"migrate -d exec:" + EVIL_BYTES,
             b"migrate -d file:" + folder + b"/no", b"migrate_set_parameter " + EVIL_BYTES + b" 1",
             b"migrate_set_parameter tls-creds \"" + EVIL_BYTES.replace(b"\n", b"\\n") + b"\"",
             b"info migrate_parameters", b"migrate_set_capability " + EVIL_BYTES + b" on", b"getfd " + EVIL_BYTES,
             b"closefd " + EVIL_BYTES, b"object_add tls-creds-x509,id=" + EVIL_BYTES, b"object_del " + EVIL_BYTES,
             b"savevm " + EVIL_BYTES, b"loadvm " + EVIL_BYTES, b"delvm " + EVIL_BYTES, b"guest_set " + EVIL_BYTES + b" 1",
             b"guest_set rate " + EVIL_BYTES, b"wait " + EVIL_BYTES, b"set a " + EVIL_BYTES, b"set", b"echo $a",
             b"expect " + EVIL_BYTES, b"assert owner == " + EVIL_BYTES, b"report " + folder + b"/no.txt",
             b"source " + folder, b"print " + EVIL_BYTES, b"info history", b"report"]
    script = s.path("lines")
    with open(script, "wb") as file:
        file.write(b"on-error continue\n" + b"".join(line.replace(b"\n", b"") + b"\n" for line in lines) + b"echo alive\n")
    base = [binary, b"--memory", pace.SMALL.encode(), b"--machine", b"stress", b"--name", EVIL_BYTES]
    done = harness.run_program([*base, b"--batch", os.fsencode(script)])
    text = judge("a script: output", done.stdout)
    judge("a script: errors", done.stderr)
    if "alive" not in text or "\\x1b]0;T\\x07U+009B31mU+202Egnp" not in text:
        raise harness.Failure(text)
    for line in lines:
        done = harness.run_program([*base, b"-c", line])
        if not line.startswith(b"echo"):
            judge(f"-c {line}: output", done.stdout)
            judge(f"-c {line}: errors", done.stderr)
    return f"{len(refused)} options, {len(lines)} lines"


def sockets(s):
    """The human monitor on a socket, and QMP beside it, which has every byte."""
    process = s.migmon("server", "--monitor", f"unix:{s.path('hmp')}", "--name", EVIL)
    if process.execute("query-name")["name"] != EVIL:
        raise harness.Failure("QMP changed the name")
    client = socket.socket(socket.AF_UNIX)
    client.connect(s.path("hmp"))
    client.settimeout(harness.PATIENCE)
    output = b""
    for prompts, line in enumerate([b"info name", b"migrate -d unix:/no/where", b"info migrate", b"quit"], 1):
        while output.count(b"(migmon) ") < prompts:
            output += client.recv(65536)
        client.sendall(line + b"\r")
    while True:
        more = client.recv(65536)
        if not more:
            break
        output += more
    client.close()
    text = judge("the monitor socket", output, "\r\n")
    if "\\x1b]0;T\\x07U+009B31mU+202Egnp" not in text:
        raise harness.Failure(text)
    harness.wait_end(process.process)


# ---- a terminal ----

class Tty:
    """A program on a terminal of our own, of which we see every byte."""

    def __init__(self, folder, argv):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
        self.bytes = b""
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=folder,
                                        env={**os.environ, "TERM": "xterm", "XDG_STATE_HOME": folder,
                                             "XDG_CONFIG_HOME": folder})
        os.close(slave)

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            try:
                more = os.read(self.master, 65536)
            except OSError:
                return
            if not more:
                return
            self.bytes += more

    def await_bytes(self, wanted, since=0):
        def look():
            self.read()
            return wanted in self.bytes[since:]

        try:
            harness.wait_for(f"{wanted} on the terminal", look, lambda: len(self.bytes))
        except harness.Failure as failure:
            raise harness.Failure(f"{failure}\n{self.bytes[-3000:]!r}") from None

    def type(self, data, wanted):
        since = len(self.bytes)
        os.write(self.master, data)
        self.await_bytes(wanted, since)

    def judge(self):
        """A picture of a screen has sequences of ours, but none of a stranger's."""
        text = self.bytes.decode(errors="surrogateescape")
        for sign in SIGNS:
            if sign in text.replace("\x07", "") and sign != "\x07":
                at = text.index(sign)
                raise harness.Failure(f"{sign!r} on the terminal: {text[max(at - 200, 0):at + 50]!r}")
        if "\r\nfake:" in text:
            raise harness.Failure(f"a line that nobody wrote: {text[-2000:]!r}")

    def close(self):
        os.close(self.master)
        self.process.wait()


def terminals(s):
    """The prompt with its lists of candidates, and the dashboard."""
    folder = s.path("files")
    os.mkdir(folder)
    for name in (b"way-1", b"way-2"):
        with open(os.path.join(os.fsencode(folder), name + EVIL_BYTES.replace(b"/", b"")), "wb"):
            pass
    base = [harness.MIGMON, "--memory", pace.SMALL, "--machine", "stress", "--name", EVIL]
    tty = Tty(folder, base)
    tty.await_bytes(b"(migmon) ")
    tty.type(b"info name\r", b"U+202E")
    tty.type(b"migrate -d unix:/no/where\r", b"Failed to connect")
    tty.type(b"report way-\t\t\t", b"U+202E")
    tty.type(b"\x15dashboard\r", b"1 Progress")
    tty.type(b"8", b"8 Events")
    tty.type(b"q", b"(migmon) ")
    tty.type(b"quit\r", b"quit")
    harness.wait_for("the program ends", lambda: tty.read() or tty.process.poll() is not None, lambda: len(tty.bytes))
    tty.judge()
    tty.close()
    for kind in ROUNDS[:2]:
        path = s.path(f"tty-{kind}")
        monitor = Monitor(path, kind)
        tty = Tty(folder, [harness.MIGMON, "--connect", f"unix:{path}", "--dashboard"])
        tty.await_bytes(b"1 Progress")
        tty.await_bytes(b"U+202E")
        since = len(tty.bytes)
        os.write(tty.master, b"q")
        tty.await_bytes(b"(migmon) ", since)
        tty.type(b"quit\r", b"quit")
        harness.wait_for("the program ends", lambda: tty.read() or tty.process.poll() is not None,
                         lambda: len(tty.bytes))
        tty.judge()
        tty.close()
        monitor.close()
    shutil.rmtree(folder)


harness.run([attached_monitors, options_and_lines, sockets, terminals])
