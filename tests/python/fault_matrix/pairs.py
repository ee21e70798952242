"""Modes with two processes and connections between them: precopy, multifd, postcopy, preempt.

The fault is made at the point by name (MIGMON_FAULT), never by timing. What an operator would do about it is done
(cancel what stalls, pause and recover what can be recovered, cont -f where nobody can know), and the outcome says
where the guest is then; it was verified there:

    src         it runs at the source, which says so; the destination does not run
    dst         it runs at the destination; the source stands and does not claim it
    dst-unknown it runs at the destination, which could not say so: the source stands, owner unknown
    dst-paused  all of it is at the destination, which could not say so: the source stays paused in postcopy
    recovered   paused on both sides; another connection was brought and it went on to its end
    unknown     it may have left, nobody confirmed: the source stands with owner unknown, the destination is dead
                or has failed; cont -f took it back
    gone        it died with the source's process, or stands for ever for want of the pages that died with it
    gone-dst    it died with the destination's process; the source stands and does not start it
"""

import signal

import harness
import pace

MEMORY = "8M"
PAGES = (8 << 20) // 4096
OVER = ("completed", "failed", "cancelled")
POSTCOPY = ("postcopy", "preempt")
PASSED_BY = ("dst-urgent-end",)  # a destination that has all pages does not read the end of their channel
DAMAGE = ("cut", "garbage", "truncate", "reset")
NO_VERDICT = ("dst-ponged", "dst-eof", "dst-started")  # as long as the destination is held there


def workload():
    return pace.stress(pace.calm(), "prefill=on", "seed=3", "zero=0")


