"""Switchover and shared memory with a real QEMU at the other end: switchover-ack, validate-uuid, x-ignore-shared,
pause-before-switchover, background-snapshot; RAM compared byte for byte."""

import random

import harness
from qemu import MEMORY, SIZE, UNLIMITED, same

UUID = "123e4567-e89b-12d3-a456-426614174000"
OTHER = "123e4567-e89b-12d3-a456-426614174001"


def expect(what, found, wanted):
    if found != wanted:
        raise harness.Failure(f"{what}: {found}, expected {wanted}")


def ram(s, name, seed=None):
    path = s.memory_path(name)
    if seed is not None:
        with open(path, "wb") as file:
            file.write(random.Random(seed).randbytes(SIZE // 2))
            file.truncate(SIZE)
    return path


def start(s, kind, name, *options, ram_file):
    if kind == "migmon":
        return s.migmon(name, "--ram-file", ram_file, "--ram-id", "ram0",
                        *["--" + o[1:] if o.startswith("-") else o for o in options],
                        memory=MEMORY, machine="none")
    return s.qemu(kind, name, *options, memory=MEMORY, ram_file=ram_file)


def pair(s, source, destination, a, b, src_options=(), dst_options=()):
    path = s.path("m.sock")
    dst = start(s, destination, "dst", *dst_options, "-incoming", f"unix:{path}", ram_file=b)
    src = start(s, source, "src", *src_options, ram_file=a)
    src.execute("migrate-set-parameters", max_bandwidth=UNLIMITED)
    return src, dst, f"unix:{path}"


def go(src, dst, uri):
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.wait_run_state("running")


def ignore_shared(s, source, destination):
    a = ram(s, "a", 1)
    with open(a, "rb") as file:
        before = file.read()
    src, dst, uri = pair(s, source, destination, a, a)
    for process in (src, dst):
        process.capability("x-ignore-shared")
    go(src, dst, uri)
    stats = src.execute("query-migrate")["ram"]
    expect("pages sent", (stats["normal"], stats["duplicate"]), (0, 0))
    with open(a, "rb") as file:
        expect("RAM is untouched", file.read() == before, True)
    return f"{stats['transferred']} bytes"


def ignore_shared_on_one_side(s, source, destination):
    a = ram(s, "a", 2)
    src, dst, uri = pair(s, source, destination, a, ram(s, "b"))
    src.capability("x-ignore-shared")
    # Over a return path it is the destination that says no.
    src.capability("return-path")
    src.execute("migrate", uri=uri)
    src.wait_status("failed")
    expect("the source", src.run_state(), "running")


def switchover_ack(s, source, destination):
    a, b = ram(s, "a", 3), ram(s, "b")
    src, dst, uri = pair(s, source, destination, a, b)
    for process in (src, dst):
        process.capability("return-path")
        process.capability("switchover-ack")
    go(src, dst, uri)
    same(a, b)


def uuids(s, source, destination):
    """The same goes through; another is refused, and the guest stays."""
    a, b = ram(s, "a", 4), ram(s, "b")
    src, dst, uri = pair(s, source, destination, a, b, ("-uuid", UUID), ("-uuid", UUID))
    for process in (src, dst):
        process.capability("validate-uuid")
    go(src, dst, uri)
    same(a, b)


def other_uuid(s, source, destination):
    a, b = ram(s, "a", 4), ram(s, "b")
    src, dst, uri = pair(s, source, destination, a, b, ("-uuid", UUID), ("-uuid", OTHER))
    for process in (src, dst):
        process.capability("validate-uuid")
    src.capability("return-path")
    src.execute("migrate", uri=uri)
    src.wait_status("failed")
    expect("the source", src.run_state(), "running")


def pause(s, source, destination):
    a, b = ram(s, "a", 5), ram(s, "b")
    src, dst, uri = pair(s, source, destination, a, b)
    src.capability("pause-before-switchover")
    src.execute("migrate", uri=uri)
    src.wait_status("pre-switchover")
    src.execute("migrate-continue", state="pre-switchover")
    src.wait_status("completed")
    dst.wait_status("completed")
    same(a, b)


def snapshot(s, source, destination):
    """Written by one, loaded by the other; the source runs on."""
    a, b, file = ram(s, "a", 6), ram(s, "b"), s.path("snapshot")
    src = start(s, source, "src", ram_file=a)
    src.execute("migrate-set-parameters", max_bandwidth=UNLIMITED)
    try:
        src.capability("background-snapshot")
    except harness.QmpError as error:
        return f"not tried, the source says: {error}"
    src.execute("migrate", uri=f"exec:cat > {file}")
    src.wait_status("completed")
    expect("the source", src.run_state(), "running")
    dst = start(s, destination, "dst", "-incoming", f"exec:cat {file}", ram_file=b)
    dst.wait_status("completed")
    dst.wait_run_state("running")
    same(a, b)


def claim(function, version, binary, outgoing):
    source, destination = ("migmon", binary) if outgoing else (binary, "migmon")

    def test(s):
        return function(s, source, destination)
    way = f"migmon_to_{version}" if outgoing else f"{version}_to_migmon"
    test.__name__ = f"{function.__name__}_{way}"
    return test


def main():
    qemus = harness.real_qemus()
    if not qemus:
        harness.skip("no qemu-system-x86_64 is installed")
    tests = []
    for version, binary in qemus.items():
        for outgoing in (True, False):
            for function in (ignore_shared, ignore_shared_on_one_side, uuids, other_uuid, pause, snapshot):
                tests.append(claim(function, version, binary, outgoing))
            # The capability came with 8.1.
            if tuple(map(int, version.split("."))) >= (8, 1):
                tests.append(claim(switchover_ack, version, binary, outgoing))
    harness.run(tests)


main()
