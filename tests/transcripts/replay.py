"""Replays transcripts of a QEMU against migmon and compares every answer.

  replay.py [--show] [SCENARIO ...]

MIGMON_TRANSCRIPTS names the folder with the transcripts (JSON lines, one file a scenario); without it only our
own in tests/transcripts/own are replayed, and the test counts as skipped. Each answer that differs must be in
differences.json with a reason, and nothing else may be there. --show prints what differs and is not listed.

Left out: raw keys and terminals (mon hmp-keys and pty), the standard error of QEMU, and what EXCLUDED names.
"""

import json
import os
import shutil
import socket
import sys

import compare
import harness
from verdict import Listed, counted, judge
from vm import Vm, options_for

HERE = os.path.dirname(os.path.abspath(__file__))
# Seconds without progress after which an answer counts as wrong in a run that has failed already.
SHORT = 3.0

EXCLUDED = {
    "completion": "raw keys",
    "stdio-ctrl-c": "a terminal",
    "hmp-snapshots": "needs a disk",
    "qmp-snapshot-jobs": "needs a disk",
    # These VMs of a scenario, not all of it.
    "misc-hmp": {"src2": "needs a disk", "dst": "its source needs a disk", "dst-srv": "starts QEMU with --object", "src-srv": "likewise",
                 "dst-psk": "likewise", "src-psk": "likewise"},
}


def is_query(entry):
    given = entry["in"]
    if entry["mon"] == "hmp":
        return given.startswith("info ") and given != "info history"
    if not isinstance(given, dict):
        return False
    line = given.get("arguments", {}).get("command-line", "")
    return str(given.get("execute")).startswith("query-") or line.startswith("info ")


