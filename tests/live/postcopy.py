"""The guest leaves before its memory: postcopy, its requests, its channel of requested pages, and recovery."""

import contextlib
import os
import random
import socket
import threading

import harness
import pace

MEMORY = pace.SMALL
PAGES = int(MEMORY.rstrip("M")) * 256
BUSY = pace.stress(0, "prefill=on", "seed=5", "zero=0")


def pair(s, preempt=False, options=(), name="m.sock"):
    """Two sides with postcopy switched on, the destination listening, all of the guest's memory written."""
    uri = f"unix:{s.path(name)}"
    dst = s.migmon("dst", "--incoming", "defer", *options, memory=MEMORY, machine=BUSY)
    src = s.migmon("src", "--monitor", f"unix:{s.path('src.hmp')}", *options, memory=MEMORY, machine=BUSY)
    for side in (src, dst):
        side.capability("events")
        side.capability("postcopy-ram")
        side.capability("postcopy-blocktime")
        if preempt:
            side.capability("postcopy-preempt")
    dst.execute("migrate-incoming", uri=uri)
    return src.written(PAGES), dst, uri


def completed(src, dst):
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()
    if (src.run_state(), dst.run_state()) != ("postmigrate", "running"):
        raise harness.Failure(f"source {src.run_state()}, destination {dst.run_state()}")
    if (src.owner(), dst.owner()) != ("peer (confirmed)", "here"):
        raise harness.Failure(f"owner {src.owner()} / {dst.owner()}")


def statuses(process):
    return [e["data"]["status"] for e in process.qmp.poll_events() if e["event"] == "MIGRATION"]


def hurry(src, uri):
    """Migrates with a link that is slower than the guest writes, and switches in the first pass."""
    src.set(max_bandwidth=pace.outrun(), downtime_limit=0)
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    src.execute("migrate-start-postcopy")


def rush_when_asked(src):
    """Before any vCPU has got a processor over there all pages could be there."""
    harness.wait_for("a page is asked for",
                     lambda: src.execute("query-migrate").get("ram", {}).get("postcopy-requests", 0) > 0)
    src.rush()


def a_guest_that_writes_faster_than_the_link_gets_over(s, preempt=False):
    src, dst, uri = pair(s, preempt=preempt)
    src.set(max_postcopy_bandwidth=pace.TRICKLE)
    hurry(src, uri)
    rush_when_asked(src)
    completed(src, dst)
    if statuses(src) != ["setup", "active", "postcopy-active", "completed"]:
        raise harness.Failure(f"source went through {statuses(src)}")
    if statuses(dst) != ["setup", "active", "postcopy-active", "completed"]:
        raise harness.Failure(f"destination went through {statuses(dst)}")
    info = src.execute("query-migrate")
    if info["ram"]["postcopy-requests"] == 0 or info["ram"]["postcopy-bytes"] == 0:
        raise harness.Failure(f"nothing was asked for: {info}")
    seen = dst.execute("query-migrate")
    if len(seen["postcopy-vcpu-blocktime"]) != 2:
        raise harness.Failure(f"blocktime of each vCPU is missing: {seen}")
    faults = dst.execute("x-query-migrate-history")["page-faults"]
    if faults["requests"] == 0 or faults["median-us"] == 0 or not faults["histogram"]:
        raise harness.Failure(f"no latency: {faults}")
    if "page requests: " not in dst.hmp("info migrate"):
        raise harness.Failure(dst.hmp("info migrate"))


def requested_pages_have_a_channel_of_their_own(s):
    a_guest_that_writes_faster_than_the_link_gets_over(s, preempt=True)


def strangers_do_not_displace_the_channel_of_requested_pages(s):
    """More than there are places for beside those of the announced channels."""
    src, dst, uri = pair(s, preempt=True)
    strangers = []
    with contextlib.ExitStack() as stack:
        src.execute("x-guest-set", key="rate", value=str(pace.STEADY))
        src.hold()
        src.set(max_postcopy_bandwidth=pace.TRICKLE)
        src.execute("migrate", uri=uri)
        dst.wait_status("active")
        for _ in range(20):
            strangers.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
            strangers[-1].connect(uri.removeprefix("unix:"))
        src.execute("x-guest-set", key="rate", value="0")
        src.execute("migrate-start-postcopy")
        rush_when_asked(src)
        completed(src, dst)
    seen = dst.execute("x-query-migrate-history")["page-faults"]
    if seen["requests"] == 0:
        raise harness.Failure(f"no page was requested: {seen}")


# ---- recovery ----

def recover(s, src, dst, number=0):
    """Brings a new connection to a postcopy that is paused on both sides."""
    uri = f"unix:{s.path(f'again{number}.sock')}"
    src.wait_status("postcopy-paused")
    dst.wait_status("postcopy-paused")
    dst.execute("migrate-recover", uri=uri)
    src.execute("migrate", uri=uri, resume=True)


