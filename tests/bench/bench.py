"""Speed and processor time of precopy, as ratios of alternating runs on this machine.

    meson test -C build --benchmark --verbose          (all works; --test-args: names of works)

Each work moves MIGMON_BENCH_MEMORY MiB (2048) between two fresh processes: migmon to migmon, QEMU to QEMU
(machine none; the newest QEMU that is here, its destination with its default private memory), and where the
work has one, a raw copy loop. The order changes from round to round (MIGMON_BENCH_ROUNDS, 5), since who comes
first finds colder memory. Ratios are medians over rounds. "scale" moves 1, 2, 4 and 8 GiB, "raw" prints the
limits of the machine. Nothing is asserted; figures of one run compare, figures of two runs do not. With
MIGMON_BENCH_JSON=FILE the results are written there too.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time

import harness

MEMORY = int(os.environ.get("MIGMON_BENCH_MEMORY", "2048"))  # MiB
ROUNDS = int(os.environ.get("MIGMON_BENCH_ROUNDS", "5"))
RAW = os.environ["MIGMON_RAW_COPY"]
FOLDER = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"


# ---- content ----

def random_content(file, mib):
    for _ in range(mib):
        file.write(os.urandom(1 << 20))


def zero_content(file, mib):
    """In memory, and zero all the same."""
    for _ in range(mib):
        file.write(bytes(1 << 20))


def no_content(file, mib):
    file.truncate(0)
    file.truncate(mib << 20)


def half_content(file, mib):
    """Every other 64 KiB zero, the rest pages that compress to about a third."""
    page = bytearray(4096)
    for _ in range(mib * 8):
        file.write(bytes(64 << 10))
        for _ in range(16):
            page[:1024] = os.urandom(1024)
            page[1024:] = bytes(range(256)) * 12
            file.write(page)


# ---- contenders ----

def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """What one run took."""

    def __init__(self, seconds, cpu, sent=0):
        self.seconds, self.cpu, self.sent = seconds, cpu, sent


def set_up(process, work):
    for name in work.capabilities:
        process.capability(name)
    process.execute("migrate-set-parameters", **{**work.parameters, "max-bandwidth": 1 << 40})


def timed(sides, act):
    """@act starts what @sides then bring to an end."""
    before = sum(cpu_seconds(side) for side in sides)
    begin = time.monotonic()
    act()
    for side in sides:
        while side.status() not in ("completed", "failed"):
            time.sleep(0.002)
    seconds = time.monotonic() - begin
    for side in sides:
        side.wait_status("completed")
    return seconds, sum(cpu_seconds(side) for side in sides) - before


def move(s, start, work):
    """@start(name, incoming) gives a process."""
    dst = start("dst", True)
    set_up(dst, work)
    uri = f"unix:{s.path('m.sock')}"
    if work.transport == "tcp":
        uri = "tcp:127.0.0.1:0"
    dst.execute("migrate-incoming", uri=uri)
    if work.transport == "tcp":
        address = harness.wait_for("the destination listens",
                                   lambda: dst.execute("query-migrate").get("socket-address"))[0]
        uri = f"tcp:127.0.0.1:{address['port']}"
    src = start("src", False)
    set_up(src, work)
    seconds, cpu = timed([src, dst], lambda: src.execute("migrate", uri=uri))
    return Run(seconds, cpu, src.execute("query-migrate")["ram"]["transferred"])


def save_and_load(s, start, work):
    """To a file in memory and from it: the sum of both."""
    path = os.path.join(FOLDER, f"migmon-bench-file-{os.getpid()}")
    try:
        src = start("src", False)
        set_up(src, work)
        saved = timed([src], lambda: src.execute("migrate", uri=f"file:{path}"))
        sent = os.stat(path).st_blocks * 512
        s.drop(src)
        dst = start("dst", True)
        set_up(dst, work)
        loaded = timed([dst], lambda: dst.execute("migrate-incoming", uri=f"file:{path}"))
        return Run(saved[0] + loaded[0], saved[1] + loaded[1], sent)
    finally:
        if os.path.exists(path):
            os.unlink(path)


def migmon_run(s, ram, mib, work):
    def start(name, incoming):
        options = ["--incoming", "defer"] if incoming else ["--ram-file", ram]
        return s.migmon(name, *options, memory=f"{mib}M", machine="none")
    return work.how(s, start, work)


def qemu_run(s, ram, mib, work):
    binary = harness.real_qemus()[newest_qemu()]

    def start(name, incoming):
        if incoming:
            return s.qemu(binary, name, "-incoming", "defer", memory=f"{mib}M", ram_id="ram")
        # The block of the destination has the name of a plain -m; so must the source's.
        return s.qemu(binary, name, memory=f"{mib}M", ram_file=ram, ram_id="ram")
    return work.how(s, start, work)


def raw(ram, how, channels, memory):
    out = subprocess.run([RAW, ram, how, str(channels), memory], capture_output=True, text=True, check=True)
    return Run(*map(float, out.stdout.split()))


def newest_qemu():
    versions = list(harness.real_qemus())
    return max(versions, key=lambda v: [int(part) for part in v.split(".")]) if versions else None


# ---- works ----

class Work:
    def __init__(self, name, content, aim, capabilities=(), parameters=None, transport="unix", how=move,
                 raw_channels=0):
        self.name, self.content, self.aim = name, content, aim
        self.capabilities, self.parameters = capabilities, parameters or {}
        self.transport, self.how, self.raw_channels = transport, how, raw_channels


def multifd(channels, compression="none"):
    return {"capabilities": ("multifd",),
            "parameters": {"multifd-channels": channels, "multifd-compression": compression}}


WORKS = [
    Work("random, unix", random_content, "2 x or 0.9 raw, 0.6 cpu", raw_channels=1),
    Work("random, tcp", random_content, "2 x or 0.9 raw, 0.6 cpu", transport="tcp", raw_channels=1),
    Work("random, multifd 2", random_content, "1.3 x, 0.9 raw", raw_channels=2, **multifd(2)),
    Work("random, multifd 4", random_content, "1.3 x, 0.9 raw", raw_channels=4, **multifd(4)),
    Work("zero, unix", zero_content, "4 x"),
    Work("zero, multifd 2", zero_content, "1.5 x", **multifd(2)),
    Work("never touched", no_content, "20 x"),
    Work("half, zlib", half_content, "1 x, 1.0 cpu", **multifd(2, "zlib")),
    Work("half, zstd", half_content, "1 x, 1.0 cpu", **multifd(2, "zstd")),
    Work("file", random_content, "1.2 x", how=save_and_load),
    Work("mapped-ram 2", random_content, "1.2 x", how=save_and_load, capabilities=("mapped-ram", "multifd"),
         parameters={"multifd-channels": 2}),
]


class Content:
    """The RAM files that works share, made when they are first wanted."""

    def __init__(self):
        self.files = {}

    def get(self, content, mib):
        key = (content.__name__, mib)
        if key not in self.files:
            path = os.path.join(FOLDER, f"migmon-bench-{os.getpid()}-{content.__name__}-{mib}")
            with open(path, "wb") as file:
                self.files[key] = path
                content(file, mib)
        return self.files[key]

    def drop(self):
        for path in self.files.values():
            os.unlink(path)
        self.files.clear()


def rounds_of(work, contents, mib, rounds):
    """{contender: [Run]} of alternating rounds."""
    ram = contents.get(work.content, mib)
    contenders = {"migmon": migmon_run}
    if newest_qemu() is not None:
        contenders[f"QEMU {newest_qemu()}"] = qemu_run
    if work.raw_channels:
        contenders["raw read"] = lambda s, ram, mib, work: raw(ram, "read", work.raw_channels, "fresh")
        contenders["raw pwrite"] = lambda s, ram, mib, work: raw(ram, "pwrite", work.raw_channels, "fresh")
    runs = {name: [] for name in contenders}
    order = list(contenders)
    for _ in range(rounds):
        for name in order:
            if work.content is no_content:  # a QEMU that reads holes fills them
                with open(ram, "r+b") as file:
                    no_content(file, mib)
            with harness.scene() as s:
                runs[name].append(contenders[name](s, ram, mib, work))
        order = order[1:] + order[:1]
    return runs


def median_ratio(mine, theirs, figure):
    """How many times as much as @mine @theirs took, round by round."""
    return statistics.median(figure(b) / figure(a) for a, b in zip(mine, theirs) if figure(a) > 0)


def tell(work, runs, mib):
    row = {"aim": work.aim}
    for name, list_of in runs.items():
        speeds = sorted(mib / 1024 / run.seconds for run in list_of)
        row[name] = {"gib-per-second": statistics.median(speeds), "least": speeds[0], "most": speeds[-1],
                     "cpu-seconds": statistics.median(run.cpu for run in list_of),
                     "sent-mib": statistics.median(run.sent for run in list_of) / (1 << 20)}
        if name != "migmon":
            row[name]["speed-of-migmon"] = median_ratio(runs["migmon"], list_of, lambda run: run.seconds)
            row[name]["cpu-of-migmon"] = 1 / median_ratio(runs["migmon"], list_of, lambda run: max(run.cpu, 0.01))
    print(f"{work.name}  (aim: {work.aim})")
    for name in runs:
        f = row[name]
        ratio = (f"   migmon is {f['speed-of-migmon']:.2f} x as fast at {f['cpu-of-migmon']:.2f} of its cpu"
                 if name != "migmon" else "")
        print(f"    {name:12} {f['gib-per-second']:7.2f} GiB/s ({f['least']:.2f}-{f['most']:.2f})"
              f" {f['cpu-seconds']:6.2f} cpu s {f['sent-mib']:8.1f} MiB{ratio}", flush=True)
    return row


# ---- beside the table ----

def raw_limits(contents):
    ram = contents.get(random_content, MEMORY)
    limits = {}
    for how, memory in (("memcpy", "touched"), ("scan", "fresh"), ("read", "fresh"), ("pwrite", "fresh"),
                        ("read", "touched"), ("pwrite", "touched")):
        for channels in (1, 2):
            speeds = [MEMORY / 1024 / raw(ram, how, channels, memory).seconds for _ in range(3)]
            limits[f"{how}, {memory}, {channels}"] = statistics.median(speeds)
            print(f"    {how:7} {memory:8} {channels} threads a side {statistics.median(speeds):7.2f} GiB/s"
                  f" ({min(speeds):.2f}-{max(speeds):.2f})", flush=True)
    return limits


def scale(contents):
    """Time and processor time a GiB, by size of the guest."""
    work = WORKS[0]
    rows = {}
    for gib in (1, 2, 4, 8):
        ram = contents.get(random_content, gib * 1024)
        runs = []
        for _ in range(3):
            with harness.scene() as s:
                runs.append(migmon_run(s, ram, gib * 1024, work))
        rows[gib] = {"seconds-per-gib": statistics.median(run.seconds for run in runs) / gib,
                     "cpu-seconds-per-gib": statistics.median(run.cpu for run in runs) / gib}
        print(f"    {gib} GiB: {rows[gib]['seconds-per-gib']:.3f} s and {rows[gib]['cpu-seconds-per-gib']:.3f} cpu s"
              " a GiB", flush=True)
        contents.drop()
    return rows


def cancel_latency():
    """Milliseconds from migrate_cancel to cancelled, the peer not reading."""
    times = []
    with harness.scene() as s, socket.socket(socket.AF_UNIX) as listener:
        path = s.path("c.sock")
        listener.bind(path)
        listener.listen()
        src = s.migmon("src", memory="256M", machine="stress,rate=100M,prefill=on")
        src.set(max_bandwidth=0)
        for _ in range(10):
            src.execute("migrate", uri=f"unix:{path}")
            peer, _ = listener.accept()
            src.wait_status("active")
            time.sleep(0.2)
            begin = time.monotonic()
            src.execute("migrate_cancel")
            while src.status() != "cancelled":
                pass
            times.append((time.monotonic() - begin) * 1000)
            peer.close()
    print(f"    median {statistics.median(times):.1f} ms, worst {max(times):.1f} ms of {len(times)}")
    return times


BESIDE = {"raw": ("raw limits of this machine", raw_limits),
          "scale": ("by size of the guest, random, unix", scale),
          "cancel": ("cancel with a peer that never reads", lambda contents: cancel_latency())}


def main():
    wanted = sys.argv[1:]
    contents = Content()
    results = {"memory-mib": MEMORY, "rounds": ROUNDS, "qemu": newest_qemu(), "works": {}}
    print(f"{MEMORY} MiB, {ROUNDS} alternating rounds, medians; cpu of both processes")
    try:
        for work in WORKS:
            if wanted and not any(work.name.startswith(name) for name in wanted):
                continue
            try:
                results["works"][work.name] = tell(work, rounds_of(work, contents, MEMORY, ROUNDS), MEMORY)
            except harness.QmpError as error:
                print(f"{work.name}: not possible: {error}", flush=True)
        for name, (title, measure) in BESIDE.items():
            if not wanted or name in wanted:
                print(title)
                results[name] = measure(contents)
    finally:
        contents.drop()
    if "MIGMON_BENCH_JSON" in os.environ:
        with open(os.environ["MIGMON_BENCH_JSON"], "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
