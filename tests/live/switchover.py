"""What a switchover can be made to wait for: the operator (pause-before-switchover, migrate_continue) and the
destination's word (switchover-ack); and what the two sides say of a guest that went over."""

import contextlib
import json
import os
import signal
import socket
import threading

import harness
import pace


def workload():
    return pace.stress(pace.brisk(), "prefill=on", "seed=3")


def refused(process, command, part, **arguments):
    try:
        process.execute(command, **arguments)
    except harness.QmpError as error:
        if part not in str(error):
            raise
        return
    raise harness.Failure(f"{process.name}: {command} was not refused")


def expect(what, found, wanted):
    if found != wanted:
        raise harness.Failure(f"{what}: {found}, expected {wanted}")


def pair(s, *options, fault=None, listens=True):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}" if listens else "defer", machine=workload())
    src = s.migmon("src", *options, machine=workload(), fault=fault)
    for process in (src, dst):
        process.capability("events")
    src.unlimited()
    return src, dst, f"unix:{path}"


def paused(s, **more):
    src, dst, uri = pair(s, **more)
    src.capability("pause-before-switchover")
    src.execute("migrate", uri=uri)
    src.wait_status("pre-switchover")
    return src, dst


def story(process):
    """STOP, RESUME and the states, in their order."""
    return [event.get("data", {}).get("status", event["event"]) for event in process.qmp.poll_events()
            if event["event"] in ("MIGRATION", "STOP", "RESUME")]


def the_guest_stands_until_it_is_continued(s):
    src, dst = paused(s)
    expect("run state", src.run_state(), "finish-migrate")
    expect("owner", src.owner(), "here")
    refused(src, "migrate-continue", "not in expected state: pre-switchover", state="device")
    refused(src, "cont", "Migration is not finalized yet")
    refused(src, "migrate", "in progress", uri=f"file:{s.path('nowhere')}")
    info = src.execute("query-migrate")
    if "ram" not in info or "expected-downtime" not in info:
        raise harness.Failure(f"in pre-switchover: {info}")
    src.execute("migrate-continue", state="pre-switchover")
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()
    expect("events", story(src), ["setup", "active", "STOP", "pre-switchover", "device", "completed"])
    refused(src, "migrate-continue", "not in expected state: completed", state="pre-switchover")
    return dst.owner()


def a_cancel_lets_the_guest_go_on(s):
    src, dst = paused(s)
    src.execute("migrate_cancel")
    src.wait_status("cancelled")
    expect("events", story(src), ["setup", "active", "STOP", "pre-switchover", "cancelling", "RESUME",
                                  "cancelled"])
    expect("run state", src.run_state(), "running")
    dst.wait_status("failed")
    src.verify()


def stopped_while_paused_it_stays_stopped_after_a_cancel(s):
    src, _ = paused(s)
    src.execute("stop")
    expect("run state", src.run_state(), "finish-migrate")
    src.execute("migrate_cancel")
    src.wait_status("cancelled")
    expect("run state", src.run_state(), "paused")


def a_destination_that_dies_meanwhile_ends_the_pause(s):
    src, dst = paused(s)
    dst.kill()
    src.wait_status("failed")
    expect("run state", src.run_state(), "running")
    expect("owner", src.owner(), "here")
    src.verify()


# ---- a destination that does nothing any more (x-switchover-timeout) ----

SILENT = "the destination did not answer for 0.5 s while the guest was paused"


def given_up(src, text=SILENT):
    src.wait_status("failed")
    said = src.execute("query-migrate")["error-desc"]
    if not said.startswith(text):
        raise harness.Failure(said)
    expect("run state", src.run_state(), "running")
    expect("owner", src.owner(), "here")
    src.verify()


