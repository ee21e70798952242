"""Speed of one precopy channel and of cancel, as ratios of alternating runs on this machine.

    meson test -C build --benchmark --verbose

Moves 2 GiB of random RAM (MIGMON_BENCH_MEMORY changes it) over a Unix socket between two fresh processes:
migmon to migmon, QEMU to QEMU (machine none, every QEMU that is here; the destination's memory private with
huge pages, as QEMU has it by default, and shared as migmon's is), and a raw copy loop into fresh
shared memory. The order changes from round to round, since who comes first finds colder memory. Nothing is asserted; figures of one run compare, figures of two runs do not.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import harness

MEMORY = int(os.environ.get("MIGMON_BENCH_MEMORY", "2048"))  # MiB
ROUNDS = int(os.environ.get("MIGMON_BENCH_ROUNDS", "5"))
RAW = os.environ["MIGMON_RAW_COPY"]


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def random_file(path):
    with open(path, "wb") as file:
        for _ in range(MEMORY):
            file.write(os.urandom(1 << 20))


def move(src, dst, path):
    """Seconds from the command to completed on both sides, and CPU seconds of both."""
    before = cpu_seconds(src) + cpu_seconds(dst)
    begin = time.monotonic()
    src.execute("migrate", uri=f"unix:{path}")
    for side in (src, dst):
        while side.status() not in ("completed", "failed"):
            time.sleep(0.002)
    seconds = time.monotonic() - begin
    src.wait_status("completed")
    return seconds, cpu_seconds(src) + cpu_seconds(dst) - before


def migmon_run(s, ram):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=f"{MEMORY}M", machine="none")
    src = s.migmon("src", "--ram-file", ram, memory=f"{MEMORY}M", machine="none")
    src.set(max_bandwidth=0)
    return move(src, dst, path)


def qemu_run(binary, shared):
    def run(s, ram):
        path = s.path("m.sock")
        dst = s.qemu(binary, "dst", "-incoming", f"unix:{path}", memory=f"{MEMORY}M", ram_id="ram",
                     shared=shared)
        # The block of the destination has the name of a plain -m; so must the source's.
        src = s.qemu(binary, "src", memory=f"{MEMORY}M", ram_file=ram, ram_id="ram")
        src.execute("migrate-set-parameters", max_bandwidth=1 << 40)
        return move(src, dst, path)
    return run


def raw_run(kind):
    def run(s, ram):
        seconds = float(subprocess.run([RAW, ram, kind], capture_output=True, text=True,
                                       check=True).stdout)
        return seconds, float("nan")
    return run


def cancel_latency(s):
    """Milliseconds from migrate_cancel to cancelled, the peer not reading."""
    import socket
    path = s.path("c.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    src = s.migmon("src", memory="256M", machine="stress,rate=100M,prefill=on")
    src.set(max_bandwidth=0)
    times = []
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
    listener.close()
    return times


def main():
    contenders = {"migmon": migmon_run, "raw read": raw_run("read"), "raw pwrite": raw_run("pwrite")}
    for version, binary in harness.real_qemus().items():
        contenders[f"QEMU {version}"] = qemu_run(binary, False)
        contenders[f"QEMU {version} shared"] = qemu_run(binary, True)
    results = {name: [] for name in contenders}
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
    ram = os.path.join(folder, f"migmon-bench-{os.getpid()}")
    try:
        random_file(ram)
        order = list(contenders)
        for _ in range(ROUNDS):
            for name in order:
                with harness.scene() as s:
                    results[name].append(contenders[name](s, ram))
            order = order[1:] + order[:1]
        with harness.scene() as s:
            cancel = cancel_latency(s)
    finally:
        if os.path.exists(ram):
            os.unlink(ram)

    print(f"{MEMORY} MiB of random RAM over a Unix socket, one channel, {ROUNDS} alternating rounds")
    print(f"{'':17} {'GiB/s median':>13} {'min-max':>12} {'CPU s/GiB':>10}  migmon is")
    table = {}
    for name, runs in results.items():
        speeds = sorted(MEMORY / 1024 / seconds for seconds, _ in runs)
        cpu = statistics.median(c for _, c in runs) / (MEMORY / 1024)
        ratio = statistics.median(other[0] / mine[0] for other, mine in zip(runs, results["migmon"]))
        table[name] = {"gib-per-second": statistics.median(speeds), "cpu-seconds-per-gib": cpu,
                       "migmon-is-faster-by": ratio}
        print(f"{name:17} {statistics.median(speeds):13.2f} {speeds[0]:5.2f}-{speeds[-1]:5.2f} {cpu:11.2f}"
              f"  {ratio:.2f} x")
    print(f"cancel with a peer that never reads: median {statistics.median(cancel):.1f} ms, "
          f"worst {max(cancel):.1f} ms of {len(cancel)}")
    print(json.dumps({"memory-mib": MEMORY, "results": table, "cancel-ms": cancel}))


if __name__ == "__main__":
    sys.exit(main())
