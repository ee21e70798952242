"""mapped-ram files: a guest that runs and writes goes into a file, each page in its place, and comes back."""

import os

import harness

MEMORY = "96M"
WORKLOAD = "stress,rate=100M,prefill=on,zero=30,seed=11"


def guests(s, channels):
    src = s.migmon("src", "--smp", "2", memory=MEMORY, machine=WORKLOAD)
    dst = s.migmon("dst", "--smp", "2", "--incoming", "defer", memory=MEMORY, machine=WORKLOAD)
    for side in (src, dst):
        side.capability("mapped-ram")
        if channels:
            side.capability("multifd")
            side.set(multifd_channels=channels)
    harness.wait_for("the guest has written something", lambda: src.verify() > 1000)
    return src, dst


def passes(src, count):
    harness.wait_for(f"{count} passes",
                     lambda: src.execute("query-migrate")["ram"]["dirty-sync-count"] >= count)


def there_and_back(s, channels, offset, path=None, direct=False):
    path = path or s.path("guest.mapped")
    with open(path, "wb") as file:
        file.write(b"\xaa" * (offset + 5000))
    src, dst = guests(s, channels)
    uri = f"file:{path}" + (f",offset={offset}" if offset else "")
    src.set(max_bandwidth=60 << 20, downtime_limit=0, direct_io=direct)
    dst.set(direct_io=direct)
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    if direct != is_open_directly(src, path):
        raise harness.Failure(f"direct-io is {direct}, and the file is open the other way")
    passes(src, 4)  # dirtied pages go to the place they had
    src.set(max_bandwidth=0, downtime_limit=300)
    src.wait_status("completed")
    size = int(MEMORY[:-1]) << 20
    if not size < os.path.getsize(path) < size + (3 << 20):
        raise harness.Failure(f"the file has {os.path.getsize(path)} bytes, the guest {size}")
    with open(path, "rb") as file:
        if file.read(offset) != b"\xaa" * offset or file.read(4) != b"QEVM":
            raise harness.Failure("what stood before the offset was changed")
    dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("completed")
    dst.wait_run_state("running")
    if dst.verify() < src.verify():
        raise harness.Failure("the guest went back in time")
    ram = src.execute("query-migrate")["ram"]
    return f"{ram['transferred'] >> 20} MiB written in {ram['dirty-sync-count']} passes"


def alone(s):
    return there_and_back(s, 0, 0)


def alone_at_an_offset(s):
    return there_and_back(s, 0, 0x3000)


def in_threads(s):
    return there_and_back(s, 4, 0)


# ---- direct I/O ----

def is_open_directly(process, path):
    """Whether one of its descriptors of @path has O_DIRECT."""
    folder = f"/proc/{process.pid}/fd"
    for number in os.listdir(folder):
        try:
            if os.readlink(f"{folder}/{number}") == path:
                with open(f"/proc/{process.pid}/fdinfo/{number}") as info:
                    flags = next(line for line in info if line.startswith("flags:"))
                if int(flags.split()[1], 8) & os.O_DIRECT:
                    return True
        except FileNotFoundError:
            pass  # closed meanwhile
    return False


