"""The dashboard in a real terminal: tmux gives the terminal and its picture, keys go in as a person types them.

A terminal that nobody reads is a pty of our own.
"""

import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time

from harness import MIGMON, PATIENCE, Failure, Qmp, run, skip, wait_for


def connect(path, process):
    def attempt():
        try:
            return Qmp(path, process)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
    return wait_for("QMP answers", attempt)


class Terminal:
    """A migmon in tmux, with a QMP server beside it."""

    def __init__(self, scene, name, *options, width=80, height=24):
        self.scene = scene
        self.name = name
        self.socket = scene.path("tmux")
        self.qmp_path = scene.path(f"{name}-terminal.qmp")
        self.log = scene.path(f"{name}.err")
        scene.processes.append(self)  # before anything can fail: it is ended with the scene
        # The folder of the scene: an export goes there. The shell stays when migmon has ended.
        command = (f"cd {scene.dir}; exec 2>>{self.log}; XDG_STATE_HOME={scene.dir} XDG_CONFIG_HOME={scene.dir} "
                   f"TERM=tmux-256color {MIGMON} --name {name} --qmp unix:{self.qmp_path} --memory 64M "
                   f"{' '.join(options)}; echo \"ended with $?\"; cat")
        self.tmux("new-session", "-d", "-s", name, "-x", str(width), "-y", str(height), command)
        self.qmp = connect(self.qmp_path, self)
        self.pid = next(int(pid) for pid in os.listdir("/proc") if pid.isdigit() and self.is_ours(int(pid)))

    argv = "(in tmux)"
    qmp = None
    crashed = False  # a test killed it: a sanitizer reports that, rightly

    def is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            return False
        return words[0] == MIGMON.encode() and f"unix:{self.qmp_path}".encode() in words

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *arguments], check=True,
                              capture_output=True, text=True, timeout=PATIENCE).stdout

    def keys(self, *keys):
        self.tmux("send-keys", "-t", self.name, *keys)

    def type(self, text):
        self.tmux("send-keys", "-t", self.name, "-l", text)

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", self.name)

    def shows(self, pattern):
        try:
            return wait_for(f"the screen matches {pattern!r}",
                            lambda: re.search(pattern, self.screen(), re.MULTILINE))
        except Failure as failure:
            raise Failure(f"{failure}\n{self.screen()}") from None

    def command(self, line):
        self.keys(":")
        self.shows(r"^: *$")
        self.type(line)
        self.shows("^: .*" + re.escape(line[-20:]) + " *$")
        self.keys("Enter")

    def close_command(self):
        self.keys("Escape")
        wait_for("the command line closes", lambda: not re.search(r"^:|^in work", self.screen(), re.MULTILINE))

    def resize(self, width, height):
        self.tmux("resize-window", "-t", self.name, "-x", str(width), "-y", str(height))

    def mode(self):
        tty = self.tmux("display", "-p", "-t", self.name, "#{pane_tty}").strip()
        flags = subprocess.run(["stty", "-a", "-F", tty], check=True, capture_output=True, text=True).stdout
        return {flag: f"-{flag}" not in flags.replace(";", " ").split() for flag in ("icanon", "echo", "onlcr")}

    def is_restored(self):
        picture = self.tmux("display", "-p", "-t", self.name, "#{alternate_on} #{cursor_flag} #{mouse_any_flag}")
        return picture.split() == ["0", "1", "0"] and all(self.mode().values())

    def output(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, errors="replace") as log:
            return log.read()

    def close(self):
        if self.qmp is not None:
            self.qmp.close()
        subprocess.run(["tmux", "-S", self.socket, "kill-session", "-t", self.name], check=False,
                       capture_output=True)
        if not self.crashed and "Sanitizer" in self.output() or "runtime error" in self.output():
            raise Failure(self.output())


def start(scene, *options, rate="8M", dashboard=True, **size):
    """A source with the dashboard open, and a destination that waits."""
    uri = f"unix:{scene.path('guest.sock')}"
    scene.migmon("destination", "--incoming", uri)
    # The limit keeps the migration going until a test ends it.
    source = Terminal(scene, "source", f"--machine stress,rate={rate},prefill=on", *options,
                      *(["--dashboard"] if dashboard else []), **size)
    source.qmp.execute("migrate-set-parameters", max_bandwidth=4 << 20, downtime_limit=1)
    if dashboard:
        source.shows("no migration yet")
    return source, uri


