"""The dashboard in a real terminal. A terminal that nobody reads is a pty of our own."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import termios

import pace
from harness import LONG_PAUSE, MIGMON, Failure, Process, is_stopped, run, run_program, skip, wait_for
from terminal import Terminal


class Dashboard(Terminal):
    """A terminal whose migmon has a dashboard."""

    def command(self, line):
        self.keys(":")
        self.shows(r"^: *$")
        self.type(line)
        self.shows("^: .*" + re.escape(line[-20:]) + " *$")
        self.keys("Enter")

    def close_command(self):
        self.keys("Escape")
        self.wait_screen("the command line closes", lambda screen: not re.search(r"^:|^in work", screen, re.MULTILINE))


def steady():
    """--machine of a guest whose migration goes on until a test ends it."""
    return pace.stress(pace.STEADY, "prefill=on")


def start(scene):
    """A source with the dashboard open, and a destination that waits."""
    uri = f"unix:{scene.path('guest.sock')}"
    scene.migmon("destination", "--incoming", uri)
    source = Dashboard(scene, "source", "--machine", steady(), "--dashboard")
    source.hold()
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
    source.keys("+")
    source.shows(r"migrate_set_parameter max-bandwidth \d+B")
    source.keys("F2")
    source.shows(r"^  max-bandwidth +3\.0 MiB/s")
    chosen = source.shows("^Enter edits the value; .*").group()
    while "most that is sent a second while" not in chosen:
        source.keys("Down")
        chosen = source.shows(f"^(?!{re.escape(chosen)})Enter edits the value; .*").group()
    source.keys("Enter")
    source.keys("C-u")
    source.type("500M")
    source.keys("Enter")
    source.shows(r"^  max-bandwidth +500\.0 MiB/s")
    source.keys("Escape", "d")
    source.shows("Longest pause at the switchover")
    source.keys("C-u")
    source.type(f"{LONG_PAUSE}")  # all of the guest fits into it
    source.keys("Enter")
    source.shows(rf"migrate_set_parameter downtime-limit {LONG_PAUSE}")
    source.shows(r"^ ✓ completed")
    source.shows(r"guest is peer \(confirmed\)")
    source.keys("6")
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
    source.execute("migrate", uri=uri)
    source.shows(r"active")
    for width, height, pattern in [(160, 48, "5 Channels"), (40, 12, "1 Progress"), (39, 11, r"^active.*to go"),
                                   (1, 1, ""), (200, 3, r"^active.*to go"), (300, 90, "6 Downtime"),
                                   (80, 24, "8 Events")]:
        source.resize(width, height)
        source.shows(pattern)
    source.execute("migrate_cancel")
    source.shows("cancelled")


def leave_and_come_back(scene):
    source, uri = start(scene)
    source.execute("migrate", uri=uri)
    source.shows("active")
    source.keys("q")
    source.shows(r"^\(migmon\)")
    if source.status() != "active":
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
    source.wait_screen("the command line closes", lambda screen: not re.search(r"^:", screen, re.MULTILINE))
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
    os.kill(source.pid, signal.SIGTSTP)
    wait_for("it stops", lambda: is_stopped(source.pid))
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
    try:
        still = Process(scene, "still", [MIGMON, "--dashboard", "--name", "still", "--memory", pace.SMALL, "--machine",
                                         steady(), "--qmp", f"unix:{scene.path('still.qmp')}", "--refresh", "50"],
                        {"TERM": "xterm-256color", "XDG_STATE_HOME": scene.dir, "XDG_CONFIG_HOME": scene.dir},
                        stdin=ours, stdout=ours)
        scene.processes.append(still)
        still.connect()
        still.hold()
        still.execute("migrate", uri=uri)
        size = 0

        def queued():
            return struct.unpack("i", fcntl.ioctl(control, termios.FIONREAD, b"1234"))[0]

        def is_full():
            nonlocal size
            size += 1
            fcntl.ioctl(control, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100 + size % 50, 0, 0))
            still.signal(signal.SIGWINCH)
            return not select.select([], [ours], [], 0)[1]
        # Nobody reads: sizes that change make frame after frame, until the terminal takes no more.
        wait_for("the terminal is full", is_full, progress=queued, every=0.05)
        os.write(control, b"c")  # keys are still read: the confirmation, then yes
        os.write(control, b"y")
        still.wait_status("cancelled")
        if still.run_state() != "running":
            raise Failure("the guest does not run")
        detail = f"full with {queued()} bytes"
        scene.drop(still)  # it ends on SIGTERM
        return detail
    finally:
        os.close(control)
        os.close(ours)


def plain_is_sentences(scene):
    uri = f"unix:{scene.path('guest.sock')}"
    scene.migmon("destination", "--incoming", uri)
    result = run_program([MIGMON, "--plain", "--memory", pace.SMALL, "--machine", pace.stress(pace.calm()), "-c",
                          f"migrate {uri}"])
    if result.returncode != 0:
        raise Failure(f"ended with {result.returncode}: {result.stderr.decode()}")
    # What the line that waits says of a slow machine is its own.
    lines = [line for line in result.stdout.decode("ascii").splitlines()
             if not line.startswith(("will not finish: ", "will finish in ", "not yet clear", "hint: "))]
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
        result = run_program([MIGMON, *options, "-c", "info status"], text=True)
        if result.returncode != 1 or text not in result.stderr:
            raise Failure(f"{options}: {result.returncode} {result.stderr}")
    os.makedirs(scene.path("migmon"))
    with open(scene.path("migmon/dashboard.conf"), "w", encoding="ascii") as file:
        file.write("# mine\nthem = mono\n")
    source = Dashboard(scene, "source")
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