class Pair:
    """One cell: its processes, and the fault."""

    def __init__(self, scene, mode, point, fault):
        self.scene, self.mode, self.point, self.fault = scene, mode, point, fault
        self.at_source = point.startswith("src")
        self.recovers = "-recover" in point
        spec = f"{point}={fault if fault in DAMAGE + ('slow', 'fail') else 'hold'}"
        self.dst = self.start("dst", "" if self.at_source else spec)
        self.src = self.start("src", spec if self.at_source else "")
        self.uris = 0

    def start(self, name, fault):
        options = ("--incoming", "defer") if name == "dst" else ()
        side = self.scene.migmon(name, *options, memory=MEMORY, machine=workload(), fault=fault)
        side.capability("events")
        if self.mode == "multifd":
            side.capability("multifd")
            side.set(multifd_channels=2)
        if self.point == "dst-switchover-ack":
            side.capability("return-path")
            side.capability("switchover-ack")
        if self.mode in POSTCOPY:
            side.capability("postcopy-ram")
        if self.mode == "preempt":
            side.capability("postcopy-preempt")
        return side

    # ---- both sides ----

    def alive(self):
        return [side for side in (self.src, self.dst) if side is not None]

    def holder(self):
        return self.src if self.at_source else self.dst

    def kill(self, name):
        side = self.src if name == "src" else self.dst
        side.kill()
        self.scene.processes.remove(side)
        side.process.stdin.close()
        if side is self.src:
            self.src = None
        else:
            self.dst = None

    def never_two(self):
        # The destination first: a source that runs after it is one too many.
        if self.src is not None and self.dst is not None and self.dst.run_state() == "running" \
                and self.src.run_state() == "running":
            raise harness.Failure("IT RUNS ON BOTH SIDES")

    def settled(self):
        """Nothing goes on by itself any more."""
        self.never_two()
        states = {side: side.status() for side in self.alive()}
        if self.dst is not None and states[self.dst] in ("none", "setup"):
            # Nothing has come that would have been an attempt for it.
            return self.src is None or states[self.src] in ("failed", "cancelled")
        return all(state in OVER + ("postcopy-paused",) for state in states.values())

    def wait_settled(self):
        harness.wait_for("both sides are at rest", self.settled)

    def address(self):
        """Where the destination listens from now on."""
        self.uris += 1
        if self.fault == "reset":
            return "tcp:127.0.0.1:0"  # a Unix socket has none
        return f"unix:{self.scene.path(f'm{self.uris}.sock')}"

    def listening(self, uri):
        if not uri.startswith("tcp:"):
            return uri
        found = self.dst.address()
        return f"tcp:{found['host']}:{found['port']}"

    # ---- the way there ----

    def begin(self):
        src, dst = self.src, self.dst
        src.unlimited()
        if self.mode not in POSTCOPY and self.fault == "stall" and self.point in NO_VERDICT:
            src.set(x_handover_timeout=1000)  # a wait for a verdict that never comes shall end within this test
        if self.point == "src-pre-switchover":
            src.capability("pause-before-switchover")
        if self.mode in POSTCOPY:
            src.written(PAGES)
            # Few pages come by themselves or because they are asked for, or all of it would be there too early.
            src.execute("x-guest-set", key="rate", value=str(pace.TRICKLE))
            src.set(max_bandwidth=pace.TRICKLE, downtime_limit=0)
            if not self.point.endswith(("-eof", "-shut", "-end")):
                src.set(max_postcopy_bandwidth=pace.TRICKLE)
        uri = self.address()
        dst.execute("migrate-incoming", uri=uri)
        src.execute("migrate", uri=self.listening(uri))
        if self.mode in POSTCOPY:
            self.switch()
        if self.point == "src-pre-switchover" and self.fault == "slow":
            src.wait_status("pre-switchover")
            src.execute("migrate-continue", state="pre-switchover")
        if self.recovers:
            for side in (src, dst):
                side.wait_status("postcopy-active")
            harness.wait_for("the destination has confirmed", lambda: src.owner() == "peer (confirmed)")
            src.execute("migrate-pause")
            self.wait_settled()
            self.recover()

    def switch(self):
        try:
            self.src.execute("migrate-start-postcopy")
        except harness.QmpError:
            if self.src.status() not in OVER:  # the fault was faster
                raise

    def recover(self):
        uri = self.address()
        self.dst.execute("migrate-recover", uri=uri)
        self.src.execute("migrate", uri=self.listening(uri), resume=True)

    # ---- the fault, and what is done about it ----

    def wait_fired(self):
        """False when the migration was over before the point was reached, as it may be with PASSED_BY."""
        made = self.fault if self.fault in DAMAGE + ("slow", "fail") else "held"
        text = f"fault: {made} at {self.point}\n"
        if self.point not in PASSED_BY:
            self.holder().wait_log(text)
            return True
        harness.wait_for(f"{text!r} or the end", lambda: text in self.holder().output() or self.is_complete())
        return text in self.holder().output()

    def is_complete(self):
        return self.src.status() == self.dst.status() == "completed"

    def release(self):
        self.holder().execute("x-fault-release")

    def end_the_stall(self):
        """Nothing moves, and nobody but the operator knows that it never will."""
        try:
            self.src.execute("migrate_cancel")
        except harness.QmpError as error:
            if "handed over" in str(error):
                if not self.at_source:
                    harness.wait_for("the source has given up waiting", lambda: self.src.status() in OVER)
            elif "postcopy cannot be cancelled" in str(error):
                harness.wait_for("the source has paused", self.pause)
            else:
                raise
        self.release()

    def pause(self):
        if self.src.status() in OVER + ("postcopy-paused",):
            return True
        try:
            self.src.execute("migrate-pause")
        except harness.QmpError as error:
            if "migrate-pause is currently only supported" not in str(error):
                raise
        return False

    def cancel(self):
        try:
            self.src.execute("migrate_cancel")
        except harness.QmpError as error:
            if "handed over" not in str(error) and "postcopy cannot be cancelled" not in str(error):
                raise
        else:
            harness.wait_for("the cancel is done", lambda: self.src.status() in OVER)
            # Without "cancelling" it was over before the cancel came: the table says where the guest must be then.
            states = [e["data"]["status"] for e in self.src.qmp.poll_events() if e["event"] == "MIGRATION"]
            if "cancelling" in states and self.src.status() != "cancelled":
                raise harness.Failure(f"the cancel was taken, but the migration is {self.src.status()}")
        self.release()

    def play(self):
        self.begin()
        fired = self.wait_fired()
        if not fired and not self.fault.startswith("kill"):
            return self.outcome()
        if self.fault.startswith("kill"):
            name = self.fault[5:]
            if name == "dst" and self.point in ("src-after-eof", "src-shut"):
                self.dst.wait_status("completed")
            self.kill(name)
            if fired and self.holder() is not None:
                self.release()
        elif self.fault == "stall":
            self.end_the_stall()
        elif self.fault == "cancel":
            self.cancel()
        if self.src is not None:
            self.src.rush()
        self.wait_settled()
        if self.src is not None and self.dst is not None \
                and self.src.status() == self.dst.status() == "postcopy-paused":
            return self.paused()
        return self.outcome()

    def paused(self):
        for side, owner in ((self.src, ("peer (confirmed)", "unknown (commit sent)")), (self.dst, ("here",))):
            if side.owner() not in owner:
                raise harness.Failure(f"paused, and owner {side.owner()} at {side.name}")
        if self.src.run_state() == "running":
            raise harness.Failure("paused, and the source runs")
        harness.wait_for("both take another connection", self.try_recovery)
        self.src.wait_status("completed")
        self.dst.wait_status("completed")
        if self.outcome() != "dst":
            raise harness.Failure("not at the destination after the recovery")
        return "recovered"

    def try_recovery(self):
        """A connection that failed on one side may still be on its way at the other."""
        self.wait_settled()
        try:
            self.recover()
        except harness.QmpError as error:
            if "only be run when postcopy is paused" not in str(error):
                raise
            return False
        return True

    # ---- where the guest is ----

    def outcome(self):
        src, dst = self.src, self.dst
        here = "dead" if src is None else src.run_state()
        there = "dead" if dst is None else dst.run_state()
        owner = None if src is None else src.owner()
        paused = src is not None and src.status() == "postcopy-paused"
        self.explained()
        if here == "running":
            src.verify()
            if owner == "here" and there in ("inmigrate", "dead"):
                return "src"
        elif there == "running":
            if src is None and dst.status() == "postcopy-paused":
                return self.stands_for_ever()
            dst.verify()
            if here == "dead":
                return "dst"
            if paused and owner in ("peer (confirmed)", "unknown (commit sent)"):
                return "dst-paused"
            if here == "postmigrate":
                src.verify()
                return {"peer (confirmed)": "dst", "unknown (commit sent)": "dst-unknown"}.get(owner, owner)
        elif src is None and there == "inmigrate":
            return "gone"
        elif here == "postmigrate" or paused:
            if dst is None and owner == "peer (confirmed)":
                return "gone-dst"
            if owner == "unknown (commit sent)":
                return self.taken_back()
        raise harness.Failure(f"source {here}, destination {there}, owner {owner}")

    def explained(self):
        if self.src is not None:
            text = self.src.hmp("info migrate")
            if "owner: " not in text or "outcome: " not in text:
                raise harness.Failure(f"info migrate does not say what happened:\n{text}")

    def stands_for_ever(self):
        try:
            self.dst.verify()
        except harness.QmpError as error:
            if "still at the source" not in str(error):
                raise
            return "gone"
        raise harness.Failure("paused without its source, and whole")

    def taken_back(self):
        """The operator takes an unknown guest back, and it is still whole."""
        try:
            self.src.execute("cont")
        except harness.QmpError:
            pass
        else:
            raise harness.Failure("cont was not refused")
        self.src.hmp("cont -f")
        self.src.wait_run_state("running")
        if self.src.owner() != "here":
            raise harness.Failure(self.src.owner())
        self.src.verify()
        return "unknown"


