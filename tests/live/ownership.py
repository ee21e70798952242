"""Nobody gets a second copy of the guest, or loses the only one, by the order of commands."""

import contextlib
import os
import socket
import struct

import harness
import pace

MEMORY = pace.SMALL
BYTES = int(MEMORY.rstrip("M")) << 20
KIB = BYTES >> 10


def workload():
    return pace.stress(pace.brisk(), "prefill=on", "seed=3")


def refused(process, command, part, **arguments):
    try:
        process.execute(command, **arguments)
    except harness.QmpError as error:
        if part not in str(error):
            raise
        return
    raise harness.Failure(f"{command} was not refused: {process.run_state()}, owner {process.owner()}")


def expect(process, run_state, owner):
    if (process.run_state(), process.owner()) != (run_state, owner):
        raise harness.Failure(f"{process.name} is {process.run_state()}, owner {process.owner()}; "
                              f"expected {run_state}, {owner}")


def over(process):
    return process.status() in ("completed", "failed", "cancelled")


def left_without_answer(s, name="src"):
    """A source that sent its guest away and does not know what became of it."""
    src = s.migmon(name, memory=MEMORY, machine=workload())
    src.unlimited()
    src.execute("migrate", uri="exec:cat >/dev/null; exit 3")
    src.wait_status("failed")
    expect(src, "postmigrate", "unknown (commit sent)")
    return src


def a_failed_migrate_does_not_make_an_unknown_guest_ours(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload(), fault="dst-eof=cut")
    src = s.migmon("src", memory=MEMORY, machine=workload())
    # As a QEMU source: a return path, but no hand-over ping. Its SHUT cannot be sent.
    src.unlimited()
    src.set(x_handover=False)
    src.capability("return-path")
    src.execute("migrate", uri=f"unix:{path}")
    harness.wait_for("both are over", lambda: over(src) and over(dst))
    expect(dst, "paused", "unknown (commit sent)")
    expect(src, "postmigrate", "unknown (commit sent)")
    refused(dst, "migrate", "Can't migrate the vm", uri=f"file:{s.path('no')}/such")
    refused(dst, "cont", "may run elsewhere")
    expect(dst, "paused", "unknown (commit sent)")
    dst.execute("cont", x_force=True)
    expect(dst, "running", "here")
    dst.verify()


def a_listener_that_fails_leaves_everything_as_it_was(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload())
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.unlimited()
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    refused(src, "migrate-incoming", "Failed to bind", uri=f"unix:{s.path('no')}/such")
    expect(src, "postmigrate", "peer (confirmed)")
    # Waiting for it to come back can be given up as long as nobody came.
    src.execute("migrate-incoming", uri=f"unix:{s.path('back')}")
    expect(src, "inmigrate", "peer (confirmed)")
    dst.wait_status("completed")
    dst.execute("stop")
    src.execute("cont", x_force=True)
    expect(src, "running", "here")
    src.verify()


def the_only_copy_is_not_given_up_for_a_stranger(s):
    src = left_without_answer(s)
    refused(src, "migrate-incoming", "may be the only copy", uri=f"unix:{s.path('x')}")
    expect(src, "postmigrate", "unknown (commit sent)")
    src.execute("cont", x_force=True)
    src.verify()


def memory_that_was_dropped_is_owned_by_nobody(s):
    """A header and a block list drop what stood here; it must not look as if it were still there."""
    path = s.path("m.sock")
    back = s.path("back.sock")
    s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload())
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.unlimited()
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    src.execute("migrate-incoming", uri=f"unix:{back}")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(back)
        client.sendall(b"QEVM" + struct.pack(">IBI", 3, 7, 6) + b"stress"
                       + struct.pack(">BIB3sII", 1, 2, 3, b"ram", 0, 4)
                       + struct.pack(">QB3sQQ", BYTES | 4, 3, b"ram", BYTES, 0x10) + struct.pack(">BI", 0x7e, 2))
    src.wait_status("failed")
    expect(src, "inmigrate", "none")
    refused(src, "cont", "waiting for an incoming migration", x_force=True)


