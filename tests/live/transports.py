"""A running stress guest moves over every transport, and proves on arrival that nothing was lost."""

import os
import socket

import harness

MEMORY = os.environ.get("MIGMON_TEST_MEMORY", "128M")
WORKLOAD = "stress,rate=200M,prefill=on,seed=7"


def pair(s, incoming="defer"):
    dst = s.migmon("dst", "--smp", "2", "--incoming", incoming, memory=MEMORY, machine=WORKLOAD)
    src = s.migmon("src", "--smp", "2", memory=MEMORY, machine=WORKLOAD)
    src.set(max_bandwidth=0)
    harness.wait_for("the guest has written something", lambda: src.verify() > 1000)
    return src, dst


def arrived(src, dst, owner="peer (confirmed)", start_dst=None):
    """The copy is right and the vCPUs go on from where they were."""
    src.wait_status("completed")
    if start_dst is not None:
        start_dst()
    dst.wait_status("completed")
    dst.wait_run_state("running")
    if src.run_state() != "postmigrate" or src.owner() != owner:
        raise harness.Failure(f"source is {src.run_state()}, owner {src.owner()}")
    left_with = src.verify()
    here = dst.verify()
    if here < left_with:
        raise harness.Failure(f"guest left after {left_with} steps, has {here} on arrival")
    harness.wait_for("the vCPUs go on", lambda: dst.verify() > here)
    ram = src.execute("query-migrate")["ram"]
    return f"{ram['normal']} pages, {ram['dirty-sync-count']} syncs"


def unix(s):
    src, dst = pair(s, f"unix:{s.path('m.sock')}")
    src.execute("migrate", uri=f"unix:{s.path('m.sock')}")
    return arrived(src, dst)


def tcp_port_chosen_by_the_kernel(s):
    src, dst = pair(s, "tcp:127.0.0.1:0")
    address = harness.wait_for("the destination listens",
                               lambda: dst.execute("query-migrate").get("socket-address"))[0]
    src.execute("migrate", channels=[{"channel-type": "main", "addr": {
        "transport": "socket", "type": "inet", "host": "127.0.0.1", "port": address["port"]}}])
    return arrived(src, dst)


def tcp_ipv6(s):
    if not os.path.exists("/proc/net/if_inet6"):
        return "no IPv6 here"
    src, dst = pair(s, "tcp:[::1]:0")
    address = harness.wait_for("the destination listens",
                               lambda: dst.execute("query-migrate").get("socket-address"))[0]
    src.execute("migrate", uri=f"tcp:[::1]:{address['port']}")
    return arrived(src, dst)


def vsock(s):
    try:
        with socket.socket(socket.AF_VSOCK) as probe:
            probe.bind((1, 52001))
            probe.listen()
            with socket.socket(socket.AF_VSOCK) as client:
                client.settimeout(1)
                client.connect((1, 52001))
    except OSError as error:
        return f"not tried: vsock loopback does not work here ({error})"
    src, dst = pair(s, "vsock:1:52002")
    src.execute("migrate", uri="vsock:1:52002")
    return arrived(src, dst)


def exec_through_a_fifo(s):
    fifo = s.path("fifo")
    os.mkfifo(fifo)
    src, dst = pair(s, f"exec:cat {fifo}")
    src.execute("migrate", uri=f"exec:cat > {fifo}")
    return arrived(src, dst, owner="unknown (commit sent)")


def fd_passed_over_the_monitors(s):
    src, dst = pair(s)
    a, b = socket.socketpair()
    src.qmp.execute("getfd", fds=[a.fileno()], fdname="out")
    dst.qmp.execute("getfd", fds=[b.fileno()], fdname="in")
    a.close()
    b.close()
    dst.execute("migrate-incoming", uri="fd:in")
    src.execute("migrate", uri="fd:out")
    return arrived(src, dst)


