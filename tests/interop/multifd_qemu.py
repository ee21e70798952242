"""multifd with a real QEMU at the other end: RAM compared byte for byte, both ways, for every packing and number
of channels, and with each way in which versions of QEMU differ."""

import random

import harness
from qemu import MEMORY, UNLIMITED, fill, same

CHANNELS = (1, 2, 4, 8)
COMPRESSIONS = ("none", "zlib", "zstd")

# What a QEMU 10.0 needs to be at one with a 7.2.
OLD_WAY = ["-global", "migration.multifd-flush-after-each-section=on"]
OLD_SOURCE = [*OLD_WAY, "-global", "migration.zero-page-detection=legacy",
              "-global", "migration.send-switchover-start=off"]


def configure(process, channels, compression):
    process.capability("multifd")
    process.set(multifd_channels=channels, multifd_compression=compression)


def to_migmon(binary, channels, compression, options=(), return_path=False, at_source=True):
    """@at_source: multifd is on there too."""
    def test(s):
        path, a, b = s.path("m.sock"), s.memory_path("a"), s.memory_path("b")
        fill(a, channels)
        dst = s.migmon("dst", "--ram-file", b, "--ram-id", "ram0", "--incoming", "defer", memory=MEMORY, machine="none")
        src = s.qemu(binary, "src", *options, memory=MEMORY, ram_file=a)
        for process in (src, dst) if at_source else (dst,):
            configure(process, channels, compression)
        dst.execute("migrate-incoming", uri=f"unix:{path}")
        src.set(max_bandwidth=UNLIMITED)
        if return_path:
            src.capability("return-path")
        src.execute("migrate", uri=f"unix:{path}")
        dst.wait_status("completed")
        src.wait_status("completed")
        if dst.run_state() != "running":
            raise harness.Failure(dst.run_state())
        same(a, b)
        rows = dst.execute("x-query-migrate-history")["channels"]
        return f"{sum(row['normal-pages'] for row in rows)} pages in {len(rows)} channels"
    return test


def from_migmon(binary, channels, compression, options=(), **parameters):
    def test(s):
        path, a, b = s.path("m.sock"), s.memory_path("a"), s.memory_path("b")
        fill(a, channels + 100)
        dst = s.qemu(binary, "dst", *options, "-incoming", "defer", memory=MEMORY, ram_file=b)
        src = s.migmon("src", "--ram-file", a, "--ram-id", "ram0", memory=MEMORY, machine="none")
        for process in (src, dst):
            configure(process, channels, compression)
        dst.execute("migrate-incoming", uri=f"unix:{path}")
        src.set(max_bandwidth=0, **parameters)
        src.execute("migrate", uri=f"unix:{path}")
        src.wait_status("completed")
        dst.wait_status("completed")
        if src.owner() != "peer (confirmed)" or dst.run_state() != "running":
            raise harness.Failure(f"owner {src.owner()}, {dst.run_state()}")
        same(a, b)
        return f"{src.execute('query-migrate')['ram']['multifd-bytes'] >> 10} KiB"
    return test


def round_into_old_qemu_fails_at_once(binary):
    """The default is for QEMU 8.1 and later; an older one must not end with wrong RAM."""
    def test(s):
        path = s.path("m.sock")
        dst = s.qemu(binary, "dst", "-incoming", "defer", memory=MEMORY)
        src = s.migmon("src", memory=MEMORY, machine="none")
        for process in (src, dst):
            configure(process, 2, "none")
        dst.execute("migrate-incoming", uri=f"unix:{path}")
        src.execute("migrate", uri=f"unix:{path}")
        error = harness.stays(src)
        harness.wait_end(dst.process)
        return error
    return test


def a_qemu_that_waits_for_channels_does_not_keep_the_guest_paused(binary):
    """multifd is on there only: it reads nothing until channels come, and says nothing."""
    def test(s):
        path = s.path("m.sock")
        dst = s.qemu(binary, "dst", "-incoming", "defer", memory=MEMORY)
        src = s.migmon("src", memory=MEMORY, machine="none")
        configure(dst, 2, "none")
        dst.execute("migrate-incoming", uri=f"unix:{path}")
        src.set(x_switchover_timeout=500)
        src.execute("migrate", uri=f"unix:{path}")
        src.wait_status("failed")
        said = src.execute("query-migrate")["error-desc"]
        if src.run_state() != "running" or src.owner() != "here" or "did not answer for 0.5 s" not in said:
            raise harness.Failure(f"{src.run_state()}, owner {src.owner()}, {said}")
        return said
    return test


def a_destination_without_multifd_says_why(binary):
    """A QEMU 10.0 sends nothing on the main channel then: there is no attempt, and yet there is an error."""
    def test(s):
        path = s.path("m.sock")
        dst = s.migmon("dst", "--incoming", f"unix:{path}", "--ram-id", "ram", memory=MEMORY, machine="none")
        src = s.qemu(binary, "src", memory=MEMORY)
        configure(src, 4, "none")
        src.set(max_bandwidth=UNLIMITED)
        src.execute("migrate", uri=f"unix:{path}")
        dst.wait_status("failed")
        said = dst.execute("query-migrate")["error-desc"]
        if "capability multifd is off here" not in said:
            raise harness.Failure(said)
        return said
    return test


def tests(version, binary):
    new = version != "7.2"
    sync = {} if new else {"x_multifd_sync": "section"}
    for compression in COMPRESSIONS:
        for n in CHANNELS:
            words = f"{n}_channels_{compression}"
            yield f"{version}_to_migmon_{words}", to_migmon(binary, n, compression, return_path=n > 2)
            yield f"migmon_to_{version}_{words}", from_migmon(binary, n, compression, **sync)
    yield f"{version}_to_migmon_64_channels", to_migmon(binary, 64, "none")
    yield f"{version}_to_migmon_without_multifd", a_destination_without_multifd_says_why(binary)
    yield (f"migmon_without_multifd_to_{version}",
           a_qemu_that_waits_for_channels_does_not_keep_the_guest_paused(binary))
    yield f"{version}_without_multifd_to_migmon", to_migmon(binary, 2, "none", at_source=False)
    if not new:
        yield f"round_into_{version}_fails_at_once", round_into_old_qemu_fails_at_once(binary)
        return
    yield f"{version}_the_old_way_to_migmon", to_migmon(binary, 2, "none", OLD_SOURCE)
    yield f"migmon_to_{version}_the_old_way", from_migmon(binary, 2, "none", OLD_WAY, x_multifd_sync="section")
    yield f"migmon_to_{version}_zeroes_in_packets", from_migmon(binary, 2, "none", x_multifd_zero="packets")
    yield (f"{version}_without_zero_pages_to_migmon",
           to_migmon(binary, 2, "none", ["-global", "migration.zero-page-detection=none"]))


def main():
    qemus = harness.real_qemus()
    if not qemus:
        harness.skip("no qemu-system-x86_64 is installed")
    table = []
    for version, binary in qemus.items():
        for name, test in tests(version, binary):
            test.__name__ = name.replace(".", "_")
            table.append(test)
    if "10.0" not in qemus:
        print("QEMU 10.0 is not here: not tried")
    # In another order, the same each time, so that a part by turns has both ways and some of every packing.
    random.Random(1).shuffle(table)
    harness.run(table)


main()
