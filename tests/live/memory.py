"""What a migration costs in memory besides the guest's own."""

import os

import harness
import pace

SET = 96 << 20
LIMIT = 32 << 20  # a second copy of what the guest has touched is far above this


def field(pid, file, name):
    with open(f"/proc/{pid}/{file}") as lines:
        for line in lines:
            if line.startswith(name + ":"):
                return int(line.split()[1]) << 10
    return 0


def overhead(process):
    """Private memory and page tables, in bytes; the guest's own pages are shared memory."""
    return field(process.pid, "smaps_rollup", "Pss_Anon") + field(process.pid, "status", "VmPTE")


def backing(process):
    """Bytes of memory that hold the guest's RAM."""
    total = 0
    for fd in os.listdir(f"/proc/{process.pid}/fd"):
        path = f"/proc/{process.pid}/fd/{fd}"
        try:
            if "memfd:" in os.readlink(path):
                total += os.stat(path).st_blocks * 512
        except FileNotFoundError:
            continue
    return total


def four_gib_guest(s):
    path = s.path("m.sock")
    machine = pace.stress(pace.calm(), "prefill=on", f"set={SET}")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory="4G", machine=machine)
    src = s.migmon("src", memory="4G", machine=machine)
    src.written(SET // 4096)
    src.set(max_bandwidth=0, downtime_limit=harness.LONG_PAUSE)
    before = backing(src)
    src.execute("migrate", uri=f"unix:{path}")
    worst = [0, 0]

    def look():
        for i, side in enumerate((src, dst)):
            worst[i] = max(worst[i], overhead(side))
        return src.status() in ("completed", "failed")
    harness.wait_for("the guest has moved", look)
    src.wait_status("completed")
    dst.wait_status("completed")
    grown = backing(src) - before
    # The workload goes on writing while we look, but stays in its set.
    if grown > LIMIT or max(worst) > LIMIT:
        raise harness.Failure(f"source {worst[0] >> 20} MiB, destination {worst[1] >> 20} MiB, "
                              f"backing grew by {grown >> 20} MiB")
    if backing(dst) > before + LIMIT:
        raise harness.Failure(f"destination holds {backing(dst) >> 20} MiB for {before >> 20} MiB")
    dst.verify()
    return f"source {worst[0] >> 20} MiB, destination {worst[1] >> 20} MiB beyond the guest"


def untouched_guest_is_not_faulted_in(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory="4G", machine="none")
    src = s.migmon("src", memory="4G", machine="none")
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")
    if backing(src) > 1 << 20 or backing(dst) > 1 << 20:
        raise harness.Failure(f"source {backing(src)}, destination {backing(dst)} bytes")
    return f"source {backing(src) >> 10} KiB, destination {backing(dst) >> 10} KiB"


if harness.shadows_memory():
    harness.skip("a sanitizer's shadow of the guest's memory would be counted")
harness.run([four_gib_guest, untouched_guest_is_not_faulted_in])
