"""Peers that do nothing, or say nothing, where no pause of the switchover limits the wait: x-stall-timeout, the
recovery of postcopy, connections to an incoming port; and what a pause is shown to wait for."""

import contextlib
import os
import signal
import socket
import threading

import harness
import pace

STALL = "the destination took no byte for 0.5 s"


def workload():
    return pace.stress(pace.brisk(), "prefill=on", "seed=3")


def expect(what, found, wanted):
    if found != wanted:
        raise harness.Failure(f"{what}: {found}, expected {wanted}")


def contains(text, part):
    if part not in text:
        raise harness.Failure(f"{part!r} is not in: {text}")


def outcome(process):
    return process.execute("x-query-migrate-history")["outcome"]


def failed_here(src, text):
    src.wait_status("failed")
    contains(src.execute("query-migrate")["error-desc"], text)
    expect("run state", src.run_state(), "running")
    expect("owner", src.owner(), "here")
    src.verify()


# ---- x-stall-timeout ----

def a_reader_that_takes_nothing(family):
    """A half-open peer: it has accepted the connection, and never reads. The guest runs meanwhile."""
    def test(s):
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(socket.socket(family))
            server.bind(s.path("reader") if family == socket.AF_UNIX else ("127.0.0.1", 0))
            server.listen()
            name = server.getsockname()
            src = s.migmon("src", memory="64M", machine=workload())
            src.written(16000)
            src.set(max_bandwidth=0, x_stall_timeout=500)
            src.execute("migrate", uri=f"unix:{name}" if family == socket.AF_UNIX else f"tcp:127.0.0.1:{name[1]}")
            stack.enter_context(server.accept()[0])
            failed_here(src, STALL)
    test.__name__ = f"a_reader_that_takes_nothing_{family.name}"
    return test


def a_command_that_takes_nothing(s):
    src = s.migmon("src", machine=workload())
    src.written(4000)
    src.set(max_bandwidth=0, x_stall_timeout=500)
    src.execute("migrate", uri="exec:kill -STOP $$; exec cat >/dev/null")
    failed_here(src, STALL)
    contains(src.hmp("info migrate"), "the guest goes on here\nhint: x-stall-timeout")


def a_fifo_that_is_not_read(s):
    os.mkfifo(s.path("fifo"))
    with open(os.open(s.path("fifo"), os.O_RDONLY | os.O_NONBLOCK), "rb"):
        src = s.migmon("src", machine=workload())
        src.written(4000)
        src.set(max_bandwidth=0, x_stall_timeout=500)
        src.execute("migrate", uri=f"file:{s.path('fifo')}")
        failed_here(src, STALL)


def pair(s, *capabilities):
    uri = f"unix:{s.path('m.sock')}"
    dst = s.migmon("dst", "--incoming", "defer", machine=workload())
    src = s.migmon("src", machine=workload())
    for process in (src, dst):
        for name in capabilities:
            process.capability(name)
    dst.execute("migrate-incoming", uri=uri)
    return src, dst, uri


def a_stopped_destination(*capabilities):
    """Without the parameter it is waited for, and goes on when it is let go on."""
    def test(s):
        src, dst, uri = pair(s, *capabilities)
        src.hold()
        src.execute("migrate", uri=uri)
        src.wait_status("active")
        dst.signal(signal.SIGSTOP)
        src.set(max_bandwidth=0)
        seen = []

        def stands():
            seen.append(src.execute("query-migrate")["ram"]["transferred"])
            return len(seen) > 20 and len(set(seen[-20:])) == 1
        harness.wait_for("nothing moves", stands)
        expect("status", src.status(), "active")
        src.set(x_stall_timeout=500)  # counts at once
        failed_here(src, STALL)
        dst.signal(signal.SIGCONT)
        dst.wait_status("failed")
        src.set(x_stall_timeout=0)
        src.hold()
        src.execute("migrate", uri=uri)
        src.wait_status("active")
        dst.signal(signal.SIGSTOP)
        src.set(max_bandwidth=0)
        seen.clear()
        harness.wait_for("nothing moves", stands)
        dst.signal(signal.SIGCONT)
        src.unlimited()
        src.wait_status("completed")
        dst.wait_status("completed")
        dst.verify()
    test.__name__ = "_".join(["a_stopped_destination", *capabilities]).replace("-", "_")
    return test


def postcopy_pair(s):
    idle = pace.stress(0, "prefill=on", "seed=5")
    uri = f"unix:{s.path('m.sock')}"
    dst = s.migmon("dst", "--incoming", "defer", machine=idle)
    src = s.migmon("src", machine=idle)
    for process in (src, dst):
        process.capability("postcopy-ram")
    dst.execute("migrate-incoming", uri=uri)
    src.written(4096).postcopy(uri)
    src.wait_status("postcopy-active")
    dst.wait_status("postcopy-active")
    return src, dst


def completes(src, dst):
    src.rush()
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()


