"""mapped-ram files of a real QEMU (9.0 and later) and for it: RAM compared byte for byte."""

import harness
from qemu import MEMORY, fill, same


def qemu_writes(s, binary, channels, offset, direct):
    a, b = s.memory_path("a"), s.memory_path("b")
    fill(a, 5)
    uri = f"file:{s.path('guest')},offset={offset}"
    src = s.qemu(binary, "src", memory=MEMORY, ram_file=a)
    dst = s.migmon("dst", "--ram-file", b, "--ram-id", "ram0", "--incoming", "defer", memory=MEMORY, machine="none")
    settings(src, channels, direct)
    settings(dst, channels, direct)
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("completed")
    same(a, b)


def qemu_reads(s, binary, channels, offset, direct):
    a, b = s.memory_path("a"), s.memory_path("b")
    fill(a, 6)
    uri = f"file:{s.path('guest')},offset={offset}"
    src = s.migmon("src", "--ram-file", a, "--ram-id", "ram0", memory=MEMORY, machine="none")
    dst = s.qemu(binary, "dst", "-incoming", "defer", memory=MEMORY, ram_file=b)
    settings(src, channels, direct)
    settings(dst, channels, direct)
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("completed")
    same(a, b)


def settings(side, channels, direct):
    side.capability("mapped-ram")
    if direct:
        side.execute("migrate-set-parameters", direct_io=True)
    if channels:
        side.capability("multifd")
        side.execute("migrate-set-parameters", multifd_channels=channels)


def main():
    binary = harness.real_qemus().get("10.0")
    if binary is None:
        harness.skip("mapped-ram files need QEMU 9.0 or later; QEMU 10.0 is not here")
    tests = []
    for function in (qemu_writes, qemu_reads):
        for channels, offset, direct in ((0, 0, False), (0, 0x3000, False), (2, 0, False), (4, 0x1000, False),
                                         (2, 0, True), (4, 0x1000, True)):
            def test(s, function=function, channels=channels, offset=offset, direct=direct):
                if direct and not harness.can_be_direct(s.dir):
                    return "not tried: the file system cannot"
                return function(s, binary, channels, offset, direct)
            test.__name__ = f"{function.__name__}_{channels}_channels_at_{offset}{'_direct' * direct}"
            tests.append(test)
    harness.run(tests)


main()