def run(scene, mode, point, fault):
    return Pair(scene, mode, point, fault).play()


# ---- beside the table ----

def source_that_fails_by_itself(s):
    """An error of the source's own at any point before the commit: it runs on."""
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload())
    points = ("src-connected", "src-setup", "src-ram-setup", "src-pass-1", "src-pass-end", "src-stopped",
              "src-pre-switchover", "src-ram-end", "src-devices", "src-ping", "src-before-eof")
    for i, point in enumerate(points):
        src = s.migmon(f"src{i}", memory=MEMORY, machine=workload(), fault=f"{point}=fail")
        src.unlimited()
        src.capability("pause-before-switchover", point == "src-pre-switchover")
        src.execute("migrate", uri=f"unix:{path}")
        src.wait_status("failed")
        if src.run_state() != "running" or src.owner() != "here":
            raise harness.Failure(f"{point}: {src.run_state()}, owner {src.owner()}")
        # The same destination takes the next attempt.
        harness.wait_for("the destination is free", lambda: dst.status() in ("failed", "setup"))
        src.verify()
        if i + 1 < len(points):
            s.drop(src)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()


def stopped_destination_process(s):
    """SIGSTOP: the whole peer stands still; cancel works, the guest runs at the source."""
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload())
    src = s.migmon("src", memory=MEMORY, machine=workload())
    dst.signal(signal.SIGSTOP)
    try:
        src.unlimited()
        src.execute("migrate", uri=f"unix:{path}")
        harness.wait_for("something was sent", lambda: src.status() in ("active", "setup"))
        src.execute("migrate_cancel")
        src.wait_status("cancelled")
    finally:
        dst.signal(signal.SIGCONT)
    if src.run_state() != "running":
        raise harness.Failure(src.run_state())
