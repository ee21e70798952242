"""Pages that go as something else than themselves: the copy is right, the figures say what was done."""

import harness

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


harness.run([xbzrle])