def a_destination_that_stalls_in_postcopy_is_paused(s):
    src, dst = postcopy_pair(s)
    src.set(x_stall_timeout=500)
    dst.signal(signal.SIGSTOP)
    src.rush()
    src.wait_status("postcopy-paused")
    contains(outcome(src), STALL)
    dst.signal(signal.SIGCONT)
    dst.wait_status("postcopy-paused")
    for side in (src, dst):
        contains(side.hmp("info migrate"), " s in postcopy-paused")
    src.execute("migrate", uri=f"unix:{s.path('nobody.sock')}", resume=True)
    harness.wait_for("the next attempt has its own reason", lambda: "nobody.sock" in outcome(src))
    uri = f"unix:{s.path('again.sock')}"
    dst.execute("migrate-recover", uri=uri)
    src.execute("migrate", uri=uri, resume=True)
    completes(src, dst)


def a_recovery_that_is_not_answered_ends(s):
    """The guest waits for its pages meanwhile. The kernel of the stopped process takes the connection."""
    src, dst = postcopy_pair(s)
    src.execute("migrate-pause")
    src.wait_status("postcopy-paused")
    dst.wait_status("postcopy-paused")
    uri = f"unix:{s.path('again.sock')}"
    dst.execute("migrate-recover", uri=uri)
    dst.signal(signal.SIGSTOP)
    src.set(x_switchover_timeout=500)
    src.execute("migrate", uri=uri, resume=True)
    src.wait_log("the destination did not answer for 0.5 s while the guest was paused")
    src.wait_status("postcopy-paused")
    dst.signal(signal.SIGCONT)
    src.set(x_switchover_timeout=5000)

    def resumed():
        if src.status() == "postcopy-paused" and dst.status() == "postcopy-paused":
            if dst.execute("query-migrate").get("socket-address") is None:
                dst.execute("migrate-recover", uri=uri)
            with contextlib.suppress(harness.QmpError):
                src.execute("migrate", uri=uri, resume=True)
        return src.status() == "postcopy-active"
    harness.wait_for("the postcopy goes on", resumed, every=0.2)
    completes(src, dst)


# ---- a child of exec: ----

def a_command_that_keeps_writing_errors_is_not_waited_for(s):
    """A deadline is a time: what the child says does not move it."""
    src = s.migmon("src", machine=workload())
    src.unlimited()
    src.set(x_handover_timeout=500)
    src.execute("migrate", uri="exec:cat >/dev/null; while :; do echo still here >&2; done")
    src.wait_status("failed")
    contains(src.execute("query-migrate")["error-desc"], "did not end within 500 ms")
    expect("owner", src.owner(), "unknown (commit sent)")


# ---- bytes on the way count against the downtime limit ----

def bytes_on_the_way_keep_the_guest_running(s):
    """All of an idle guest lies in the buffers of the connection: more than the limit allows, until it is read."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(s.path("reader"))
        server.listen()
        src = s.migmon("src", memory="4M", machine="stress,pattern=idle")
        src.set(max_bandwidth=0, downtime_limit=100, avail_switchover_bandwidth=1000, x_switchover_timeout=0)
        src.execute("migrate", uri=f"unix:{s.path('reader')}")
        connection, _ = server.accept()
        with connection:
            seen = []

            def stands():
                seen.append(src.execute("query-migrate")["ram"].get("transferred") if src.status() == "active" else None)
                return len(seen) > 20 and seen[-1] and len(set(seen[-20:])) == 1
            harness.wait_for("everything is sent", stands)
            expect("bytes left", src.execute("query-migrate")["ram"]["remaining"], 0)
            expect("run state", src.run_state(), "running")
            connection.settimeout(0.1)

            def paused():
                with contextlib.suppress(TimeoutError):
                    connection.recv(1 << 20)
                return src.run_state() == "finish-migrate"
            harness.wait_for("the guest is paused for the rest", paused)
            src.execute("migrate_cancel")
            src.wait_status("cancelled")
    src.verify()


# ---- what the pause waits for ----

def a_pause_says_what_it_waits_for(s):
    src, dst, uri = pair(s, "pause-before-switchover")
    src.unlimited()
    src.execute("migrate", uri=uri)
    src.wait_status("pre-switchover")
    contains(src.hmp("info migrate"), "so far, the guest waits for migrate_continue")
    contains(src.hmp("info migrate"), " s in pre-switchover")

    def paused_us():
        return src.execute("x-query-migrate-history")["downtime"]["total-us"]
    before = paused_us()
    harness.wait_for("the pause grows", lambda: paused_us() > before)
    dst.signal(signal.SIGSTOP)
    src.set(x_switchover_timeout=0)  # no limit: it is shown all the same
    src.execute("migrate-continue", state="pre-switchover")
    harness.wait_for("the destination is waited for", lambda: "so far, the guest waits for the "
                     in src.hmp("info migrate"))
    dst.signal(signal.SIGCONT)
    src.wait_status("completed")
    if "so far" in src.hmp("info migrate"):
        raise harness.Failure("a pause that is over is shown as one that lasts")
    dst.wait_status("completed")
    dst.verify()


# ---- connections to an incoming port ----

def a_second_source_is_told_why(s):
    src, dst, uri = pair(s)
    src.hold()
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    dst.wait_status("active")
    other = s.migmon("other", machine=workload())
    other.execute("migrate", uri=uri)
    failed_here(other, "the destination is busy with another source")
    src.release()
    src.unlimited()
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()


def refused_before_the_return_path_is_open(s):
    """The answer is the same whenever the destination finds out, and so is the exit status."""
    path = s.path("m.sock")
    s.migmon("dst", "--incoming", f"unix:{path}", machine="none")
    for _ in range(5):
        done = harness.run_program([harness.MIGMON, "--memory", pace.SMALL, "--machine", workload(),
                                    "-c", f"migrate unix:{path}"], text=True)
        contains(done.stdout + done.stderr, "the destination reported a failure (SHUT 1)")
        expect("exit status", done.returncode, 4)


def closed_at_any_moment(s):
    """The words and the exit status do not depend on how far the source has come."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(s.path("closes"))
        server.listen()

        def close_after(count, unread):
            connection, _ = server.accept()
            with connection:
                left = count
                while left > 0:
                    left -= len(connection.recv(min(left, 1 << 16)) or bytes(left))
                if unread:
                    connection.recv(1, socket.MSG_PEEK)
        for count, unread in ((0, False), (0, True), (4, True), (100, True), (400, False), (20000, True), (1000000, True)):
            closer = threading.Thread(target=close_after, args=(count, unread))
            closer.start()
            done = harness.run_program([harness.MIGMON, "--memory", pace.SMALL, "--machine", workload(), "-c",
                                        "migrate_set_parameter max-bandwidth 0", "-c", f"migrate unix:{s.path('closes')}"],
                                       text=True)
            closer.join()
            contains(done.stdout + done.stderr, "the destination closed the connection")
            expect(f"exit status after {count} bytes", done.returncode, 4)


