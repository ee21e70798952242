"""Pages that go as something else than themselves: the copy is right, the figures say what was done."""

import os

import harness
import pace

HUGE = os.environ.get("MIGMON_TEST_HUGE_MEMORY", "64G")  # 1T where it shall be shown


def workload():
    """Writes more than pace.outrun() lets out, into few pages."""
    return pace.stress(0, "set=1M", "compressible=40", "zero=20", "seed=9")


def pair(s, memory=pace.SMALL, machine=None):
    path = s.path("m.sock")
    machine = machine or workload()
    dst = s.migmon("dst", "--smp", "2", "--incoming", f"unix:{path}", memory=memory, machine=machine)
    src = s.migmon("src", "--smp", "2", memory=memory, machine=machine)
    return src.written(), dst, f"unix:{path}"


def arrived(src, dst):
    src.release()
    harness.arrived(src, dst)
    return src.execute("query-migrate")


def xbzrle(s):
    """Deltas of a running guest, while the cache changes its size."""
    src, dst, uri = pair(s)
    src.capability("xbzrle")
    src.set(max_bandwidth=pace.outrun(), downtime_limit=0, xbzrle_cache_size=4096)
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    for size in (1 << 20, 1 << 16, 64 << 20):
        src.passes(2)
        src.set(xbzrle_cache_size=size)
    src.passes(4)
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
    src, dst, uri = pair(s, memory=HUGE, machine=pace.stress(0, "set=16M", "seed=3"))
    src.written(2000)
    for side in (src, dst):
        side.capability("x-sparse-ram")
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=uri)
    info = arrived(src, dst)
    ram = info["ram"]
    # 64 GiB of zero pages would be 150 MB of headers.
    if ram["transferred"] - ram["normal-bytes"] > 32 << 20 or ram["normal"] < 1000:
        raise harness.Failure(ram)
    if harness.shadows_memory():
        return "memory not looked at: the sanitizer's shadow would be counted"
    cost = {side.name: kib(side, "smaps_rollup", "Pss_Anon") + kib(side, "status", "VmPTE") for side in (src, dst)}
    if max(cost.values()) > 200 << 10:
        raise harness.Failure(f"memory beside the guest's, KiB: {cost}")
    return (f"{HUGE}: {ram['transferred'] >> 20} MiB in {info['total-time']} ms, pause {info['downtime']} ms, "
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
    src.set(compress_threads=2, max_bandwidth=pace.outrun(), downtime_limit=0)
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    src.passes(1)
    src.set(compress_level=9, compress_wait_thread=False)
    src.passes(2)
    text = src.hmp("info migrate")
    packed = arrived(src, dst)["compression"]
    if not packed["pages"] or not packed["compression-rate"] or "compression pages: " not in text:
        raise harness.Failure(f"{packed}\n{text}")
    if packed["compressed-size"] >= packed["pages"] * 4096:
        raise harness.Failure(packed)
    return str(packed)


harness.run([xbzrle, compress, huge_guest_costs_what_it_touched, sparse_only_where_both_sides_have_it])
