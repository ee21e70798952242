"""Cancel, failure and the next attempt; a guest that goes out, comes back and goes again."""

import socket

import harness
import pace

MEMORY = pace.SMALL


def workload(rate=None):
    return pace.stress(rate or pace.brisk(), "prefill=on", "seed=11")


def ten_hops_round_a_ring_of_three(s):
    ring = []
    for i in range(3):
        options = [] if i == 0 else ["--incoming", "defer"]
        ring.append(s.migmon(f"ring{i}", "--smp", "2", *options, memory=MEMORY, machine=workload(pace.calm())))
        ring[i].set(max_bandwidth=0)
    ring[0].written()
    steps = 0
    for hop in range(10):
        src, dst = ring[hop % 3], ring[(hop + 1) % 3]
        path = s.path(f"hop{hop}.sock")
        dst.execute("migrate-incoming", uri=f"unix:{path}")
        src.execute("migrate", uri=f"unix:{path}")
        src.wait_status("completed")
        dst.wait_status("completed")
        dst.wait_run_state("running")
        now = dst.verify()
        if now < steps:
            raise harness.Failure(f"hop {hop}: went back from {steps} to {now} steps")
        steps = now
        running = [p.name for p in ring if p.run_state() == "running"]
        if running != [dst.name]:
            raise harness.Failure(f"hop {hop}: running on {running}")
    return f"{steps} steps at the end"


def cancelled_by_a_peer_that_never_reads(s):
    """Cancel before EOF ends with the source running even when nothing moves on the wire."""
    path = s.path("m.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("active")
    peer, _ = listener.accept()
    src.execute("migrate_cancel")
    src.wait_status("cancelled")
    if src.run_state() != "running" or src.owner() != "here":
        raise harness.Failure(f"{src.run_state()}, owner {src.owner()}")
    src.written(src.verify() + 1)
    peer.close()
    listener.close()


def cancel_while_connecting(s):
    """A full backlog: connect() does not come back; cancel does."""
    listener = socket.socket(socket.AF_INET)
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    fill = []
    for _ in range(8):
        extra = socket.socket(socket.AF_INET)
        extra.setblocking(False)
        try:
            extra.connect(("127.0.0.1", port))
        except BlockingIOError:
            pass
        fill.append(extra)
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.execute("migrate", uri=f"tcp:127.0.0.1:{port}")
    if src.status() != "setup":
        raise harness.Failure(f"status {src.status()} with a peer that does not answer")
    src.execute("migrate_cancel")
    src.wait_status("cancelled")
    for extra in fill:
        extra.close()
    listener.close()


def next_attempt_after_cancel_and_failure(s):
    """The listener stays open, the destination ends with exactly the source's pages although an
    earlier attempt left some."""
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload())
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.written()
    for attempt in ("first", "second"):
        src.hold()
        src.execute("migrate", uri=f"unix:{path}")
        harness.wait_for("pages have arrived", lambda:
                         src.execute("query-migrate").get("ram", {}).get("transferred", 0) > 1 << 19)
        src.execute("migrate_cancel")
        src.wait_status("cancelled")
        dst.wait_status("failed")
        if dst.run_state() != "inmigrate":
            raise harness.Failure(f"{attempt}: destination is {dst.run_state()}")
    # What was written at the source meanwhile includes pages that became zero again.
    src.execute("x-guest-set", key="compressible", value="10")
    src.execute("x-guest-set", key="zero", value="80")
    src.written(src.verify() + 1000)
    src.release()
    src.execute("migrate", uri=f"unix:{path}")
    harness.arrived(src, dst)


def again_at_once_after_a_cancel(s, multifd=False):
    """The destination may still be busy with the attempt before: the new connections wait for its end."""
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", "defer", machine=workload())
    src = s.migmon("src", machine=workload())
    for side in (src, dst):
        side.capability("multifd", multifd)
    dst.execute("migrate-incoming", uri=f"unix:{path}")
    src.hold()
    for _ in range(30):
        src.execute("migrate", uri=f"unix:{path}")
        src.wait_status("active")
        src.execute("migrate_cancel")
        harness.wait_for("the cancel is done", lambda: src.status() != "cancelling", every=0)
        if src.status() != "cancelled":
            raise harness.Failure(src.execute("query-migrate"))
    src.release()
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    harness.wait_for("the guest runs at the destination", lambda: dst.run_state() == "running")
    dst.verify()
    if "Extra incoming" in dst.output():
        raise harness.Failure(dst.output())