def a_cut_link_is_recovered_twice_in_a_row(s, preempt=False):
    src, dst, uri = pair(s, preempt=preempt)
    src.postcopy(uri)
    for number in range(2):
        src.wait_status("postcopy-active")
        dst.wait_status("postcopy-active")
        (src, dst)[number].execute("migrate-pause")
        recover(s, src, dst, number)
    src.rush()
    completed(src, dst)
    wanted = ["setup", "active", "postcopy-active"] + ["postcopy-paused", "postcopy-recover", "postcopy-active"] * 2
    for side in (src, dst):
        if statuses(side) != wanted + ["completed"]:
            raise harness.Failure(f"{side.name} went through {statuses(side)}")


def both_links_are_recovered_with_a_channel_of_requested_pages(s):
    a_cut_link_is_recovered_twice_in_a_row(s, preempt=True)


def the_prompt_waits_for_the_end_of_a_recovery(s):
    """HMP's migrate -r without -d, which begins while the status is still postcopy-paused."""
    src, dst, uri = pair(s)
    src.postcopy(uri)
    src.wait_status("postcopy-active")
    src.execute("migrate-pause")
    src.wait_status("postcopy-paused")
    dst.wait_status("postcopy-paused")
    monitor = socket.socket(socket.AF_UNIX)
    monitor.connect(s.path("src.hmp"))
    monitor.setblocking(False)
    again = s.path("again.sock")

    def prompt():
        text = b""

        def read():
            nonlocal text
            with contextlib.suppress(BlockingIOError):
                text += monitor.recv(4096)
            return b"(migmon) " in text
        harness.wait_for("the prompt comes", read)
        return text.decode()

    def ask(line):
        monitor.sendall(line.encode() + b"\n")
        return prompt()
    prompt()
    answer = ask(f"migrate -r unix:{again}")  # nobody is there yet
    if "is paused in postcopy" not in answer:
        raise harness.Failure(answer)
    dst.execute("migrate-recover", uri=f"unix:{again}")
    src.rush()
    answer = ask(f"migrate -r unix:{again}")
    monitor.close()
    if "Error" in answer or src.status() != "completed":
        raise harness.Failure(f"{src.status()}: {answer}")
    completed(src, dst)


class Relay:
    """Passes everything on between @here and @there, both ways, and cuts all of it after so many bytes; with
    @garbage the source gets an answer first that means nothing."""

    def __init__(self, here, there, budget, garbage=False):
        self.garbage = garbage
        self.there = there
        self.budget = budget
        self.lock = threading.Lock()
        self.sockets = []
        self.is_cut = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(here)
        self.listener.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self.there)
                with self.lock:
                    self.sockets += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self.move, args=(a, b, near), daemon=True).start()

    def move(self, source, target, near):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self.lock:
                    data, rest = data[:self.budget], data[self.budget:]
                    self.budget -= len(data)
                target.sendall(data)
                if rest or self.budget == 0:
                    if self.garbage:
                        near.sendall(b"\xff" * 64)
                    self.cut()
                    return
            target.shutdown(socket.SHUT_WR)

    def cut(self):
        with self.lock:
            for each in self.sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self.is_cut.set()

    def close(self):
        self.listener.close()
        self.cut()
        for each in self.sockets:
            each.close()


def twenty_cuts_anywhere_are_recovered(s, preempt=False):
    seed = int(os.environ.get("MIGMON_CUT_SEED", random.randrange(1 << 32)))
    print(f"     MIGMON_CUT_SEED={seed}", flush=True)
    rng = random.Random(seed)
    src, dst, uri = pair(s, preempt=preempt)
    src.postcopy(uri)
    src.wait_status("postcopy-active")
    src.execute("migrate-pause")
    try:
        dst.execute("x-guest-set", key="rate", value="0")  # requests among what is cut
    except harness.QmpError as error:
        if "a vCPU waits for a page" not in str(error):  # then it has made one already
            raise
    src.rush()
    cuts = 0
    while cuts < 20:
        src.wait_status("postcopy-paused")
        dst.wait_status("postcopy-paused")
        # Into the talk about what has arrived, or some way into the pages; all of it is less than the guest's memory.
        budget = rng.randrange(1, 8000) if rng.random() < 0.4 else rng.randrange(8000, 512 << 10)
        far, near = s.path(f"far{cuts}.sock"), s.path(f"near{cuts}.sock")
        dst.execute("migrate-recover", uri=f"unix:{far}")
        relay = Relay(near, far, budget, garbage=cuts % 3 == 0)
        src.execute("migrate", uri=f"unix:{near}", resume=True)
        harness.wait_for(f"cut {cuts} is made after {budget} bytes", relay.is_cut.is_set,
                         progress=lambda: relay.budget)
        cuts += 1
        relay.close()
    recover(s, src, dst, 99)
    completed(src, dst)