class Replay:
    """One scenario."""

    def __init__(self, scenario, lines, scene, listed, random_ram):
        self.scenario = scenario
        self.lines = lines
        self.scene = scene
        self.listed = listed
        self.random_ram = random_ram
        self.answers = compare.Answers(scene.dir)
        self.vms = {}
        self.out = EXCLUDED.get(scenario, {})
        self.inputs = 0
        self.different = {}  # line -> (entry, actual)
        self.misplaced = []
        self.told = {}  # VM -> [(entry, line)]: events that the next input brings
        self.hooks = HOOKS.get(scenario, {})

    # ---- processes ----

    def negotiates(self, name, at):
        """Whether the transcript itself begins with the greeting of this monitor. Lines count from 1."""
        for entry in self.lines[at:]:
            if entry.get("vm") == name and entry.get("mon") == "qmp" and "in" in entry:
                return entry["in"] is None
        return False

    def start(self, entry, at):
        name = entry["vm"]
        if name in self.out:
            return
        if name in self.vms:
            self.vms.pop(name).close(self.scene)
        ram = self.scene.path(name + ".ram")
        if "$RANDOM_RAM" in entry["start"]:
            shutil.copyfile(self.random_ram, ram)
        options = options_for(entry["start"], self.scene, ram)
        self.vms[name] = Vm(self.scene, name, options, not self.negotiates(name, at))

    def exit(self, entry):
        """A QEMU that has ended. What ends by itself here too is waited for; a destination of migmon stays."""
        vm = self.vms.pop(entry["vm"], None)
        if vm is not None and not entry.get("crashed"):
            vm.close(self.scene)
        elif vm is not None:
            self.vms[vm.name] = vm  # a start follows, or nothing

    # ---- answers ----

    def wait(self, at, vm):
        """How to wait for what a line of the transcript expects. What is listed as different does not come: then for
        what is there once all that was sent has been read."""
        if self.listed.has(self.scenario, at):
            return vm.settle
        bad = any(not self.listed.has(self.scenario, other) for other in self.different)
        return lambda ready: vm.until(ready, SHORT if bad else None)

    def hmp(self, entry, at, vm):
        state = entry.get("state")
        line = self.answers.to_send(entry["in"])
        # Where QEMU waits and this does not, the prompt comes.
        blocks = state == "no-prompt" and not self.listed.has(self.scenario, at)
        text, actual_state = vm.hmp.execute(line, vm.settle if blocks else vm.until)
        if blocks:
            vm.wait_begun()  # what the transcript has next happened to a migration that was under way
        text = self.answers.received(text)
        if "out_line" in entry:
            text = compare.line_of(text, entry["out_line"])
        wanted = entry.get("out_line", entry.get("out")) or ""
        if entry.get("exact"):  # in our own: every line counts
            return text == wanted, (text, actual_state)
        return actual_state == state and self.same(wanted, text, at), (text, actual_state)

    def same(self, wanted, actual, at):
        try:
            return self.answers.same(wanted, actual)
        except compare.Misplaced:
            self.misplaced.append(at)
            return False

    def qmp(self, entry, at, vm):
        wanted = entry["out"]
        fds = self.fds(entry)
        request = self.answers.to_send(entry["in"])
        actual = vm.qmp.execute(request, vm.settle if wanted is None else vm.until, fds)
        for fd in fds:
            os.close(fd)
        actual = self.answers.received(actual)
        return self.same(wanted, actual, at), actual

    def fds(self, entry):
        if not entry.get("fd_passed"):
            return []
        name = entry["in"]["arguments"]["fdname"]
        if name in ("mig", "in"):
            if not hasattr(self, "pair"):
                a, b = socket.socketpair()
                self.pair = {"mig": a.detach(), "in": b.detach()}
            return [self.pair[name]]
        return [os.open(self.scene.path("passed"), os.O_RDWR | os.O_CREAT, 0o600)]

    def overheard(self, entry, at, vm):
        """Output that no input of this line asked for."""
        wanted = entry["out"]
        if entry["mon"] == "hmp":
            first, vm.hmp.banner = vm.hmp.banner, None
            if first is not None and "monitor - type" in wanted:
                actual = first + "(qemu) "
            else:
                actual = vm.hmp.overheard(wanted, self.wait(at, vm))
        else:
            actual = vm.qmp.greeting if "QMP" in wanted else vm.qmp.reply(vm.until)
        actual = self.answers.received(actual)
        return self.same(wanted, actual, at), actual

    def answer(self, entry, at):
        vm = self.vms[entry["vm"]]
        ask = self.hmp if entry["mon"] == "hmp" else self.qmp
        if vm.qmp is None:
            equal, actual = False, "the process has ended: " + vm.process.output()
        elif entry["in"] is None:
            equal, actual = self.overheard(entry, at, vm)
        else:
            equal, actual = ask(entry, at, vm)
            if not equal and is_query(entry) and not self.listed.has(self.scenario, at):
                def again():
                    nonlocal equal, actual
                    equal, actual = ask(entry, at, vm)
                    return equal
                self.wait(at, vm)(again)
        if entry["in"] is not None:
            self.inputs += 1
        if not equal:
            self.different[at] = (entry, actual)
        self.hear(entry["vm"])

    def event(self, entry, at):
        if "return" in entry["event"]:  # the second reply to two requests in one text
            self.answer({**entry, "in": None, "out": entry["event"]}, at)
            return
        self.told.setdefault(entry["vm"], []).append((entry, at))
        # An event that a request causes comes before its reply, so the request may be still to come.
        follows = next((e for e in self.lines[at:] if e.get("vm") == entry["vm"] and "event" not in e), {})
        if follows.get("mon") != "qmp" or follows.get("in") is None or is_query(follows):
            self.hear(entry["vm"])

    def hear(self, name):
        for entry, at in self.told.pop(name, []):
            self.compare_event(entry, at)

    def compare_event(self, entry, at):
        """Events come in the transcript's order; after the first that differs the rest of this process is not
        compared."""
        vm = self.vms[entry["vm"]]
        event = entry["event"]
        if event["event"] == "MIGRATION_PASS" or not vm.story_ok or vm.qmp is None:
            return
        wanted = {k: event[k] for k in ("event", "data") if k in event}
        vm.told += 1
        came = vm.qmp.wait_event(vm.told, self.wait(at, vm))
        if not came or vm.qmp.story()[vm.told - 1] != wanted:
            vm.story_ok = False
            self.different[at] = (entry, vm.qmp.story())

    # ---- all of it ----

    def step(self, entry, at):
        if at in self.hooks:
            self.hooks[at](self)
        if "note" in entry and "crashed" not in entry:
            if "killed with SIGKILL" in entry["note"]:
                self.vms["dst"].process.kill()
        elif "start" in entry:
            self.start(entry, at)
        elif "exit" in entry:
            self.exit(entry)
        elif entry.get("vm") in self.out:
            pass
        elif entry.get("mon") == "stderr":
            # What failed later was told there: it has failed before the next input.
            if entry["vm"] in self.vms and self.vms[entry["vm"]].qmp is not None and "ignoring" not in entry["out"]:
                self.vms[entry["vm"]].wait_idle()
        elif entry.get("mon") not in ("hmp", "qmp"):
            pass
        elif "event" in entry:
            self.event(entry, at)
        else:
            self.answer(entry, at)

    def run(self):
        for at, entry in enumerate(self.lines[1:], 2):
            self.step(entry, at)