def force_that_comes_after_the_confirmation_is_refused(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload())
    src = s.migmon("src", memory=MEMORY, machine=workload(), fault="src-shut=hold")
    src.unlimited()
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_log("held at src-shut")
    dst.wait_status("completed")
    refused(src, "cont", "peer (confirmed)", x_force=True)
    expect(src, "postmigrate", "peer (confirmed)")
    expect(dst, "running", "here")


def the_source_has_its_answer_before_the_guest_can_leave_again(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload(),
                   fault="dst-started=hold")
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.unlimited()
    src.execute("migrate", uri=f"unix:{path}")
    dst.wait_log("held at dst-started")
    refused(dst, "migrate", "in progress", uri="exec:cat >/dev/null")
    dst.execute("x-fault-release")
    src.wait_status("completed")
    expect(src, "postmigrate", "peer (confirmed)")


def resident(process):
    """KiB of shared memory that the process has in use."""
    with open(f"/proc/{process.pid}/status") as file:
        return int([line for line in file if line.startswith("RssShmem")][0].split()[1])


def released_memory_is_gone_and_cannot_run(s):
    """release-ram: kept until the destination has confirmed, then given back; the guest can still come home."""
    path, back = s.path("m.sock"), s.path("back.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload(), fault="dst-started=hold")
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.written(BYTES // 4096)
    src.capability("release-ram")
    src.unlimited()
    src.execute("migrate", uri=f"unix:{path}")
    dst.wait_log("held at dst-started")
    if resident(src) < KIB // 2:
        raise harness.Failure(f"given back before the destination confirmed: {resident(src)} KiB left")
    dst.execute("x-fault-release")
    src.wait_status("completed")
    dst.wait_status("completed")
    if resident(src) > 1024:
        raise harness.Failure(f"{resident(src)} KiB are still there")
    refused(src, "cont", "nothing left to run", x_force=True)
    refused(src, "x-guest-verify", "given back")
    expect(src, "postmigrate", "peer (confirmed)")
    src.execute("migrate-incoming", uri=f"unix:{back}")
    refused(src, "cont", "waiting for an incoming migration", x_force=True)
    dst.unlimited()
    dst.execute("migrate", uri=f"unix:{back}")
    dst.wait_status("completed")
    src.wait_status("completed")
    src.wait_run_state("running")
    src.verify()


def released_memory_is_kept_when_nobody_confirms(s):
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.capability("release-ram")
    src.unlimited()
    src.execute("migrate", uri="exec:cat >/dev/null")
    src.wait_status("completed")
    expect(src, "postmigrate", "unknown (commit sent)")
    src.verify()
    src.execute("cont", x_force=True)
    expect(src, "running", "here")


def released_memory_is_kept_through_a_cut_in_postcopy(s):
    """QEMU drops each page that it sends and cannot recover then; here the memory goes when all has arrived."""
    path, again = s.path("m.sock"), s.path("again.sock")
    dst = s.migmon("dst", "--incoming", "defer", memory=MEMORY, machine=workload())
    src = s.migmon("src", memory=MEMORY, machine=workload())
    for side in (src, dst):
        side.capability("postcopy-ram")
    src.capability("release-ram")
    dst.execute("migrate-incoming", uri=f"unix:{path}")
    src.written(BYTES // 4096).postcopy(f"unix:{path}")
    src.wait_status("postcopy-active")
    dst.wait_status("postcopy-active")
    src.execute("migrate-pause")
    for side in (src, dst):
        side.wait_status("postcopy-paused")
    if resident(src) < KIB // 2:
        raise harness.Failure(f"{resident(src)} KiB are left of what the destination may still need")
    dst.execute("migrate-recover", uri=f"unix:{again}")
    src.execute("migrate", uri=f"unix:{again}", resume=True)
    src.rush()
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()
    if resident(src) > 1024:
        raise harness.Failure(f"{resident(src)} KiB are still there")
    refused(src, "cont", "nothing left to run", x_force=True)


def a_silent_source_can_be_sent_away(s):
    dst = s.migmon("dst", "--incoming", "tcp:127.0.0.1:0", memory=MEMORY, machine=workload())
    port = int(harness.wait_for("the destination listens",
                                lambda: dst.execute("query-migrate").get("socket-address"))[0]["port"])
    with socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(b"QEVM")
        dst.wait_status("active")
        dst.execute("migrate_cancel")
        dst.wait_status("failed")
        src = s.migmon("src", memory=MEMORY, machine=workload())
        src.unlimited()
        src.execute("migrate", uri=f"tcp:127.0.0.1:{port}")
        src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()


def a_pipe_that_somebody_else_holds_open_does_not_matter(s):
    dst = s.migmon("dst", "--incoming", "defer", memory=MEMORY, machine=workload())
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.unlimited()
    reader, writer = os.pipe()
    src.qmp.execute("getfd", fds=[writer], fdname="out")
    dst.qmp.execute("getfd", fds=[reader], fdname="in")
    dst.execute("migrate-incoming", uri="fd:in")
    src.execute("migrate", uri="fd:out")
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.wait_run_state("running")
    os.close(reader)
    os.close(writer)


def descriptors_of_the_program_cannot_be_named(s):
    dst = s.migmon("dst", "--incoming", "defer", memory=MEMORY, machine=workload())
    for number in range(3, 20):
        refused(dst, "migrate-incoming", "was not passed to this process", uri=f"fd:{number}")
    refused(dst, "migrate-incoming", "Invalid file descriptor number", uri="fd:7x")
    dst.execute("query-status")


def stop_and_cont_at_any_moment(s):
    """Hammered while the guest goes to and fro: at every rest it runs on one side at the most."""
    a = s.migmon("a", memory=MEMORY, machine=workload())
    b = s.migmon("b", "--incoming", "defer", memory=MEMORY, machine=workload())
    for process in (a, b):
        process.unlimited()
    for hop in range(6):
        src, dst = (a, b) if hop % 2 == 0 else (b, a)
        path = s.path(f"hop{hop}")
        dst.execute("migrate-incoming", uri=f"unix:{path}")
        src.execute("migrate", uri=f"unix:{path}")

        def hammer():
            for process, command in ((src, "stop"), (dst, "stop"), (src, "cont"), (dst, "cont")):
                with contextlib.suppress(harness.QmpError):
                    process.execute(command)
            return over(src) and over(dst)
        harness.wait_for(f"hop {hop} is over", hammer,
                         progress=lambda: (src.status(), dst.status()))
        src.wait_status("completed")
        dst.wait_status("completed")
        if src.run_state() != "postmigrate":
            raise harness.Failure(f"hop {hop}: source is {src.run_state()}, destination {dst.run_state()}")
        dst.execute("cont")
        dst.wait_run_state("running")
        dst.verify()


harness.run([a_failed_migrate_does_not_make_an_unknown_guest_ours,
             a_listener_that_fails_leaves_everything_as_it_was, the_only_copy_is_not_given_up_for_a_stranger,
             memory_that_was_dropped_is_owned_by_nobody, force_that_comes_after_the_confirmation_is_refused,
             the_source_has_its_answer_before_the_guest_can_leave_again,
             released_memory_is_gone_and_cannot_run, released_memory_is_kept_when_nobody_confirms,
             released_memory_is_kept_through_a_cut_in_postcopy,
             a_silent_source_can_be_sent_away,
             a_pipe_that_somebody_else_holds_open_does_not_matter, descriptors_of_the_program_cannot_be_named,
             stop_and_cont_at_any_moment])