def a_stopped_destination_ends_the_pause(multifd=False, postcopy=False):
    def test(s):
        src, dst, uri = pair(s, listens=False)
        for process in (src, dst):
            process.capability("multifd", multifd)
            process.capability("postcopy-ram", postcopy)
        dst.execute("migrate-incoming", uri=uri)
        src.capability("pause-before-switchover")
        src.set(x_switchover_timeout=500)
        if postcopy:
            src.hold()
        src.execute("migrate", uri=uri)
        if postcopy:
            src.wait_status("active")
            src.execute("migrate-start-postcopy")
        src.wait_status("pre-switchover")
        dst.signal(signal.SIGSTOP)
        src.execute("migrate-continue", state="pre-switchover")
        given_up(src)
        dst.signal(signal.SIGCONT)
        dst.wait_status("failed")
        expect("run state of the destination", dst.run_state(), "inmigrate")
        # Nothing of it stays behind.
        src.capability("pause-before-switchover", False)
        src.unlimited()
        src.execute("migrate", uri=uri)
        if postcopy:
            src.execute("migrate-start-postcopy")
        src.wait_status("completed")
        dst.wait_status("completed")
        dst.verify()
    test.__name__ = "a_stopped_destination_ends_the_pause" + "_multifd" * multifd + "_postcopy" * postcopy
    return test


def listener(s, stack):
    server = stack.enter_context(socket.socket(socket.AF_UNIX))
    server.bind(s.path("reader"))
    server.listen()
    return server, f"unix:{s.path('reader')}"


def a_reader_that_never_answers_ends_the_pause(s):
    """socat -u UNIX-LISTEN:… does this."""
    def read_all(server):
        connection, _ = server.accept()
        with connection:
            while connection.recv(1 << 20):
                pass
    src = s.migmon("src", machine=workload())
    src.set(max_bandwidth=0, x_switchover_timeout=500)
    with contextlib.ExitStack() as stack:
        server, uri = listener(s, stack)
        reader = threading.Thread(target=read_all, args=(server,))
        reader.start()
        src.execute("migrate", uri=uri)
        given_up(src)
        reader.join()


def a_reader_that_stops_reading_ends_the_pause(s):
    """With this downtime limit nearly all of the memory is sent in the pause."""
    src = s.migmon("src", machine=workload())
    src.capability("pause-before-switchover")
    src.written(4000)
    src.set(max_bandwidth=0, downtime_limit=2000000, avail_switchover_bandwidth=1 << 40, x_switchover_timeout=500)
    with contextlib.ExitStack() as stack:
        server, uri = listener(s, stack)
        src.execute("migrate", uri=uri)
        connection = stack.enter_context(server.accept()[0])
        connection.settimeout(0.1)
        while src.status() != "pre-switchover":
            with contextlib.suppress(TimeoutError):
                connection.recv(4096)
        src.execute("migrate-continue", state="pre-switchover")
        given_up(src, SILENT + ": it takes no more bytes")


def a_command_that_stops_reading_ends_the_pause(s):
    src = s.migmon("src", machine=workload())
    src.capability("pause-before-switchover")
    src.written(4000)
    src.set(max_bandwidth=0, downtime_limit=2000000, avail_switchover_bandwidth=1 << 40, x_switchover_timeout=500)
    src.execute("migrate", uri=f"exec:echo $$ >{s.path('pid')}; exec cat >/dev/null")
    src.wait_status("pre-switchover")
    with open(s.path("pid")) as file:
        harness.send_signal(int(file.read()), signal.SIGSTOP)
    src.execute("migrate-continue", state="pre-switchover")
    given_up(src, SILENT + ": it takes no more bytes")


def a_pause_works_on_the_way_to_a_file(s):
    src = s.migmon("src", machine=workload())
    src.unlimited()
    src.capability("pause-before-switchover")
    src.execute("migrate", uri=f"file:{s.path('f')}")
    src.wait_status("pre-switchover")
    src.execute("migrate-continue", state="pre-switchover")
    src.wait_status("completed")
    dst = s.migmon("dst", "--incoming", f"file:{s.path('f')}", machine=workload())
    dst.wait_status("completed")
    dst.verify()


