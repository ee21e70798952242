"""How long the pause is on a slow link, beside its limit.

    meson test -C build --benchmark --verbose slow_link

Two migmons in a network namespace of their own, whose loopback device carries MIGMON_BENCH_MBIT (8,50) Mbit/s, with a
queue that holds MIGMON_BENCH_QUEUE_MS (200) of it. The guest dirties a part of its memory at a third of the link.
Printed are the pauses of MIGMON_BENCH_ROUNDS (5) migrations. Nothing is asserted. It takes ip, tc and the right to
make a namespace.
"""

import os
import sys

import harness

MBITS = [int(text) for text in os.environ.get("MIGMON_BENCH_MBIT", "8,50").split(",")]
ROUNDS = int(os.environ.get("MIGMON_BENCH_ROUNDS", "5"))
QUEUE_MS = int(os.environ.get("MIGMON_BENCH_QUEUE_MS", "200"))
LIMIT_MS = 300


def once(mbit):
    rate = mbit * 1000000 // 8
    with harness.scene() as s:
        machine = f"stress,rate={rate // 3},set={'2M' if mbit < 20 else '6M'},prefill=on,seed=3"
        dst = s.migmon("dst", "--incoming", "tcp:127.0.0.1:0", memory="8M", machine=machine)
        src = s.migmon("src", memory="8M", machine=machine)
        src.set(max_bandwidth=0, downtime_limit=LIMIT_MS)
        src.execute("migrate", uri=f"tcp:127.0.0.1:{dst.address()['port']}")
        src.wait_status("completed")
        dst.wait_status("completed")
        dst.verify()
        info = src.execute("query-migrate")
        return info["downtime"], info["ram"]["dirty-sync-count"]


def measure(mbit):
    results = [once(mbit) for _ in range(ROUNDS)]
    pauses = sorted(pause for pause, _ in results)
    print(f"{mbit} Mbit/s, limit {LIMIT_MS} ms: pauses {', '.join(map(str, pauses))} ms; "
          f"passes {', '.join(str(count) for _, count in results)}", flush=True)


def behind_a_slow_link(mbit):
    script = (f"ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf rate {mbit}mbit burst 32k latency {QUEUE_MS}ms"
              f" && exec {sys.executable} {sys.argv[0]} {mbit}")
    done = harness.run_program(["unshare", "-n", "sh", "-c", script], text=True)
    print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        raise harness.Failure(done.stderr)


if len(sys.argv) > 1:
    measure(int(sys.argv[1]))
else:
    for speed in MBITS:
        behind_a_slow_link(speed)