def keys_from_start_to_completion(scene):
    source, uri = start(scene)
    source.command(f"migrate -d {uri}")
    source.close_command()
    source.shows(r"^ . active  → to unix:")
    source.shows(r"guest is here, running")
    source.shows(r"sent \d.*dirtied \d")
    source.keys("c")
    source.shows(r"What was sent so far is lost")
    source.keys("n")
    source.shows(r"the migration goes on")
    source.keys("d")
    source.shows("Longest pause at the switchover")
    source.keys("C-u")
    source.type("30000")
    source.keys("Enter")
    source.shows(r"migrate_set_parameter downtime-limit 30000")
    source.keys("+")
    source.shows(r"migrate_set_parameter max-bandwidth \d+B")
    source.keys("F2")
    source.shows(r"^  max-bandwidth +5\.0 MiB/s")
    source.keys("Enter")
    source.keys("C-u")
    source.type("500M")
    source.keys("Enter")
    source.shows(r"^ ✓ completed")
    source.shows(r"guest is peer \(confirmed\)")
    source.keys("Escape", "6")
    source.shows(r"pause +[\d.]+ (ms|us)")
    source.keys("6", "8")
    source.shows(r"info +migration: completed")
    source.command("report way.svg")
    source.shows(r"report: way\.svg \(svg, ")
    source.close_command()
    source.keys("x")
    source.shows(r"exported \d+ samples")
    exported = [name for name in os.listdir(scene.dir) if name.endswith(".jsonl")]
    if len(exported) != 1:
        raise Failure(f"one export expected: {exported}")


def resize_during_a_migration(scene):
    source, uri = start(scene)
    source.qmp.execute("migrate", uri=uri)
    source.shows(r"active")
    for width, height, pattern in [(160, 48, "5 Channels"), (40, 12, "1 Progress"), (39, 11, r"^active.*to go"),
                                   (1, 1, ""), (200, 3, r"^active.*to go"), (300, 90, "6 Downtime"),
                                   (80, 24, "8 Events")]:
        source.resize(width, height)
        source.shows(pattern)
    source.qmp.execute("migrate_cancel")
    source.shows("cancelled")


def leave_and_come_back(scene):
    source, uri = start(scene)
    source.qmp.execute("migrate", uri=uri)
    source.shows("active")
    source.keys("q")
    source.shows(r"^\(migmon\)")
    if source.qmp.execute("query-migrate")["status"] != "active":
        raise Failure("leaving the dashboard disturbed the migration")
    source.type("dashboard")
    source.keys("Enter")
    source.shows(r"^ . active  → to unix:")
    source.shows("migration: active")
    source.keys("c")
    source.shows("What was sent so far is lost")
    source.keys("y")
    source.shows(r"^ . cancelled")
    source.keys("q")
    source.shows(r"^\(migmon\)")
    source.type("quit")
    source.keys("Enter")
    source.shows("ended with 5")  # cancelled, as a prompt says it too
    if not source.is_restored():
        raise Failure("the terminal is not as it was")


def command_line_is_the_prompt(scene):
    source, _ = start(scene)
    source.command("info status")
    source.shows(r"^\(migmon\) info status")
    source.shows("VM status: running")
    source.type("migrate_set_param")
    source.keys("Tab")
    source.shows("^: migrate_set_parameter")
    source.type("down")
    source.keys("Tab")
    source.shows("^: migrate_set_parameter downtime-limit")
    source.keys("C-u", "Up")
    source.shows("^: info status")
    source.keys("C-a", "C-k")
    source.type("no_such_thing")
    source.keys("Enter")
    source.shows("unknown command: 'no_such_thing'")
    source.keys("Enter")  # an empty line closes it
    wait_for("the command line closes", lambda: not re.search(r"^:", source.screen(), re.MULTILINE))
    source.keys("C-c")
    source.shows("Ctrl-C: q leaves the dashboard")


def terminal_is_restored(scene):
    # 143 and so on are what the shell says of a signal; SIGTERM ends migmon in good order.
    for end, pattern in [(signal.SIGTERM, r"ended with \d+"), (signal.SIGSEGV, r"ended with \d+"),
                         (signal.SIGABRT, r"ended with \d+")]:
        source, _ = start(scene)
        if source.is_restored():
            raise Failure("the dashboard does not have the screen")
        source.crashed = end != signal.SIGTERM
        os.kill(source.pid, end)
        source.shows(pattern)
        if not source.is_restored():
            raise Failure(f"the terminal is not as it was after signal {end}")
        scene.drop(source)
        scene.drop(scene.processes[-1])


