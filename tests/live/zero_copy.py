"""zero-copy-send: pages leave over multifd channels without a copy in the kernel. On the way to the own host
the kernel copies all the same and says so, so this is about correctness, refusals and waits, not speed."""

import resource
import shutil
import signal
import socket

import harness
import pace

MEMORY = pace.SMALL
REFUSAL = "Zero copy only available for non-compressed non-TLS multifd migration"


def workload():
    """Writes more than pace.outrun() lets out, into few pages."""
    return pace.stress(0, "set=2M", "seed=17", "zero=20", "compressible=20")


def destination(s, channels):
    dst = s.migmon("dst", "--smp", "2", "--incoming", "defer", memory=MEMORY, machine=workload())
    dst.capability("multifd")
    dst.set(multifd_channels=channels)
    dst.execute("migrate-incoming", uri="tcp:127.0.0.1:0")
    return dst, f"tcp:127.0.0.1:{dst.address()['port']}"


def ready(src, channels):
    src.capability("multifd")
    src.capability("zero-copy-send")
    src.set(multifd_channels=channels, max_bandwidth=0)
    return src.written()


def source(s, channels, machine=None):
    return ready(s.migmon("src", "--smp", "2", memory=MEMORY, machine=machine or workload()), channels)


def arrived(src, dst, channels):
    ram = harness.arrived(src, dst)
    missed = ram["dirty-sync-missed-zero-copy"]
    if not 0 < missed <= channels * (ram["dirty-sync-count"] + 2):
        raise harness.Failure(f"{missed} syncs copied on {channels} channels, {ram['dirty-sync-count']} syncs")
    if f"Zero-copy-send fallbacks happened: {missed} times\n" not in src.hmp("info migrate"):
        raise harness.Failure(src.hmp("info migrate"))
    return f"{ram['normal']} pages in {ram['dirty-sync-count']} syncs, copied all the same in {missed} of a channel"


def moves(channels):
    def test(s):
        dst, uri = destination(s, channels)
        src = source(s, channels)
        src.set(max_bandwidth=pace.outrun(), downtime_limit=0)
        src.execute("migrate", uri=uri)
        src.wait_status("active")
        src.passes(3)
        src.release()
        return arrived(src, dst, channels)
    test.__name__ = f"moves_{channels}_channels"
    return test


def says(process, text, command, **arguments):
    try:
        process.execute(command, **arguments)
    except harness.QmpError as error:
        if not str(error).startswith(text):
            raise
    else:
        raise harness.Failure(f"{command} {arguments} was taken")


def what_does_not_go_with_it(s):
    src = s.migmon("src", memory=MEMORY, machine="none")
    on = [{"capability": "zero-copy-send", "state": True}]
    says(src, REFUSAL, "migrate-set-capabilities", capabilities=on)
    src.capability("multifd")
    src.set(multifd_compression="zlib")
    says(src, REFUSAL, "migrate-set-capabilities", capabilities=on)
    src.set(multifd_compression="none")
    src.set(tls_creds="tls0")
    says(src, REFUSAL, "migrate-set-capabilities", capabilities=on)
    src.set(tls_creds="")
    src.capability("zero-copy-send")
    says(src, REFUSAL, "migrate-set-parameters", multifd_compression="zstd")
    says(src, REFUSAL, "migrate-set-parameters", tls_creds="tls0")
    src.set(multifd_compression="none", tls_creds=None)
    says(src, REFUSAL, "migrate-set-capabilities", capabilities=[{"capability": "multifd", "state": False}])
    says(src, "Zero copy send feature not detected in host kernel", "migrate", uri=f"unix:{s.path('m.sock')}")
    if src.run_state() != "running" or src.status() != "none":
        raise harness.Failure(f"{src.run_state()}, {src.status()}")


def limited(s, kib):
    """A source that may lock @kib of memory and has no capability to lock more."""
    without = ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]
    argv = [harness.MIGMON, "--name", "src", "--smp", "2", "--memory", MEMORY, "--machine", workload(),
            "--qmp", f"unix:{s.path('src.qmp')}"]
    src = harness.Process(s, "src", without + argv)
    s.processes.append(src)
    src.connect()
    resource.prlimit(src.pid, resource.RLIMIT_MEMLOCK, (kib << 10, kib << 10))
    return src


def too_little_memory_may_be_locked(s):
    if shutil.which("setpriv") is None:
        return "not tried: there is no setpriv"
    src = ready(limited(s, 512), 2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        says(src, "Process can't lock enough memory for using MSG_ZEROCOPY", "migrate",
             uri=f"tcp:127.0.0.1:{listener.getsockname()[1]}")
    if src.run_state() != "running" or src.status() != "none":
        raise harness.Failure(f"{src.run_state()}, {src.status()}")
    return None


def just_enough_memory_may_be_locked(s):
    """A channel that needs more waits for what is on the way, or copies."""
    if shutil.which("setpriv") is None:
        return "not tried: there is no setpriv"
    dst, uri = destination(s, 4)
    src = ready(limited(s, 4 * 130 * 4), 4)
    src.execute("migrate", uri=uri)
    return arrived(src, dst, 4)


def stuck_connections(uri):
    """Connections to @uri with bytes that the other side has no room for."""
    port = f"{int(uri.rsplit(':', 1)[1]):04X}"
    count = 0
    with open("/proc/net/tcp") as table:
        for line in table:
            columns = line.split()
            if columns[2].endswith(":" + port):
                sending, timer = columns[4].split(":")[0], columns[5].split(":")[0]
                count += int(sending, 16) > 0 and timer == "04"  # the kernel asks whether the window has opened
    return count


def cancel_with_a_destination_that_does_not_read(s):
    dst, uri = destination(s, 2)
    # A pass is more than the kernel takes for two connections, or two of them are.
    src = source(s, 2, pace.stress(0, "prefill=on", "seed=17"))
    src.hold()
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    dst.wait_status("active")
    dst.signal(signal.SIGSTOP)
    src.set(max_bandwidth=0)
    harness.wait_for("the channels are full", lambda: stuck_connections(uri) >= 2)
    src.execute("migrate_cancel")
    src.wait_status("cancelled")
    dst.signal(signal.SIGCONT)
    dst.wait_status("failed")
    if src.run_state() != "running" or src.owner() != "here":
        raise harness.Failure(f"{src.run_state()}, {src.owner()}")
    src.release()
    src.execute("migrate", uri=uri)
    return arrived(src, dst, 2)


def the_destination_dies(s):
    dst, uri = destination(s, 2)
    src = source(s, 2)
    src.hold()
    src.execute("migrate", uri=uri)
    dst.wait_status("active")
    dst.kill()
    src.release()
    error = harness.stays(src)
    src.verify()
    return error


harness.run([moves(1), moves(2), moves(8), what_does_not_go_with_it, too_little_memory_may_be_locked,
             just_enough_memory_may_be_locked, cancel_with_a_destination_that_does_not_read, the_destination_dies])