def twenty_cuts_with_a_channel_of_requested_pages_are_recovered(s):
    twenty_cuts_anywhere_are_recovered(s, preempt=True)


# ---- what is refused meanwhile ----

def refused(process, part, command, **arguments):
    try:
        process.execute(command, **arguments)
    except harness.QmpError as error:
        if part not in str(error):
            raise
        return
    raise harness.Failure(f"{process.name}: {command} was not refused")


def what_needs_the_whole_guest_is_refused(s):
    src, dst, uri = pair(s)
    src.postcopy(uri)
    src.wait_status("postcopy-active")
    dst.wait_status("postcopy-active")
    refused(src, "postcopy cannot be cancelled", "migrate_cancel")
    refused(dst, "postcopy cannot be cancelled", "migrate_cancel")
    refused(src, "not finalized", "cont")
    refused(dst, "still at the source", "x-guest-verify")
    refused(dst, "in progress", "migrate", uri="file:/no/such")
    # A vCPU that waits for a page stands too; it goes on from there.
    dst.execute("stop")
    if dst.run_state() != "paused":
        raise harness.Failure(dst.run_state())
    dst.execute("cont")
    evidence = src.execute("x-query-owner")["evidence"]
    if "pages are still here" not in evidence:
        raise harness.Failure(evidence)
    src.execute("migrate-pause")
    src.wait_status("postcopy-paused")
    dst.wait_status("postcopy-paused")
    refused(src, "cannot be cancelled", "migrate_cancel")
    refused(dst, "cannot be cancelled", "migrate_cancel")
    refused(src, "migrate-pause is currently only supported", "migrate-pause")
    refused(src, "not finalized", "cont")
    # A source that does not find the destination stays where it is.
    src.execute("migrate", uri=f"unix:{s.path('nobody')}", resume=True)
    src.wait_log("Failed to connect")
    src.wait_status("postcopy-paused")
    recover(s, src, dst)
    src.rush()
    completed(src, dst)


def both_sides_must_want_it(s):
    uri = f"unix:{s.path('m.sock')}"
    dst = s.migmon("dst", "--incoming", uri, memory=MEMORY, machine=BUSY)
    src = s.migmon("src", memory=MEMORY, machine=BUSY)
    refused(src, "Enable postcopy with", "migrate-start-postcopy")
    src.capability("postcopy-ram")
    refused(src, "Postcopy must be started after", "migrate-start-postcopy")
    refused(dst, "only be run when postcopy is paused", "migrate-recover", uri=uri)
    refused(dst, "must be set before incoming", "migrate-set-capabilities", capabilities=[
        {"capability": "postcopy-ram", "state": True}, {"capability": "postcopy-preempt", "state": True}])
    src.execute("migrate", uri=uri)
    src.wait_status("failed")
    dst.wait_log("RAM postcopy is disabled but have 16 byte advise")
    src.wait_run_state("running")
    # Advised and never started: an ordinary precopy.
    dst.capability("postcopy-ram")
    src.execute("x-guest-set", key="rate", value=str(pace.calm()))
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=uri)
    completed(src, dst)


def a_dead_side_is_not_the_end_of_the_other(s):
    src, dst, uri = pair(s)
    src.postcopy(uri)
    src.wait_status("postcopy-active")
    dst.wait_status("postcopy-active")
    dst.kill()
    src.wait_status("postcopy-paused")
    if src.run_state() == "running":
        raise harness.Failure("the source runs a guest that had left")
    src.execute("cont", x_force=True)
    src.wait_run_state("running")
    src.verify()


def the_async_tracker_serves_a_way_out_and_home(s, tracker="async"):
    src, dst, uri = pair(s, options=("--tracker", tracker))
    hurry(src, uri)
    completed(src, dst)
    back = f"unix:{s.path('back.sock')}"
    src.execute("migrate-incoming", uri=back)
    hurry(dst, back)
    dst.wait_status("completed")
    src.wait_status("completed")
    src.verify()


def so_does_the_sync_tracker(s):
    the_async_tracker_serves_a_way_out_and_home(s, tracker="sync")


harness.run([a_guest_that_writes_faster_than_the_link_gets_over, requested_pages_have_a_channel_of_their_own,
             strangers_do_not_displace_the_channel_of_requested_pages,
             a_cut_link_is_recovered_twice_in_a_row, both_links_are_recovered_with_a_channel_of_requested_pages,
             the_prompt_waits_for_the_end_of_a_recovery, twenty_cuts_anywhere_are_recovered,
             twenty_cuts_with_a_channel_of_requested_pages_are_recovered,
             what_needs_the_whole_guest_is_refused, both_sides_must_want_it, a_dead_side_is_not_the_end_of_the_other,
             the_async_tracker_serves_a_way_out_and_home, so_does_the_sync_tracker])