def can_be_direct(folder):
    try:
        fd = os.open(os.path.join(folder, f"migmon-direct-{os.getpid()}"), os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
    except OSError:
        return False
    finally:
        os.unlink(os.path.join(folder, f"migmon-direct-{os.getpid()}"))
    os.close(fd)
    return True


def direct(s, folder, channels=0, offset=0):
    """Where the file system can do it; else an error that says so, and the guest goes on."""
    path = os.path.join(folder, f"migmon-guest-{os.getpid()}")
    try:
        if can_be_direct(folder):
            return there_and_back(s, channels, offset, path, True)
        src, _ = guests(s, channels)
        src.set(direct_io=True)
        src.execute("migrate", uri=f"file:{path}")
        src.wait_status("failed")
        error = src.execute("query-migrate")["error-desc"]
        if error != f"Unable to open file:{path}: Invalid argument" or src.run_state() != "running":
            raise harness.Failure(f"{error}; {src.run_state()}")
        return f"refused: {error}"
    finally:
        if os.path.exists(path):
            os.unlink(path)


def direct_on_a_disk(s):
    return direct(s, s.dir)


def direct_on_a_disk_in_threads_at_an_offset(s):
    return direct(s, s.dir, 3, 0x3001)


def direct_in_memory(s):
    return direct(s, "/dev/shm", 2) if os.access("/dev/shm", os.W_OK) else "not tried: there is no /dev/shm"


def is_read_directly(s):
    if not can_be_direct(s.dir):
        return "not tried: the file system cannot"
    path = s.path("guest.mapped")
    src = s.migmon("src", memory=MEMORY, machine=WORKLOAD)
    dst = s.migmon("dst", "--incoming", "defer", memory=MEMORY, machine=WORKLOAD, fault="dst-ram-setup=hold")
    for side in (src, dst):
        side.capability("mapped-ram")
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=f"file:{path}")
    src.wait_status("completed")
    dst.set(direct_io=True)
    dst.execute("migrate-incoming", uri=f"file:{path}")
    dst.wait_log("fault: held at dst-ram-setup")
    if not is_open_directly(dst, path):
        raise harness.Failure("the file is not open for direct I/O")
    dst.execute("migrate_cancel")  # lets it go on, perhaps to its end: all is read
    dst.wait_status("completed", "failed")
    return None


def loads_twice(s):
    """A file is not used up, and its holes are zero whatever was there before."""
    src, dst = guests(s, 0)
    uri = f"file:{s.path('guest.mapped')}"
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    other = s.migmon("other", "--smp", "2", "--incoming", "defer", memory=MEMORY, machine=WORKLOAD)
    other.capability("mapped-ram")
    for side in (dst, other):
        side.execute("migrate-incoming", uri=uri)
        side.wait_status("completed")
        side.verify()


def needs_a_file(s):
    """Anything else is refused before something is sent; the guest goes on."""
    src, dst = guests(s, 0)
    reader, writer = os.pipe()
    src.qmp.execute("getfd", fds=[writer], fdname="out")  # what it is shows when it is looked at
    os.close(writer)
    for side, command, uri in ((dst, "migrate-incoming", f"unix:{s.path('m.sock')}"),
                               (src, "migrate", f"unix:{s.path('m.sock')}"),
                               (src, "migrate", "exec:cat >/dev/null"), (src, "migrate", "fd:out")):
        try:
            side.execute(command, uri=uri)
            side.wait_status("failed")
            error = side.execute("query-migrate")["error-desc"]
        except harness.QmpError as refusal:
            error = str(refusal)
        if error.splitlines()[0] != "Migration requires seekable transport (e.g. file)":
            raise harness.Failure(f"{command} {uri}: {error}")
    os.close(reader)
    if src.run_state() != "running" or src.owner() != "here":
        raise harness.Failure(f"{src.run_state()}, owner {src.owner()}")


def not_into_a_file_for_appending(s):
    """The kernel would put every page at the end of it, whatever place was asked for."""
    src, _ = guests(s, 0)
    file = os.open(s.path("guest.mapped"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    src.qmp.execute("getfd", fds=[file], fdname="out")
    os.close(file)
    src.execute("migrate", uri="fd:out")
    src.wait_status("failed")
    error = src.execute("query-migrate")["error-desc"]
    if "opened for appending" not in error or src.run_state() != "running":
        raise harness.Failure(f"{src.run_state()}: {error}")


def both_sides_must_have_it(s):
    src, dst = guests(s, 0)
    uri = f"file:{s.path('guest.mapped')}"
    src.execute("migrate", uri=uri)
    src.set(max_bandwidth=0)
    src.wait_status("completed")
    dst.capability("mapped-ram", False)
    dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("failed")
    if dst.execute("query-migrate")["error-desc"] != "Capability mapped-ram is off, but received capability is on":
        raise harness.Failure(dst.execute("query-migrate"))


harness.run([alone, alone_at_an_offset, in_threads, direct_on_a_disk, direct_on_a_disk_in_threads_at_an_offset,
             direct_in_memory, is_read_directly, loads_twice, needs_a_file, not_into_a_file_for_appending,
             both_sides_must_have_it])
