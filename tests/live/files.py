"""mapped-ram files: a guest that runs and writes goes into a file, each page in its place, and comes back."""

import os

import harness
import pace

MEMORY = pace.SMALL
SIZE = int(MEMORY[:-1]) << 20


def workload():
    """Writes more than pace.outrun() lets out, into few enough pages for the slowest disk."""
    return pace.stress(0, "set=2M", "zero=30", "seed=11")


def guests(s, channels):
    src = s.migmon("src", "--smp", "2", memory=MEMORY, machine=workload())
    dst = s.migmon("dst", "--smp", "2", "--incoming", "defer", memory=MEMORY, machine=workload())
    for side in (src, dst):
        side.capability("mapped-ram")
        if channels:
            side.capability("multifd")
            side.set(multifd_channels=channels)
    return src.written(), dst


def there_and_back(s, channels, offset, path=None, direct=False):
    path = path or s.path("guest.mapped")
    with open(path, "wb") as file:
        file.write(b"\xaa" * (offset + 5000))
    src, dst = guests(s, channels)
    uri = f"file:{path}" + (f",offset={offset}" if offset else "")
    src.set(max_bandwidth=pace.outrun(), downtime_limit=0, direct_io=direct)
    dst.set(direct_io=direct)
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    if direct != is_open_directly(src, path):
        raise harness.Failure(f"direct-io is {direct}, and the file is open the other way")
    src.passes(3)  # dirtied pages go to the place they had
    src.release()
    src.wait_status("completed")
    if not SIZE < os.path.getsize(path) < SIZE + (3 << 20):
        raise harness.Failure(f"the file has {os.path.getsize(path)} bytes, the guest {SIZE}")
    with open(path, "rb") as file:
        if file.read(offset) != b"\xaa" * offset or file.read(4) != b"QEVM":
            raise harness.Failure("what stood before the offset was changed")
    dst.execute("migrate-incoming", uri=uri)
    ram = harness.arrived(src, dst, owner="none")
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


def direct(s, path, channels=0, offset=0):
    """Where the file system can do it; else an error that says so, and the guest runs on."""
    if harness.can_be_direct(os.path.dirname(path)):
        return there_and_back(s, channels, offset, path, True)
    src, _ = guests(s, channels)
    src.set(direct_io=True)
    src.execute("migrate", uri=f"file:{path}")
    error = harness.stays(src)
    if error != f"Unable to open file:{path}: Invalid argument":
        raise harness.Failure(error)
    return f"refused: {error}"


def direct_on_a_disk(s):
    return direct(s, s.path("guest.mapped"))


def direct_on_a_disk_in_threads_at_an_offset(s):
    return direct(s, s.path("guest.mapped"), 3, 0x3001)


def direct_in_memory(s):
    """A file system on memory refuses direct I/O on some kernels."""
    return direct(s, s.memory_path("guest.mapped"), 2)


def is_read_directly(s):
    if not harness.can_be_direct(s.dir):
        return "not tried: the file system cannot"
    path = s.path("guest.mapped")
    src = s.migmon("src", memory=MEMORY, machine=workload())
    dst = s.migmon("dst", "--incoming", "defer", memory=MEMORY, machine=workload(), fault="dst-ram-setup=hold")
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
    dst.execute("migrate_cancel")  # ends the hold; the load may still reach its end: all is read
    dst.wait_status("completed", "failed")
    return None


def loads_twice(s):
    """A file is not used up, and its holes are zero whatever was there before."""
    src, dst = guests(s, 0)
    uri = f"file:{s.path('guest.mapped')}"
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    other = s.migmon("other", "--smp", "2", "--incoming", "defer", memory=MEMORY, machine=workload())
    other.capability("mapped-ram")
    for side in (dst, other):
        side.execute("migrate-incoming", uri=uri)
        side.wait_status("completed")
        side.verify()


def needs_a_file(s):
    """Anything else is refused before something is sent; the guest runs on."""
    src, dst = guests(s, 0)
    reader, writer = os.pipe()
    src.qmp.execute("getfd", fds=[writer], fdname="out")  # its kind shows only when it is opened
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
    error = harness.stays(src)
    if "opened for appending" not in error:
        raise harness.Failure(error)


def both_sides_must_have_it(s):
    src, dst = guests(s, 0)
    uri = f"file:{s.path('guest.mapped')}"
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    dst.capability("mapped-ram", False)
    dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("failed")
    if dst.execute("query-migrate")["error-desc"] != "Capability mapped-ram is off, but received capability is on":
        raise harness.Failure(dst.execute("query-migrate"))


harness.run([alone, alone_at_an_offset, in_threads, direct_on_a_disk, direct_on_a_disk_in_threads_at_an_offset,
             direct_in_memory, is_read_directly, loads_twice, needs_a_file, not_into_a_file_for_appending,
             both_sides_must_have_it])