def stopped_and_woken(scene):
    source, _ = start(scene)

    def state():
        with open(f"/proc/{source.pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    os.kill(source.pid, signal.SIGTSTP)
    wait_for("it stops", lambda: state() == "T")
    if not source.is_restored():
        raise Failure("the terminal is not as it was while migmon is stopped")
    os.kill(source.pid, signal.SIGCONT)
    source.shows("no migration yet")
    source.command("info status")
    source.shows("VM status: running")


def terminal_that_stands_still(scene):
    uri = f"unix:{scene.path('guest.sock')}"
    scene.migmon("destination", "--incoming", uri)
    control, ours = pty.openpty()
    path = scene.path("still.qmp")
    with subprocess.Popen([MIGMON, "--dashboard", "--name", "still", "--memory", "64M", "--machine",
                           "stress,rate=8M,prefill=on", "--qmp", f"unix:{path}", "--refresh", "50"],
                          stdin=ours, stdout=ours, stderr=subprocess.DEVNULL,
                          env={**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": scene.dir,
                               "XDG_CONFIG_HOME": scene.dir}) as process:
        os.close(ours)
        try:
            qmp = connect(path, None)
            qmp.execute("migrate-set-parameters", max_bandwidth=4 << 20, downtime_limit=1)
            qmp.execute("migrate", uri=uri)
            # Nobody reads: sizes that change make frame after frame, until the terminal takes no more.
            queued, same, size = -1, 0, 0
            while same < 20:
                size += 1
                fcntl.ioctl(control, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100 + size % 50, 0, 0))
                process.send_signal(signal.SIGWINCH)
                time.sleep(0.05)
                now = struct.unpack("i", fcntl.ioctl(control, termios.FIONREAD, b"1234"))[0]
                same = same + 1 if now == queued else 0
                queued = now
                if size > 400:
                    raise Failure(f"the terminal is never full: {queued} bytes")
            os.write(control, b"c")  # keys are still read: the confirmation, then yes
            os.write(control, b"y")
            wait_for("a key cancels", lambda: qmp.execute("query-migrate")["status"] == "cancelled")
            if qmp.execute("query-status")["status"] != "running":
                raise Failure("the guest does not run")
            process.terminate()
            process.wait(PATIENCE)
            return f"full with {queued} bytes"
        finally:
            if process.poll() is None:
                process.kill()
            os.close(control)


def plain_is_sentences(scene):
    uri = f"unix:{scene.path('guest.sock')}"
    scene.migmon("destination", "--incoming", uri)
    result = subprocess.run([MIGMON, "--plain", "--memory", "64M", "-c", f"migrate {uri}"], check=False,
                            capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise Failure(f"ended with {result.returncode}: {result.stderr.decode()}")
    lines = result.stdout.decode("ascii").splitlines()
    if not any(re.fullmatch(r"The migration to unix:\S+ is completed after .* ms\.", line) for line in lines):
        raise Failure("\n".join(lines))
    for line in lines:
        if not re.fullmatch(r"[A-Z][ -~]*\.", line):
            raise Failure(f"not a sentence: {line!r}")


def refusals(scene):
    for options, text in [(["--dashboard"], "--dashboard needs a terminal"),
                          (["--plain", "--json"], "--plain and --json do not go together"),
                          (["--plain", "--theme", "pink"], "--theme: 'pink' is not one of"),
                          (["--plain", "--refresh", "1"], "--refresh: '1' is not one of 50..60000")]:
        result = subprocess.run([MIGMON, *options, "-c", "info status"], check=False, capture_output=True, text=True, timeout=PATIENCE,
                                stdin=subprocess.DEVNULL)
        if result.returncode != 1 or text not in result.stderr:
            raise Failure(f"{options}: {result.returncode} {result.stderr}")
    os.makedirs(scene.path("migmon"))
    with open(scene.path("migmon/dashboard.conf"), "w", encoding="ascii") as file:
        file.write("# mine\nthem = mono\n")
    source = Terminal(scene, "source")
    source.shows(r"^\(migmon\)")
    source.type("dashboard")
    source.keys("Enter")
    source.shows(r"dashboard.conf:2: 'them' is not a settin")
    with open(scene.path("migmon/dashboard.conf"), "w", encoding="ascii") as file:
        file.write("theme = mono\nascii = on\n")
    source.type("dashboard")
    source.keys("Enter")
    source.shows(r"^- 1 Progress ---")
    if re.search("\033\\[[0-9;]*[39][0-8]", source.tmux("capture-pane", "-e", "-p", "-t", "source")):
        raise Failure("colours in the theme mono")


if shutil.which("tmux") is None:
    skip("tmux is not there")
run([keys_from_start_to_completion, resize_during_a_migration, leave_and_come_back, command_line_is_the_prompt,
     terminal_is_restored, stopped_and_woken, terminal_that_stands_still, plain_is_sentences, refusals])