def fd_of_a_pipe(s):
    src, dst = pair(s)
    reader, writer = os.pipe()
    src.qmp.execute("getfd", fds=[writer], fdname="out")
    dst.qmp.execute("getfd", fds=[reader], fdname="in")
    os.close(reader)
    os.close(writer)
    dst.execute("migrate-incoming", uri="fd:in")
    src.execute("migrate", uri="fd:out")
    return arrived(src, dst, owner="unknown (commit sent)")


def file_with_offset_keeps_what_is_before(s):
    path = s.path("guest.mig")
    with open(path, "wb") as file:
        file.write(b"\xaa" * 100000)
    src, dst = pair(s)
    src.execute("migrate", uri=f"file:{path},offset=0x3000")

    def load():
        with open(path, "rb") as file:
            if file.read(0x3000) != b"\xaa" * 0x3000:
                raise harness.Failure("bytes before the offset were destroyed")
            if file.read(4) != b"QEVM":
                raise harness.Failure("no stream at the offset")
        dst.execute("migrate-incoming", uri=f"file:{path},offset=0x3000")
    return arrived(src, dst, owner="none", start_dst=load)


def without_handover(s):
    """x-handover off: one way only, completed when all is written."""
    src, dst = pair(s, f"unix:{s.path('m.sock')}")
    src.set(x_handover=False)
    src.execute("migrate", uri=f"unix:{s.path('m.sock')}")
    return arrived(src, dst, owner="unknown (commit sent)")


def paused_guest_stays_paused(s):
    src, dst = pair(s, f"unix:{s.path('m.sock')}")
    src.execute("stop")
    src.execute("migrate", uri=f"unix:{s.path('m.sock')}")
    src.wait_status("completed")
    dst.wait_status("completed")
    if dst.run_state() != "paused":
        raise harness.Failure(f"destination is {dst.run_state()}")
    steps = dst.verify()
    if steps != src.verify() or dst.verify() != steps:
        raise harness.Failure("a paused guest has moved")
    dst.execute("cont")
    harness.wait_for("the vCPUs go on", lambda: dst.verify() > steps)


def populated_destination_after_a_broken_attempt(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--smp", "2", "--prealloc", "--incoming", f"unix:{path}", memory=MEMORY,
                   machine=WORKLOAD)
    first = s.migmon("first", "--smp", "2", memory=MEMORY, machine=WORKLOAD)
    first.execute("migrate-set-parameters", max_bandwidth=16 << 20)
    harness.wait_for("the guest has written something", lambda: first.verify() > 1000)
    first.execute("migrate", uri=f"unix:{path}")
    harness.wait_for("pages flow", lambda: first.execute("query-migrate").get("ram", {}).get("normal"))
    first.execute("migrate_cancel")
    first.wait_status("cancelled")

    src = s.migmon("src", "--smp", "2", memory=MEMORY, machine="stress,rate=50M,set=16M,seed=9")
    src.set(max_bandwidth=0)
    harness.wait_for("the guest has written something", lambda: src.verify() > 1000)
    dst.wait_status("failed")
    src.execute("migrate", uri=f"unix:{path}")
    return arrived(src, dst)


def both_trackers(s):
    moved = []
    for kind in ("async", "sync"):
        path = s.path(f"{kind}.sock")
        dst = s.migmon(f"dst-{kind}", "--incoming", f"unix:{path}", memory=MEMORY, machine=WORKLOAD)
        src = s.migmon(f"src-{kind}", "--tracker", kind, memory=MEMORY, machine=WORKLOAD)
        harness.wait_for("the guest has written something", lambda: src.verify() > 1000)
        src.set(max_bandwidth=0)
        try:
            src.execute("migrate", uri=f"unix:{path}")
        except harness.QmpError as error:
            moved.append(f"{kind} not possible here: {error}")
            continue
        arrived(src, dst)
        moved.append(kind)
    return ", ".join(moved)


harness.run([unix, tcp_port_chosen_by_the_kernel, tcp_ipv6, vsock, exec_through_a_fifo,
             fd_passed_over_the_monitors, fd_of_a_pipe, file_with_offset_keeps_what_is_before,
             without_handover, paused_guest_stays_paused,
             populated_destination_after_a_broken_attempt, both_trackers])
