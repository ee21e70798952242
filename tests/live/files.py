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


def there_and_back(s, channels, offset):
    path = s.path("guest.mapped")
    with open(path, "wb") as file:
        file.write(b"\xaa" * (offset + 5000))
    src, dst = guests(s, channels)
    uri = f"file:{path}" + (f",offset={offset}" if offset else "")
    src.set(max_bandwidth=60 << 20, downtime_limit=0)
    src.execute("migrate", uri=uri)
    src.wait_status("active")
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
    try:
        return there_and_back(s, 4, 0)
    except harness.QmpError as error:
        if "not supported by this build" not in str(error):
            raise
        return f"not tried: {error}"


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


harness.run([alone, alone_at_an_offset, in_threads, loads_twice, needs_a_file, both_sides_must_have_it])
