"""A running stress guest moves over every transport, and proves on arrival that nothing was lost."""

import os
import socket

import harness
import pace

MEMORY = pace.SMALL


def workload():
    return pace.stress(pace.brisk(), "prefill=on", "seed=7")


def pair(s, incoming="defer"):
    dst = s.migmon("dst", "--smp", "2", "--incoming", incoming, memory=MEMORY, machine=workload())
    src = s.migmon("src", "--smp", "2", memory=MEMORY, machine=workload())
    src.set(max_bandwidth=0)
    return src.written(), dst


def arrived(src, dst, owner="peer (confirmed)"):
    ram = harness.arrived(src, dst, owner)
    return f"{ram['normal']} pages, {ram['dirty-sync-count']} syncs"


def unix(s):
    src, dst = pair(s, f"unix:{s.path('m.sock')}")
    src.execute("migrate", uri=f"unix:{s.path('m.sock')}")
    return arrived(src, dst)


def tcp_port_chosen_by_the_kernel(s):
    src, dst = pair(s, "tcp:127.0.0.1:0")
    address = dst.address()
    src.execute("migrate", channels=[{"channel-type": "main", "addr": {
        "transport": "socket", "type": "inet", "host": "127.0.0.1", "port": address["port"]}}])
    return arrived(src, dst)


def tcp_ipv6(s):
    if not os.path.exists("/proc/net/if_inet6"):
        return "no IPv6 here"
    src, dst = pair(s, "tcp:[::1]:0")
    address = dst.address()
    src.execute("migrate", uri=f"tcp:[::1]:{address['port']}")
    return arrived(src, dst)


def vsock(s):
    try:
        with socket.socket(socket.AF_VSOCK) as probe:
            probe.bind((1, socket.VMADDR_PORT_ANY))
            probe.listen()
            port = probe.getsockname()[1]
            with socket.socket(socket.AF_VSOCK) as client:
                client.settimeout(harness.PATIENCE)
                client.connect((1, port))
    except OSError as error:
        return f"not tried: vsock loopback does not work here ({error})"
    # The kernel counts upwards: the port is not given to another soon.
    src, dst = pair(s, f"vsock:1:{port}")
    src.execute("migrate", uri=f"vsock:1:{port}")
    return arrived(src, dst)


def exec_through_a_fifo(s):
    fifo = s.path("fifo")
    os.mkfifo(fifo)
    src, dst = pair(s, f"exec:cat {fifo}")
    src.execute("migrate", uri=f"exec:cat > {fifo}")
    return arrived(src, dst, owner="unknown (commit sent)")


def a_fifo_is_no_file(s):
    """Whoever reads it may run the guest, so this side does not take it back when the end was written."""
    fifo = s.path("fifo")
    os.mkfifo(fifo)
    src, dst = pair(s, f"file:{fifo}")
    src.execute("migrate", uri=f"file:{fifo}")
    detail = arrived(src, dst, owner="unknown (commit sent)")
    dst = s.migmon("next", "--incoming", f"file:{fifo}", memory=MEMORY, machine=workload())
    src = s.migmon("breaks", memory=MEMORY, machine=workload(), fault="src-after-eof=fail")
    src.set(max_bandwidth=0)
    src.written().execute("migrate", uri=f"file:{fifo}")
    src.wait_status("failed")
    dst.wait_status("completed")
    if (src.run_state(), dst.run_state(), src.owner()) != ("postmigrate", "running", "unknown (commit sent)"):
        raise harness.Failure(f"the source is {src.run_state()}, owner {src.owner()}; the reader is {dst.run_state()}")
    return detail


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
    src.wait_status("completed")
    with open(path, "rb") as file:
        if file.read(0x3000) != b"\xaa" * 0x3000:
            raise harness.Failure("bytes before the offset were destroyed")
        if file.read(4) != b"QEVM":
            raise harness.Failure("no stream at the offset")
    dst.execute("migrate-incoming", uri=f"file:{path},offset=0x3000")
    return arrived(src, dst, owner="none")


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
    dst.written(steps + 1)


def populated_destination_after_a_broken_attempt(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--smp", "2", "--prealloc", "--incoming", f"unix:{path}", memory=MEMORY,
                   machine=workload())
    first = s.migmon("first", "--smp", "2", memory=MEMORY, machine=workload())
    first.hold()
    first.written().execute("migrate", uri=f"unix:{path}")
    harness.wait_for("pages flow", lambda: first.execute("query-migrate").get("ram", {}).get("normal"))
    first.execute("migrate_cancel")
    first.wait_status("cancelled")

    src = s.migmon("src", "--smp", "2", memory=MEMORY, machine=pace.stress(pace.brisk(), "set=4M", "seed=9"))
    src.set(max_bandwidth=0)
    src.written()
    dst.wait_status("failed")
    src.execute("migrate", uri=f"unix:{path}")
    return arrived(src, dst)


def tracker(kind):
    def test(s):
        path = s.path("m.sock")
        dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload())
        src = s.migmon("src", "--tracker", kind, memory=MEMORY, machine=workload())
        src.set(max_bandwidth=0)
        src.written()
        try:
            src.execute("migrate", uri=f"unix:{path}")
        except harness.QmpError as error:
            return f"not possible here: {error}"
        return arrived(src, dst)
    test.__name__ = f"tracker_{kind}"
    return test


harness.run([unix, tcp_port_chosen_by_the_kernel, tcp_ipv6, vsock, exec_through_a_fifo, a_fifo_is_no_file,
             fd_passed_over_the_monitors, fd_of_a_pipe, file_with_offset_keeps_what_is_before,
             without_handover, paused_guest_stays_paused,
             populated_destination_after_a_broken_attempt, tracker("async"), tracker("sync")])
