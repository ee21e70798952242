"""The old compression with a QEMU that still has it (up to 9.0): RAM compared byte for byte, both ways."""

import harness
from qemu import MEMORY, UNLIMITED, fill, same


def qemu_sends(s, binary):
    a, b = s.memory_path("a"), s.memory_path("b")
    fill(a, 7)
    path = s.path("m.sock")
    dst = s.migmon("dst", "--ram-file", b, "--ram-id", "ram0", "--incoming", f"unix:{path}", memory=MEMORY,
                   machine="none")
    src = s.qemu(binary, "src", memory=MEMORY, ram_file=a)
    src.execute("migrate-set-parameters", max_bandwidth=UNLIMITED)
    src.capability("compress")
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")
    same(a, b)


def qemu_receives(s, binary):
    a, b = s.memory_path("a"), s.memory_path("b")
    fill(a, 8)
    path = s.path("m.sock")
    dst = s.qemu(binary, "dst", "-incoming", "defer", memory=MEMORY, ram_file=b)
    dst.capability("compress")
    dst.execute("migrate-incoming", uri=f"unix:{path}")
    src = s.migmon("src", "--ram-file", a, "--ram-id", "ram0", memory=MEMORY, machine="none")
    src.capability("compress")
    src.set(max_bandwidth=0, compress_threads=3, compress_level=6)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")
    same(a, b)
    packed = src.execute("query-migrate")["compression"]
    return f"{packed['pages']} pages in {packed['compressed-size'] >> 20} MiB"


def main():
    old = {version: binary for version, binary in harness.real_qemus().items() if float(version) < 9.1}
    if not old:
        harness.skip("no QEMU before 9.1 is installed")
    tests = []
    for version, binary in old.items():
        for function in (qemu_sends, qemu_receives):
            def test(s, function=function, binary=binary):
                return function(s, binary)
            test.__name__ = f"{function.__name__}_{version}"
            tests.append(test)
    harness.run(tests)


main()