def half_a_stream(replay):
    """A source that has said who it is and then nothing more."""
    replay.held = socket.socket(socket.AF_UNIX)
    replay.held.connect(replay.scene.path("k.sock"))
    replay.held.sendall(b"QEVM\0\0\0\3")


def no_more_of_it(replay):
    replay.held.close()


# What the driver of the transcripts did besides, before this line of the file.
HOOKS = {
    "dst-load-failure": {20: half_a_stream, 21: no_more_of_it},
}


def scenarios(folder):
    for name in sorted(os.listdir(folder)):
        scenario, kind = os.path.splitext(name)
        if kind == ".jsonl":
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                yield scenario, [json.loads(line) for line in file]


def replay_all(folder, wanted, listed, random_ram):
    """[Replay] of the scenarios that ran."""
    done = []
    for scenario, lines in scenarios(folder):
        reason = EXCLUDED.get(scenario)
        if wanted and scenario not in wanted:
            continue
        if isinstance(reason, str):
            print(f"{scenario:42} left out: {reason}", flush=True)
            continue
        with harness.scene() as scene:
            replay = Replay(scenario, lines, scene, listed, random_ram)
            replay.run()
            for vm in replay.vms.values():
                for monitor in vm.monitors():
                    monitor.stream.socket.close()
        different = [at for at in replay.different if counted(replay, at)]
        later = sum(1 for at in different if (scenario, at) in listed.later)
        note = f", {later} need a feature of a later issue" if later else ""
        print(f"{scenario:42} {replay.inputs - len(different):4} of {replay.inputs:4} inputs equal{note}", flush=True)
        done.append(replay)
    return done


def main():
    arguments = sys.argv[1:]
    verbose = "--show" in arguments
    wanted = [a for a in arguments if not a.startswith("-")]
    folder = os.environ.get("MIGMON_TRANSCRIPTS", "")
    listed = Listed()
    good = True

    with harness.scene() as scene:
        random_ram = scene.path("random.ram")
        with open(random_ram, "wb") as file:
            file.write(os.urandom(64 << 20))
        own = replay_all(os.path.join(HERE, "own"), wanted, listed, random_ram)
        if own:
            good = judge(own, listed, False, verbose)
        if os.path.isdir(folder):
            done = replay_all(folder, wanted, listed, random_ram)
            good &= judge(done, listed, not wanted, verbose)
    if not os.path.isdir(folder) and good:
        harness.skip(f"no transcripts of QEMU at '{folder}' (MIGMON_TRANSCRIPTS)")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
