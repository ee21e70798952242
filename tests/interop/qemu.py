"""A real QEMU at the other end: RAM compared byte for byte, both ways, sockets and files."""

import filecmp
import random

import harness
import pace

MEMORY = pace.SMALL
SIZE = int(MEMORY[:-1]) << 20
# QEMU's word for no limit at all.
UNLIMITED = 10 << 30


def fill(path, seed, size=SIZE):
    """Random, zero and repeating pages in short runs."""
    rng = random.Random(seed)
    with open(path, "wb") as file:
        left = size // 4096
        while left > 0:
            n = min(rng.randrange(1, 200), left)
            left -= n
            kind = rng.random()
            if kind < 0.3:
                file.write(bytes(n * 4096))
            elif kind < 0.7:
                file.write(rng.randbytes(n * 4096))
            else:
                file.write(rng.randbytes(16) * (n * 256))


def same(a, b):
    if not filecmp.cmp(a, b, shallow=False):
        raise harness.Failure("RAM differs")


def qemu_to_migmon(s, binary, version, return_path):
    a, b = s.memory_path("a"), s.memory_path("b")
    fill(a, 1)
    path = s.path("m.sock")
    dst = s.migmon("dst", "--ram-file", b, "--ram-id", "ram0", "--incoming", f"unix:{path}",
                   memory=MEMORY, machine="none")
    src = s.qemu(binary, "src", memory=MEMORY, ram_file=a)
    src.execute("migrate-set-parameters", max_bandwidth=UNLIMITED)
    if return_path:
        src.capability("return-path")
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")
    if dst.run_state() != "running" or dst.owner() != "here":
        raise harness.Failure(f"{dst.run_state()}, owner {dst.owner()}")
    same(a, b)


def migmon_to_qemu(s, binary, version, handover):
    a, b = s.memory_path("a"), s.memory_path("b")
    fill(a, 2)
    path = s.path("m.sock")
    dst = s.qemu(binary, "dst", "-incoming", f"unix:{path}", memory=MEMORY, ram_file=b)
    src = s.migmon("src", "--ram-file", a, "--ram-id", "ram0", memory=MEMORY, machine="none")
    src.set(max_bandwidth=0, x_handover=handover)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")
    wanted = "peer (confirmed)" if handover else "unknown (commit sent)"
    if dst.run_state() != "running" or src.run_state() != "postmigrate" or src.owner() != wanted:
        raise harness.Failure(f"{dst.run_state()}, {src.run_state()}, owner {src.owner()}")
    same(a, b)


def qemu_file_migmon_file_qemu(s, binary, version, _):
    """QEMU -> file -> migmon -> file -> QEMU."""
    a, b, c = s.memory_path("a"), s.memory_path("b"), s.memory_path("c")
    fill(a, 3)
    first, second = s.path("first.mig"), s.path("second.mig")
    src = s.qemu(binary, "src", memory=MEMORY, ram_file=a)
    src.execute("migrate-set-parameters", max_bandwidth=UNLIMITED)
    src.execute("migrate", uri=f"exec:cat > {first}")
    src.wait_status("completed")
    middle = s.migmon("middle", "--ram-file", b, "--ram-id", "ram0", "--incoming", f"file:{first}",
                      memory=MEMORY, machine="none")
    middle.wait_status("completed")
    same(a, b)
    middle.set(max_bandwidth=0)
    middle.execute("migrate", uri=f"file:{second}")
    middle.wait_status("completed")
    dst = s.qemu(binary, "dst", "-incoming", f"exec:cat {second}", memory=MEMORY, ram_file=c)
    dst.wait_status("completed")
    same(a, c)


def qemu_that_refuses_leaves_the_guest_at_the_source(s, binary, version, _):
    path = s.path("m.sock")
    dst = s.qemu(binary, "dst", "-incoming", f"unix:{path}", memory="8M")
    src = s.migmon("src", memory=MEMORY, machine="none")
    src.execute("migrate", uri=f"unix:{path}")
    error = harness.stays(src)
    harness.wait_end(dst.process)
    return error


def holes_left_out_are_refused(s, binary, version, _):
    """x-sparse-ram: a QEMU must not take the gaps for a guest."""
    path = s.path("m.sock")
    dst = s.qemu(binary, "dst", "-incoming", f"unix:{path}", memory=MEMORY, ram_id="ram")
    src = s.migmon("src", memory=MEMORY, machine="none")
    src.capability("x-sparse-ram")
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("failed")
    harness.wait_end(dst.process)
    if "x-sparse-ram" not in dst.output():
        raise harness.Failure(dst.output())


def cancelled_qemu_leaves_migmon_waiting(s, binary, version, _):
    a = s.memory_path("a")
    fill(a, 4)
    path = s.path("m.sock")
    dst = s.migmon("dst", "--ram-id", "ram0", "--incoming", f"unix:{path}", memory=MEMORY,
                   machine="none")
    src = s.qemu(binary, "src", memory=MEMORY, ram_file=a)
    src.execute("migrate-set-parameters", max_bandwidth=pace.CRAWL)
    src.execute("migrate", uri=f"unix:{path}")
    dst.wait_status("active")
    src.execute("migrate_cancel")
    dst.wait_status("failed")
    src.wait_status("cancelled")
    src.execute("migrate-set-parameters", max_bandwidth=UNLIMITED)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")


def main():
    qemus = harness.real_qemus()
    if not qemus:
        harness.skip("no qemu-system-x86_64 is installed")
    tests = []
    for version, binary in qemus.items():
        for function, variants in ((qemu_to_migmon, (False, True)),
                                   (migmon_to_qemu, (True, False)),
                                   (qemu_file_migmon_file_qemu, (None,)),
                                   (holes_left_out_are_refused, (None,)),
                                   (qemu_that_refuses_leaves_the_guest_at_the_source, (None,)),
                                   (cancelled_qemu_leaves_migmon_waiting, (None,))):
            for variant in variants:
                def test(s, function=function, binary=binary, version=version, variant=variant):
                    return function(s, binary, version, variant)
                option = "" if variant is None else f"_{str(variant).lower()}"
                test.__name__ = f"{function.__name__}_{version}{option}"
                tests.append(test)
    if "10.0" not in qemus:
        print("QEMU 10.0 is not here: not tried")
    harness.run(tests)


if __name__ == "__main__":
    main()
