"""One guest moves back and forth between the same two processes, in every way that there is, N times. Nothing may be
kept of a migration that is over: descriptors and threads are as many as before, memory does not grow.

    script/soak N           as many migrations; prints what each process holds every 100
"""

import os
import sys

import harness
import pace

# What has to be on at both ends, and where the guest goes. A file is written before it is read.
WAYS = {
    "precopy": ("unix", {}, {}),
    "tcp": ("tcp", {}, {}),
    "multifd": ("unix", {"multifd"}, {"multifd_compression": "none"}),
    "zlib": ("unix", {"multifd"}, {"multifd_compression": "zlib"}),
    "zstd": ("tcp", {"multifd"}, {"multifd_compression": "zstd"}),
    "xbzrle": ("unix", {"xbzrle"}, {}),
    "compress": ("unix", {"compress"}, {}),
    "postcopy": ("unix", {"postcopy-ram"}, {}),
    "preempt": ("unix", {"postcopy-ram", "postcopy-preempt"}, {}),
    "file": ("file", {}, {}),
    "mapped": ("file", {"mapped-ram"}, {}),
    "mapped-multifd": ("file", {"mapped-ram", "multifd"}, {"multifd_compression": "none"}),
    "exec": ("exec", {}, {}),
    "sparse": ("unix", {"x-sparse-ram"}, {}),
    "cancelled": ("unix", {}, {}),
}
SWITCHES = sorted({name for _, switches, _ in WAYS.values() for name in switches})


def anonymous(process):
    """Private memory that is no file, in bytes."""
    with open(f"/proc/{process.pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss_Anon:"))


def holds(process):
    """Numbers of descriptors and threads. Those that belong to a migration end soon after it."""
    return tuple(len(os.listdir(f"/proc/{process.pid}/{what}")) for what in ("fd", "task"))


def prepare(src, dst, way):
    _, switches, parameters = WAYS[way]
    for end in src, dst:
        end.execute("migrate-set-capabilities",
                    capabilities=[{"capability": name, "state": name in switches} for name in SWITCHES])
        if parameters:
            end.set(**parameters)


def move(s, src, dst, way):
    kind = WAYS[way][0]
    path = s.path(f"{kind}-to-{dst.name}")
    prepare(src, dst, way)
    if kind in ("file", "exec"):
        src.execute("migrate", uri=f"file:{path}" if kind == "file" else f"exec:cat > {path}")
        src.wait_status("completed")
        dst.execute("migrate-incoming", uri=f"file:{path}" if kind == "file" else f"exec:cat {path}")
    else:
        dst.execute("migrate-incoming", uri=f"unix:{path}" if kind == "unix" else "tcp:127.0.0.1:0")
        uri = f"unix:{path}" if kind == "unix" else f"tcp:127.0.0.1:{dst.address()['port']}"
        if way == "cancelled":
            src.hold()
            src.execute("migrate", uri=uri)
            src.wait_status("active", "completed")
            src.execute("migrate_cancel")
            src.wait_status("cancelled", "completed")
            src.unlimited()
            if src.status() == "cancelled":
                src.execute("migrate", uri=uri)
        elif "postcopy-ram" in WAYS[way][1]:
            src.hold()
            src.execute("migrate", uri=uri)
            src.wait_status("active")
            src.execute("migrate-start-postcopy")
            src.unlimited()
        else:
            src.execute("migrate", uri=uri)
        src.wait_status("completed")
    dst.wait_status("completed")
    dst.wait_run_state("running")
    src.qmp.events.clear()
    dst.qmp.events.clear()


def slope(points):
    """Bytes a migration: the line of least squares through (migration, bytes)."""
    n = len(points)
    x, y = sum(p[0] for p in points) / n, sum(p[1] for p in points) / n
    return sum((p[0] - x) * (p[1] - y) for p in points) / max(sum((p[0] - x) ** 2 for p in points), 1)


def back_and_forth(s, count, every=None):
    machine = pace.stress(pace.calm(), "prefill=on")
    ends = [s.migmon("a", memory=pace.SMALL, machine=machine),
            s.migmon("b", "--incoming", "defer", memory=pace.SMALL, machine=machine)]
    for end in ends:
        end.unlimited()
    ways = list(WAYS)
    first = None
    points = {end: [] for end in ends}
    for i in range(count):
        way = ways[(i // 2) % len(ways)]
        src, dst = ends[i % 2], ends[1 - i % 2]
        move(s, src, dst, way)
        if (i + 1) % (2 * len(ways)) == 0 and first is None:
            # Each way has been gone in both directions.
            first = settled(ends)
        for end in ends:
            points[end].append((i, anonymous(end)))
        if every and (i + 1) % every == 0:
            print(f"{i + 1}: " + "; ".join(f"{end.name} {holds(end)[0]} descriptors, {holds(end)[1]} threads, "
                                           f"{anonymous(end) >> 10} KiB" for end in ends), flush=True)
    if first:
        harness.wait_for(f"descriptors and threads are {first} again", lambda: settled(ends) == first)
    ends[count % 2].verify()
    return points


def settled(ends):
    """holds() of each, once nothing of the last migration is under way."""
    seen, times = None, 0

    def still():
        nonlocal seen, times
        now = [holds(end) for end in ends]
        times = times + 1 if now == seen else 0
        seen = now
        return times >= 20
    harness.wait_for("descriptors and threads stay as they are", still, every=0.02)
    return seen


def sixty_migrations(s):
    points = back_and_forth(s, 60)
    return "; ".join(f"{end.name}: {each[30][1] >> 10} KiB after 30, {each[-1][1] >> 10} after 60"
                     for end, each in points.items())


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "soak":
        with harness.scene() as scene:
            found, grows = back_and_forth(scene, int(sys.argv[2]), every=100), []
            for process, each in found.items():
                late = each[min(500, len(each) // 2):]
                print(f"{process.name}: {slope(late):.0f} bytes a migration from {late[0][0]} on, "
                      f"{late[0][1] >> 10} to {late[-1][1] >> 10} KiB")
                if slope(late) >= 1024:
                    grows.append(process.name)
        if grows:
            sys.exit(f"memory grows: {' '.join(grows)}")
    else:
        harness.run([sixty_migrations])
