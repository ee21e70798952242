"""How long a vCPU waits for a page of a postcopy, beside a ping-pong on a second socket under the same load.

    meson test -C build --benchmark --verbose postcopy

A guest of MIGMON_BENCH_MEMORY MiB (2048) whose vCPUs write as fast as they can goes over in postcopy, with and
without postcopy-preempt, in turns (MIGMON_BENCH_ROUNDS, 3). While pages are pushed, two other processes ask each
other for a page, again and again: back to back, and with 200 us between two rounds, so that they sleep as those
do who ask for pages. Printed are medians over all requests of a run, and the median of the
ratios to the latter.
MIGMON_BENCH_KIND is unix (default) or tcp. Nothing is asserted.
"""

import os
import statistics
import subprocess

import harness

MEMORY = int(os.environ.get("MIGMON_BENCH_MEMORY", "2048"))
ROUNDS = int(os.environ.get("MIGMON_BENCH_ROUNDS", "3"))
KIND = os.environ.get("MIGMON_BENCH_KIND", "unix")
PING_PONG = os.environ["MIGMON_PING_PONG"]
WORKLOAD = "stress,rate=0,prefill=on,seed=5"


def written(process):
    for row in process.execute("x-query-guest"):
        if row["name"] == "steps":
            return int(row["value"].split()[0])
    return 0


def run(s, preempt):
    uri = f"unix:{s.path('m.sock')}"
    dst = s.migmon("dst", "--incoming", "defer", memory=f"{MEMORY}M", machine=WORKLOAD)
    src = s.migmon("src", memory=f"{MEMORY}M", machine=WORKLOAD)
    for side in (src, dst):
        side.capability("postcopy-ram")
        if preempt:
            side.capability("postcopy-preempt")
    dst.execute("migrate-incoming", uri="tcp:127.0.0.1:0" if KIND == "tcp" else uri)
    if KIND == "tcp":
        address = dst.execute("query-migrate")["socket-address"][0]
        uri = f"tcp:{address['host']}:{address['port']}"
    harness.wait_for("the guest has filled its memory", lambda: written(src) > MEMORY * 256)
    src.set(max_bandwidth=100 << 20, max_postcopy_bandwidth=0)
    src.execute("migrate", uri=uri)
    src.wait_status("active")
    src.execute("migrate-start-postcopy")
    src.wait_status("postcopy-active")
    ping = {pause: int(subprocess.run([PING_PONG, KIND, "0.4", str(pause)], capture_output=True, text=True,
                                      check=True).stdout.split()[1]) for pause in (0, 200)}
    beside = src.status() == "postcopy-active"
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()
    faults = dst.execute("x-query-migrate-history")["page-faults"]
    info = src.execute("query-migrate")
    print(f"  {'with   ' if preempt else 'without'} preempt: {faults['requests']} requests, median {faults['median-us']} "
          f"us, 99 % {faults['p99-us']} us, longest {faults['max-us']} us; ping-pong {ping[200]} us, back to back {ping[0]} us"
          f"{'' if beside else ' (longer than the postcopy)'}; all vCPUs waited {faults['blocktime-us'] // 1000} ms of "
          f"{info['total-time']} ms; pause {info['downtime']} ms", flush=True)
    return faults["median-us"] / max(ping[200], 1)


def main():
    ratios = {True: [], False: []}
    print(f"postcopy of {MEMORY} MiB over {KIND}, {os.cpu_count()} processors")
    for number in range(ROUNDS):
        for preempt in (number % 2 == 0, number % 2 != 0):
            with harness.scene() as s:
                ratios[preempt].append(run(s, preempt))
    for preempt, values in ratios.items():
        print(f"median request / ping-pong {'with' if preempt else 'without'} preempt: {statistics.median(values):.1f}")


main()
