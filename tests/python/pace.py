"""How fast this machine is, and what the tests ask of it for that reason: the one place that decides how fast guests
write, how large they are and how fast links are.

SENT is measured with the built program, once a run: the bytes that leave in a second while a guest of two vCPUs
writes as fast as it can. A sanitizer's build is slower, so each build has its own figure. script/test measures it and
passes it on in MIGMON_TEST_SENT; a test that is run alone measures for itself. Print it:

    MIGMON=build/monitor/migmon python3 tests/python/pace.py
"""

import functools
import os
import sys
import time

MIB = 1 << 20

# Most that is asked of any machine: a fast one gains nothing from more.
MOST_SENT = 400 * MIB

# Memory of a guest whose size is no subject of its test: large enough for several ledger groups (2 MiB each), small
# enough for a machine that touches 0.2 GiB of new memory a second.
SMALL = "16M"
# Of one that a test looks at while it is on its way.
LARGE = "48M"

# A link that keeps a migration of a writing guest under way, so that a test can look at it: hold() and release().
HELD = 2 * MIB
# Of a guest that writes nothing (no vCPU, a real QEMU of the machine none): its first pass does not come to an end in
# the time of a test.
CRAWL = MIB // 16

# Bytes a second of a guest that only has to outrun that link. It leaves the processor to others.
STEADY = 4 * HELD


def measure():
    """Bytes a second that leave a guest which writes all the time."""
    import harness  # it asks for the pace of the guests that it starts

    with harness.scene() as s:
        uri = f"unix:{s.path('m.sock')}"
        s.migmon("dst", "--smp", "2", "--incoming", uri, memory=SMALL, machine="stress,rate=0,zero=0")
        src = s.migmon("src", "--smp", "2", memory=SMALL, machine="stress,rate=0,zero=0,prefill=on")
        src.set(max_bandwidth=0, downtime_limit=0)
        start = time.monotonic()
        src.execute("migrate", uri=uri)

        def look():
            info = src.execute("query-migrate")
            ram = info.get("ram", {})
            return info.get("status") == "completed", ram.get("dirty-sync-count", 0), ram.get("transferred", 0)
        # The first pass touches memory for the first time on both sides: it does not count.
        harness.wait_for("the first pass is over", lambda: look()[0] or look()[1] >= 2)
        before, begin = look()[2], time.monotonic()
        harness.wait_for("some passes more", lambda: look()[0] or (
            time.monotonic() - begin > 1 and look()[2] > before + 4 * MIB))
        over, _, after = look()
        if over and after < before + 4 * MIB:
            # The guest got no processor time during a short pass, which was the last one. The average of all passes is
            # a lower figure, and so a safe one.
            before, begin = 0, start
        sent = (after - before) / (time.monotonic() - begin)
        src.execute("migrate-cancel")
        return int(sent)


@functools.cache
def sent():
    given = os.environ.get("MIGMON_TEST_SENT")
    found = int(given) if given else measure()
    os.environ["MIGMON_TEST_SENT"] = str(found)
    if not given:
        print(f"measured: {found / MIB:.1f} MiB/s of a writing guest leave here", flush=True)
    return min(found, MOST_SENT)


# ---- guests ----

def calm():
    """Bytes a second of a guest that changes a little: a pass is short beside the one before it."""
    return max(sent() // 16, MIB // 4)


def brisk():
    """Of a guest that changes a quarter of what could be sent meanwhile: some passes, and they end."""
    return max(sent() // 4, MIB)


def hurried():
    """Of a guest that outruns narrow() four times."""
    return 4 * narrow()


# Of a guest whose vCPUs get a limit of some MB/s: about as fast as it can, but not so fast that the limit is less than
# the least share of its time that a vCPU can be given.
LIMITED = 64 * MIB


# Of a guest in postcopy that asks for few pages, and a max-postcopy-bandwidth beside it: most pages are still at the
# source when a test looks, whatever the machine.
TRICKLE = MIB // 4


def stress(rate, *options):
    """--machine of a stress guest that writes @rate bytes a second (0: as fast as it can)."""
    return ",".join(["stress", f"rate={rate}", *options])


# ---- links ----

def outrun():
    """A max-bandwidth that a guest which writes as fast as it can keeps outrunning, whatever the machine."""
    return max(sent() // 8, MIB)


def narrow():
    """A max-bandwidth that a hurried() guest outruns, and that a slowed one does not."""
    return min(max(sent() // 16, MIB // 2), 4 * MIB)


# A max-bandwidth beside which a guest with a limit of 1 MB/s for each of two vCPUs is slow, and one without is not.
WIDE = 8 * MIB


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    print(measure())
