"""Pages that go as something else than themselves: the copy is right, the figures say what was done."""

import os

import harness

HUGE = os.environ.get("MIGMON_TEST_HUGE_MEMORY", "64G")  # 1T where it shall be shown
WORKLOAD = "stress,rate=40M,set=8M,prefill=on,compressible=40,zero=20,seed=9"


def pair(s, memory="40M", workload=WORKLOAD):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--smp", "2", "--incoming", f"unix:{path}", memory=memory, machine=workload)
    src = s.migmon("src", "--smp", "2", memory=memory, machine=workload)
    harness.wait_for("the guest has written something", lambda: src.verify() > 1000)
    return src, dst, f"unix:{path}"


def arrived(src, dst):
    src.set(max_bandwidth=0, downtime_limit=300)
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.wait_run_state("running")
    left_with, here = src.verify(), dst.verify()
    if here < left_with:
        raise harness.Failure(f"guest left after {left_with} steps, has {here} on arrival")
    return src.execute("query-migrate")


def passes(src, count):
    """Waits until the migration has made some more dirty syncs."""
    begin = src.execute("query-migrate")["ram"]["dirty-sync-count"]
    harness.wait_for(f"{count} more passes", lambda: src.execute("query-migrate")["ram"]["dirty-sync-count"]
                     >= begin + count)


def xbzrle(s):
    """Deltas of a running guest, while the cache changes its size."""
    src, dst, uri = pair(s)
    src.capability("xbzrle")
    src.set(max_bandwidth=40 << 20, downtime_limit=0, xbzrle_cache_size=4096)
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    for size in (1 << 20, 1 << 16, 64 << 20):
        passes(src, 2)
        src.set(xbzrle_cache_size=size)
    passes(src, 3)
    text = src.hmp("info migrate")
    info = arrived(src, dst)
    cache = info["xbzrle-cache"]
    if cache["cache-size"] != 64 << 20 or not cache["pages"] or not cache["overflow"] or not cache["cache-miss"]:
        raise harness.Failure(cache)
    if cache["bytes"] >= cache["pages"] * 4096 or "xbzrle pages: " not in text:
        raise harness.Failure(f"{cache}\n{text}")
    return f"{cache['pages']} deltas of {cache['bytes'] / cache['pages']:.0f} bytes, {cache['overflow']} overflows"


def kib(process, file, field):
    with open(f"/proc/{process.pid}/{file}") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field))


def huge_guest_costs_what_it_touched(s):
    """x-sparse-ram: what was never touched is neither sent nor made on the other side."""
    src, dst, uri = pair(s, memory=HUGE, workload="stress,rate=100M,set=256M,seed=3")
    harness.wait_for("some data", lambda: kib(src, "smaps_rollup", "Pss_Shmem") > 80 << 10)
    for side in (src, dst):
        side.capability("x-sparse-ram")
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=uri)
    info = arrived(src, dst)
    if info["ram"]["transferred"] > 600 << 20 or info["ram"]["normal"] < 10000:
        raise harness.Failure(info["ram"])
    if dst.verify() < 20000:
        raise harness.Failure("the guest arrived without its memory")
    if harness.shadows_memory():
        return "memory not looked at: the thread sanitizer's shadow would be counted"
    cost = {side.name: kib(side, "smaps_rollup", "Pss_Anon") + kib(side, "status", "VmPTE") for side in (src, dst)}
    if max(cost.values()) > 200 << 10:
        raise harness.Failure(f"memory beside the guest's, KiB: {cost}")
    return (f"{HUGE}: {info['ram']['transferred'] >> 20} MiB in {info['total-time']} ms, pause {info['downtime']} ms, "
            f"memory beside the guest's {cost} KiB")


def sparse_only_where_both_sides_have_it(s):
    """A destination that does not know of it refuses, and the other way round."""
    src, dst, uri = pair(s)
    refusals = []
    for on, off in ((src, dst), (dst, src)):
        on.capability("x-sparse-ram")
        off.capability("x-sparse-ram", False)
        src.execute("migrate", uri=uri)
        dst.wait_status("failed")
        src.wait_status("failed")
        refusals.append(dst.execute("query-migrate")["error-desc"])
    if refusals != ["Capability x-sparse-ram is off, but received capability is on",
                    "Capability x-sparse-ram is on, but received capability is off"]:
        raise harness.Failure(refusals)
    src.verify()


def compress(s):
    """The old compression, waiting for its threads and not; another level while it runs."""
    src, dst, uri = pair(s)
    src.capability("compress")
    src.set(compress_threads=2, max_bandwidth=30 << 20, downtime_limit=0)
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    passes(src, 1)
    src.set(compress_level=9, compress_wait_thread=False)
    passes(src, 2)
    text = src.hmp("info migrate")
    packed = arrived(src, dst)["compression"]
    if not packed["pages"] or not packed["compression-rate"] or "compression pages: " not in text:
        raise harness.Failure(f"{packed}\n{text}")
    if packed["compressed-size"] >= packed["pages"] * 4096:
        raise harness.Failure(packed)
    return str(packed)


harness.run([xbzrle, compress, huge_guest_costs_what_it_touched, sparse_only_where_both_sides_have_it])