def a_blocking_migrate_gives_the_line_back_in_the_pause(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", machine=workload())
    lines = ["migrate_set_capability pause-before-switchover on", "migrate_set_parameter max-bandwidth 0",
             f"migrate_set_parameter downtime-limit {harness.LONG_PAUSE}",
             f"migrate unix:{path}", "info status", "migrate_continue pre-switchover", "wait completed"]
    done = harness.run_program([harness.MIGMON, "--memory", pace.SMALL, "--machine", workload()]
                               + [part for line in lines for part in ("-c", line)], text=True)
    text = done.stdout + done.stderr
    if done.returncode != 0 or "finish-migrate" not in text or "waits: migrate_continue" not in text:
        raise harness.Failure(f"{done.returncode}: {text}")
    dst.wait_status("completed")
    dst.verify()


def the_source_waits_for_the_acknowledgement(s):
    src, dst, uri = pair(s)
    for process in (src, dst):
        process.capability("return-path")
        process.capability("switchover-ack")
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()


def without_an_acknowledgement_there_is_no_switchover(s):
    src, dst, uri = pair(s)
    src.capability("return-path")
    src.capability("switchover-ack")
    src.execute("migrate", uri=uri)
    # It goes on looking at what the guest writes; nothing but a cancel ends this.
    src.passes(10)
    expect("status", src.status(), "active")
    expect("run state", src.run_state(), "running")
    src.execute("migrate_cancel")
    src.wait_status("cancelled")
    # A guest that stands loses nothing by a long switchover: nobody waits then.
    dst.wait_status("failed")
    src.execute("stop")
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    dst.wait_status("completed")
    expect("run state", dst.run_state(), "paused")


def rules_of_switchover_ack(s):
    src = s.migmon("src", machine="none")
    refused(src, "migrate-set-capabilities", "Capability 'switchover-ack' requires capability 'return-path'",
            capabilities=[{"capability": "switchover-ack", "state": True}])
    src.capability("return-path")
    src.capability("switchover-ack")
    refused(src, "migrate-set-capabilities", "requires capability 'return-path'",
            capabilities=[{"capability": "return-path", "state": False}])
    refused(src, "migrate-set-capabilities", "Background-snapshot is not compatible with return-path",
            capabilities=[{"capability": "background-snapshot", "state": True}])


def threads_have_the_names_that_scripts_look_for(s):
    src, _ = paused(s)
    threads = {t["name"]: t["thread-id"] for t in src.execute("query-migrationthreads")}
    tasks = {int(task) for task in os.listdir(f"/proc/{src.pid}/task")}
    if "live_migration" not in threads or not set(threads.values()) <= tasks:
        raise harness.Failure(f"{json.dumps(threads)}, the kernel has {tasks}")
    src.execute("migrate_cancel")
    src.wait_status("cancelled")
    harness.wait_for("the threads are gone", lambda: src.execute("query-migrationthreads") == [])


harness.run([the_guest_stands_until_it_is_continued, a_cancel_lets_the_guest_go_on,
             stopped_while_paused_it_stays_stopped_after_a_cancel,
             a_destination_that_dies_meanwhile_ends_the_pause, a_stopped_destination_ends_the_pause(),
             a_stopped_destination_ends_the_pause(multifd=True), a_stopped_destination_ends_the_pause(postcopy=True),
             a_reader_that_never_answers_ends_the_pause, a_reader_that_stops_reading_ends_the_pause,
             a_command_that_stops_reading_ends_the_pause, a_pause_works_on_the_way_to_a_file,
             a_blocking_migrate_gives_the_line_back_in_the_pause, the_source_waits_for_the_acknowledgement,
             without_an_acknowledgement_there_is_no_switchover, rules_of_switchover_ack,
             threads_have_the_names_that_scripts_look_for])
