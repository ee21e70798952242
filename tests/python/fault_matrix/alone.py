"""Modes that write to a file or a child: background-snapshot, and reboot, where the next process goes on with the
memory that the one before has left. The outcome:

    src         the guest runs on where it was; what was written is refused when it is loaded
    src+file    it runs on, and what was written is whole
    gone        it died with its process; what was written is refused
    gone+file   it died with its process; what was written is whole (snapshot)
    dst         it runs in the next process, which has all of it (reboot)
    again       the next process could not take it up; a third one did (reboot)
    back        what was written is damaged and refused; the old process took the guest back (reboot)
    gone-dst    it died with the next process, which had run it (reboot)
"""

import os

import harness
import pace

MEMORY = "8M"
PAGES = (8 << 20) // 4096
DAMAGE = ("cut", "garbage", "slow", "fail")
OVER = ("completed", "failed", "cancelled")


def workload():
    return pace.stress(pace.brisk(), "prefill=on", "seed=5")


def continues(process):
    """The copy is right, and the vCPUs make steps."""
    process.written(process.verify() + 1)


def killed(s, process):
    """It died, or dies here."""
    process.kill()
    s.processes.remove(process)
    process.process.stdin.close()


def fired(process, point, fault):
    process.wait_log(f"fault: {fault if fault in DAMAGE else 'held'} at {point}\n")


def stall(process):
    """What an operator does about a thread that stands still: cancel; it goes on where that is refused."""
    try:
        process.execute("migrate_cancel")
    except harness.QmpError as error:
        if "handed over" not in str(error):
            raise
    process.execute("x-fault-release")


def over(process):
    harness.wait_for(f"the attempt of {process.name} is over", lambda: process.status() in OVER)


# ---- background-snapshot ----

def loads(s, path):
    if not os.path.exists(path):
        return False
    dst = s.migmon("dst", "--smp", "2", "--paused", "--incoming", f"file:{path}", memory=MEMORY, machine=workload())
    over(dst)
    if dst.status() != "completed":
        if dst.owner() != "none":
            raise harness.Failure(f"refused, and owner {dst.owner()}")
        return False
    dst.verify()
    return True


def snapshot(s, point, fault):
    action = fault if fault in DAMAGE else "hold"
    src = s.migmon("src", "--smp", "2", memory=MEMORY, machine=workload(), fault=f"{point}={action}")
    src.written(PAGES)
    src.capability("background-snapshot")
    src.set(max_bandwidth=0)
    pid, path = s.path("pid"), s.path("out")
    # The other end of a snapshot is whoever writes it down.
    child = fault in ("kill-dst", "cut", "truncate")
    src.execute("migrate", uri=f"exec:echo $$ > {pid}; exec cat > {path}" if child else f"file:{path}")
    fired(src, point, fault)
    if fault == "kill-src":
        killed(s, src)
        return "gone+file" if loads(s, path) else "gone"
    if fault == "kill-dst":
        number = harness.wait_for("the child is there", lambda: os.path.exists(pid) and open(pid).read().strip())
        try:
            os.kill(int(number), 9)
        except ProcessLookupError:
            pass  # all was done before
        src.execute("x-fault-release")
    elif fault in ("stall", "cancel"):
        stall(src)
    over(src)
    if (src.run_state(), src.owner()) != ("running", "here"):
        raise harness.Failure(f"source {src.run_state()}, owner {src.owner()}")
    continues(src)
    whole = loads(s, path)
    if src.status() == "completed" and not whole and fault != "garbage":
        raise harness.Failure("completed, and it cannot be loaded")
    return "src+file" if whole else "src"


# ---- reboot ----

class Reboot:
    def __init__(self, scene, ram):
        self.scene, self.ram, self.state = scene, ram, scene.path("vm.state")

    def process(self, name, *options, fault=""):
        side = self.scene.migmon(name, "--smp", "2", "--ram-file", self.ram, *options, memory=MEMORY,
                                 machine=workload(), fault=fault)
        side.capability("x-ignore-shared")
        side.set(mode="cpr-reboot")
        return side

    def save(self, fault=""):
        old = self.process("old", fault=fault)
        old.written(PAGES)
        old.execute("migrate", uri=f"file:{self.state}")
        return old

    def restore(self, name, fault=""):
        new = self.process(name, "--incoming", "defer", fault=fault)
        new.execute("migrate-incoming", uri=f"file:{self.state}")
        return new

    def taken_up(self, name, steps):
        """Whether a process goes on with the guest."""
        new = self.restore(name)
        over(new)
        if new.status() != "completed":
            if (new.run_state(), new.owner()) != ("inmigrate", "none"):
                raise harness.Failure(f"refused, and {new.run_state()}, owner {new.owner()}")
            self.scene.drop(new)  # as long as it has the memory open nobody else starts on it
            return False
        here = new.verify()
        if here < steps:
            raise harness.Failure(f"left with {steps} steps, came with {here}")
        new.written(here + 1)
        return True

    def at_the_old(self, point, fault):
        old = self.save(f"{point}={fault if fault in DAMAGE else 'hold'}")
        fired(old, point, fault)
        if fault == "kill-src":
            killed(self.scene, old)
            return "dst" if self.taken_up("new", 0) else "gone"
        if fault in ("stall", "cancel"):
            stall(old)
        over(old)
        if old.run_state() == "running":
            if old.owner() != "here":
                raise harness.Failure(f"running, and owner {old.owner()}")
            continues(old)
            if self.next_is_refused():
                return "src"
            raise harness.Failure("IT RUNS IN TWO PROCESSES")
        if old.run_state() != "postmigrate":
            raise harness.Failure(f"old process {old.run_state()}")
        steps = old.verify()
        if fault == "garbage" and not self.taken_up("early", steps):
            old.hmp("cont -f")
            old.wait_run_state("running")
            old.written(steps + 1)
            return "back"
        if fault == "garbage":
            return "dst"
        self.scene.drop(old)
        return "dst" if self.taken_up("new", steps) else "gone"

    def next_is_refused(self):
        """The memory is in use; nobody else starts on it."""
        try:
            new = self.restore("early")
        except harness.QmpError:
            return True  # there is no file to load
        over(new)
        return new.run_state() != "running"

    def at_the_new(self, point, fault):
        old = self.save()
        over(old)
        steps = old.verify()
        self.scene.drop(old)
        first = self.restore("first", f"{point}={fault if fault in DAMAGE else 'hold'}")
        fired(first, point, fault)
        if fault == "kill-dst":
            ran = first.run_state() == "running"
            killed(self.scene, first)
            if ran:
                return "gone-dst"  # what its memory holds is no longer what the state says
            return "again" if self.taken_up("second", steps) else "gone"
        if fault == "stall":
            first.execute("x-fault-release")
        over(first)
        if first.run_state() == "running":
            continues(first)
            return "dst"
        if first.owner() != "none":
            raise harness.Failure(f"failed, and owner {first.owner()}")
        self.scene.drop(first)
        return "again" if self.taken_up("second", steps) else "gone"


def reboot(s, point, fault):
    cell = Reboot(s, s.memory_path("ram"))
    return cell.at_the_old(point, fault) if point.startswith("src") else cell.at_the_new(point, fault)
