"""Postcopy with a real QEMU at the other end, both ways: requested pages, the channel of requested pages, recovery;
RAM compared byte for byte. QEMU's machine none has no vCPU, so reading its RAM with pmemsave is what faults."""

import random

import harness
import pace
from qemu import MEMORY, SIZE


def content(seed):
    """Half random, half never touched."""
    return random.Random(seed).randbytes(SIZE // 2) + bytes(SIZE // 2)


def ram_file(s, data):
    path = s.memory_path("a")
    with open(path, "wb") as file:
        file.write(data)
    return path


def named(test, version, binary, *mode):
    def wrapped(s):
        return test(s, binary, *mode)
    wrapped.__name__ = "_".join([test.__name__, version.replace(".", "_")] + [str(m) for m in mode])
    return wrapped


def same(path, data):
    with open(path, "rb") as file:
        found = file.read()
    if found != data:
        pages = [n for n in range(SIZE // 4096) if found[n * 4096:n * 4096 + 4096] != data[n * 4096:n * 4096 + 4096]]
        raise harness.Failure(f"{len(pages)} pages differ, the first is {pages[:1]}")


def save(s, qemu, at, size):
    path = s.path("saved")
    qemu.execute("pmemsave", val=at, size=size, filename=path)
    with open(path, "rb") as file:
        return file.read()


def prepare(sides, preempt):
    for side in sides:
        side.capability("postcopy-ram")
        if preempt:
            side.capability("postcopy-preempt")


def begin(src, dst, uri):
    """Into postcopy, with most of the RAM still at the source."""
    src.execute("migrate-set-parameters", max_bandwidth=pace.CRAWL, max_postcopy_bandwidth=pace.CRAWL)
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    src.execute("migrate-start-postcopy")
    src.wait_status("postcopy-active")
    dst.wait_status("postcopy-active")


def interrupt(s, src, dst, number):
    uri = f"unix:{s.path(f'again{number}.sock')}"
    (dst, src)[number % 2].execute("migrate-pause")
    src.wait_status("postcopy-paused")
    dst.wait_status("postcopy-paused")
    dst.execute("migrate-recover", uri=uri)
    src.execute("migrate", uri=uri, resume=True)
    src.wait_status("postcopy-active")
    dst.wait_status("postcopy-active")


def finish(src, dst):
    src.execute("migrate-set-parameters", max_postcopy_bandwidth=0)
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.wait_run_state("running")


def to_qemu(s, binary, preempt=False, recover=False):
    data = content(1)
    uri = f"unix:{s.path('m.sock')}"
    dst = s.qemu(binary, "dst", "-incoming", "defer", memory=MEMORY, shared=True)
    src = s.migmon("src", "--ram-file", ram_file(s, data), "--ram-id", "ram0", memory=MEMORY, machine="none")
    prepare((src, dst), preempt)
    dst.execute("migrate-incoming", uri=uri)
    begin(src, dst, uri)
    at = SIZE // 2 - (64 << 12)
    if recover:
        for number in (0, 1):
            # One page first: a QEMU 7.2 that is interrupted before its thread of requested pages runs may crash.
            save(s, dst, at - ((number + 1) << 12), 1 << 12)
            interrupt(s, src, dst, number)
    # From the end: the push is far from there.
    if save(s, dst, at, 64 << 12) != data[at:at + (64 << 12)]:
        raise harness.Failure("pages that were asked for are wrong")
    finish(src, dst)
    asked = src.execute("query-migrate")["ram"]["postcopy-requests"]
    if save(s, dst, 0, SIZE) != data:
        raise harness.Failure("RAM differs")
    if asked == 0:
        raise harness.Failure("nothing was asked for")
    if (src.owner(), src.run_state()) != ("peer (confirmed)", "postmigrate"):
        raise harness.Failure(f"{src.owner()}, {src.run_state()}")
    return f"{asked} pages asked for"


def from_qemu(s, binary, preempt=False, recover=False):
    data = content(2)
    uri = f"unix:{s.path('m.sock')}"
    target = s.memory_path("b")
    dst = s.migmon("dst", "--ram-file", target, "--ram-id", "ram0", "--incoming", "defer", memory=MEMORY,
                   machine="none")
    src = s.qemu(binary, "src", memory=MEMORY, ram_file=ram_file(s, data))
    prepare((src, dst), preempt)
    dst.execute("migrate-incoming", uri=uri)
    begin(src, dst, uri)
    if recover:
        interrupt(s, src, dst, 0)
        interrupt(s, src, dst, 1)
    finish(src, dst)
    same(target, data)
    if dst.owner() != "here":
        raise harness.Failure(dst.owner())


if __name__ == "__main__":
    qemus = harness.real_qemus()
    if not qemus:
        harness.skip("no qemu-system-x86_64 here")
    harness.run([named(test, version, binary, *mode)
                 for version, binary in qemus.items()
                 for test in (to_qemu, from_qemu)
                 for mode in ((), (True,), (False, True), (True, True))])