# ---- a background snapshot over a connection ----

def a_snapshot_over_a_connection_stays_paused(s):
    """As QEMU sends one: RAM without an end, and the guest runs on at the source."""
    src = s.migmon("src", machine=workload())
    src.capability("background-snapshot")
    src.execute("migrate", uri=f"exec:cat >{s.path('stream')}")
    src.wait_status("completed")
    dst = s.migmon("dst", "--incoming", f"unix:{s.path('m.sock')}", machine=workload())
    with open(s.path("stream"), "rb") as file:
        stream = file.read()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(s.path("m.sock"))
        sender = threading.Thread(target=connection.sendall, args=(stream,))
        sender.start()
        sender.join()
        connection.shutdown(socket.SHUT_WR)
        dst.wait_status("completed")
    expect("run state", dst.run_state(), "paused")
    expect("owner", dst.owner(), "unknown (commit sent)")
    contains(outcome(dst), "it is a background snapshot, and its guest runs on at the source")
    try:
        dst.execute("cont")
        raise harness.Failure("cont was not refused")
    except harness.QmpError as error:
        contains(str(error), "the guest may run elsewhere")
    dst.hmp("cont -f")
    expect("run state", dst.run_state(), "running")
    contains(dst.execute("x-query-owner")["evidence"], "another copy may run at")
    dst.verify()


def cont_f_says_what_it_does(s):
    """Postcopy is paused and the destination had confirmed: two copies run afterwards, and this side says so."""
    src, dst = postcopy_pair(s)
    harness.wait_for("the destination has confirmed", lambda: src.owner() == "peer (confirmed)")
    src.execute("migrate-pause")
    src.wait_status("postcopy-paused")
    src.hmp("cont -f")
    src.wait_run_state("running")
    contains(src.execute("x-query-owner")["evidence"], "another copy may run at")
    contains(src.execute("x-query-owner")["evidence"], "the destination had confirmed that it runs there")
    contains(outcome(src), "as it was when it was handed over")
    contains(src.hmp("info status"), "another copy may run")
    src.verify()


harness.run([a_reader_that_takes_nothing(socket.AF_UNIX), a_reader_that_takes_nothing(socket.AF_INET),
             a_command_that_takes_nothing, a_fifo_that_is_not_read,
             a_stopped_destination(), a_stopped_destination("multifd"),
             a_destination_that_stalls_in_postcopy_is_paused, a_recovery_that_is_not_answered_ends,
             a_command_that_keeps_writing_errors_is_not_waited_for, bytes_on_the_way_keep_the_guest_running,
             a_pause_says_what_it_waits_for,
             a_second_source_is_told_why, refused_before_the_return_path_is_open,
             closed_at_any_moment,
             a_snapshot_over_a_connection_stays_paused, cont_f_says_what_it_does])
