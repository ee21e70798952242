"""Recovery with what an operator may get wrong: the way in, the guest, the order, the moment."""

import os
import socket

import harness
import pace

MEMORY = pace.SMALL
BUSY = pace.stress(0, "prefill=on", "seed=5")


def paused_pair(s, number=0, preempt=False, src_fault=None):
    """A postcopy that is paused on both sides, with pages still at the source."""
    uri = f"unix:{s.path(f'm{number}.sock')}"
    dst = s.migmon(f"dst{number}", "--incoming", "defer", memory=MEMORY, machine=BUSY)
    src = s.migmon(f"src{number}", memory=MEMORY, machine=BUSY, fault=src_fault)
    for side in (src, dst):
        side.capability("postcopy-ram")
        side.capability("postcopy-preempt", preempt)
    dst.execute("migrate-incoming", uri=uri)
    src.written(4096).postcopy(uri)
    src.wait_status("postcopy-active")
    dst.wait_status("postcopy-active")
    src.execute("migrate-pause")
    src.wait_status("postcopy-paused")
    dst.wait_status("postcopy-paused")
    return src, dst


def completed(src, dst):
    src.rush()
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()
    if (src.run_state(), dst.run_state()) != ("postmigrate", "running"):
        raise harness.Failure(f"source {src.run_state()}, destination {dst.run_state()}")


def refused(process, part, command, **arguments):
    try:
        process.execute(command, **arguments)
    except harness.QmpError as error:
        if part not in str(error):
            raise
        return
    raise harness.Failure(f"{process.name}: {command} was not refused")


def a_way_in_that_does_not_answer_leaves_the_guest(s):
    src, dst = paused_pair(s)
    refused(dst, "goes both ways", "migrate-recover", uri="exec:cat /dev/null")
    refused(dst, "goes both ways", "migrate-recover", uri="file:/dev/null")
    ends = os.pipe()
    dst.qmp.execute("getfd", fds=[ends[0]], fdname="pipe")
    dst.execute("migrate-recover", uri="fd:pipe")
    dst.wait_log("it goes one way only")
    for end in ends:
        os.close(end)
    if (dst.status(), dst.run_state()) != ("postcopy-paused", "running"):
        raise harness.Failure(f"destination {dst.status()}, {dst.run_state()}")
    # A descriptor of a socket is as good as an address.
    pair = socket.socketpair()
    for side, end in zip((dst, src), pair):
        side.qmp.execute("getfd", fds=[end.fileno()], fdname="link")
        end.close()
    dst.execute("migrate-recover", uri="fd:link")
    src.execute("migrate", uri="fd:link", resume=True)
    completed(src, dst)


def another_guests_source_is_turned_away(s):
    src, dst = paused_pair(s)
    other_src, other_dst = paused_pair(s, 1)
    uri = f"unix:{s.path('again.sock')}"
    dst.execute("migrate-recover", uri=uri)
    other_src.execute("migrate", uri=uri, resume=True)
    dst.wait_log("not the one that the rest of this guest's RAM is at")
    other_src.wait_status("postcopy-paused")
    dst.wait_status("postcopy-paused")
    for pair in ((src, dst), (other_src, other_dst)):
        uri = f"unix:{s.path(pair[0].name)}.sock"
        pair[1].execute("migrate-recover", uri=uri)
        pair[0].execute("migrate", uri=uri, resume=True)
    completed(src, dst)
    completed(other_src, other_dst)


def mute_peer(s, name):
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(s.path(name))
    silent.listen()
    return silent, f"unix:{s.path(name)}"


def a_peer_that_says_nothing_is_left_alone(s, preempt=False):
    """On either side, as often as it comes."""
    src, dst = paused_pair(s, preempt=preempt)
    _silent, nowhere = mute_peer(s, "silent")
    src.execute("migrate", uri=nowhere, resume=True)
    src.wait_status("postcopy-recover")
    refused(src, "not finalized", "cont", x_force=True)
    src.execute("migrate-pause")
    src.wait_status("postcopy-paused")
    uri = s.path("again.sock")
    dst.execute("migrate-recover", uri=f"unix:{uri}")
    mute = socket.socket(socket.AF_UNIX)
    mute.connect(uri)
    mute.sendall(bytes.fromhex("08000a0004") + b"\x03ram")
    dst.wait_status("postcopy-recover")
    dst.execute("stop")
    dst.execute("cont")
    dst.execute("migrate-pause")
    dst.wait_status("postcopy-paused")
    src.execute("migrate", uri=f"unix:{uri}", resume=True)
    completed(src, dst)


def nor_does_it_matter_with_a_channel_of_requested_pages(s):
    a_peer_that_says_nothing_is_left_alone(s, preempt=True)


def the_programs_end_while_a_peer_says_nothing(s):
    src, _ = paused_pair(s)
    silent, uri = mute_peer(s, "silent")
    src.execute("migrate", uri=uri, resume=True)
    src.wait_status("postcopy-recover")
    s.drop(src)
    silent.close()


def a_guest_that_was_given_back_comes_home_in_postcopy(s):
    src = s.migmon("src", memory=MEMORY, machine=BUSY)
    dst = s.migmon("dst", "--incoming", f"unix:{s.path('out')}", memory=MEMORY, machine=BUSY)
    for side in (src, dst):
        side.capability("postcopy-ram")
        side.capability("release-ram")
    for here, there, name in ((src, dst, "out"), (dst, src, "home")):
        if name == "home":
            there.execute("migrate-incoming", uri=f"unix:{s.path(name)}")
        here.written().postcopy(f"unix:{s.path(name)}")
        completed(here, there)
    src.execute("stop")
    src.execute("cont")
    if src.run_state() != "running":
        raise harness.Failure(src.run_state())


harness.run([a_way_in_that_does_not_answer_leaves_the_guest, another_guests_source_is_turned_away,
             a_peer_that_says_nothing_is_left_alone, nor_does_it_matter_with_a_channel_of_requested_pages,
             the_programs_end_while_a_peer_says_nothing, a_guest_that_was_given_back_comes_home_in_postcopy])