def again_at_once_with_multifd(s):
    """Channels of the new attempt may come while the one before is about to end."""
    again_at_once_after_a_cancel(s, multifd=True)


def machine_mismatch_is_named_on_both_sides(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory="8M", machine=workload())
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("failed")
    dst.wait_status("failed")
    theirs = dst.execute("query-migrate")["error-desc"]
    if "Size mismatch" not in theirs:
        raise harness.Failure(theirs)
    if src.run_state() != "running":
        raise harness.Failure("the source does not run")
    return theirs


def stray_clients_do_not_disturb(s):
    dst = s.migmon("dst", "--incoming", "tcp:127.0.0.1:0", memory=MEMORY, machine=workload())
    port = dst.address()["port"]
    for garbage in (b"", b"Q", b"GET / HTTP/1.0\r\n\r\n", b"\x11\x22\x33\x44" + bytes(60), b"\x16\x03\x01"):
        with socket.create_connection(("127.0.0.1", int(port))) as client:
            client.sendall(garbage)
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=f"tcp:127.0.0.1:{port}")
    harness.arrived(src, dst)


def exec_child_that_fails(s):
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.set(max_bandwidth=0)
    src.execute("migrate", uri="exec:echo no room on device >&2; exit 3")
    src.wait_status("failed")
    outcome = src.execute("x-query-migrate-history")["outcome"]
    if "no room on device" not in outcome or "status 3" not in outcome or src.run_state() != "running":
        raise harness.Failure(f"{outcome}; {src.run_state()}")
    # Took everything, then failed: the guest may or may not be wherever it went. No pause is too long for that.
    src.set(downtime_limit=harness.LONG_PAUSE)
    src.execute("migrate", uri="exec:cat >/dev/null; exit 3")
    src.wait_status("failed")
    if src.run_state() != "postmigrate" or src.owner() != "unknown (commit sent)":
        raise harness.Failure(f"{src.run_state()}, owner {src.owner()}")
    try:
        src.execute("cont")
        raise harness.Failure("cont without -f ran a guest that may run elsewhere")
    except harness.QmpError:
        pass
    src.execute("cont", x_force=True)
    if src.run_state() != "running" or src.owner() != "here":
        raise harness.Failure(f"{src.run_state()}, owner {src.owner()}")


def exec_child_that_nobody_reads(s):
    """All of a small guest fits into the pipe: what is in there when the child has ended was not taken by anybody."""
    src = s.migmon("src", memory="4M", machine="stress,pattern=idle")
    src.set(max_bandwidth=0)
    for command in ("true", "", s.path("missing"), "/etc/passwd", "cat >/dev/null; exit 127"):
        src.execute("migrate", uri=f"exec:{command}")
        harness.wait_for("it is over", lambda: src.status() in ("completed", "failed"))
        found = src.status(), src.run_state(), src.owner()
        if found != ("failed", "running", "here"):
            raise harness.Failure(f"exec:{command}: {found}")
        src.verify()


def file_that_cannot_be_written(s):
    src = s.migmon("src", memory=MEMORY, machine=workload())
    try:
        src.execute("migrate", uri=f"file:{s.path('no/such/folder')}")
        raise harness.Failure("accepted")
    except harness.QmpError as error:
        if "No such file or directory" not in str(error):
            raise
    if src.status() != "failed" or src.run_state() != "running":
        raise harness.Failure(f"{src.status()}, {src.run_state()}")


def never_on_two_after_source_is_taken_back_by_name(s):
    """A migrated source refuses cont, and says where the guest is."""
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload())
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")
    text = src.hmp("cont")
    if "peer (confirmed)" not in text or src.run_state() != "postmigrate":
        raise harness.Failure(text)
    text = src.hmp("info migrate")
    if "owner: peer (confirmed)" not in text:
        raise harness.Failure(text)


harness.run([ten_hops_round_a_ring_of_three, cancelled_by_a_peer_that_never_reads,
             cancel_while_connecting, next_attempt_after_cancel_and_failure,
             again_at_once_after_a_cancel, again_at_once_with_multifd,
             machine_mismatch_is_named_on_both_sides, stray_clients_do_not_disturb,
             exec_child_that_fails, exec_child_that_nobody_reads, file_that_cannot_be_written,
             never_on_two_after_source_is_taken_back_by_name])
