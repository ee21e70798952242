"""Migrations of the stress machine, recorded for the forecast and judged.

    meson test -C build --benchmark --verbose foresight

Each run takes a pattern, a guest, a link and a limit at random (MIGMON_BENCH_SEED; the seed is printed) and is recorded in the
form of tests/data/foresight/runs.txt, into MIGMON_BENCH_FILE (default: a temporary file). The link is limited by
max-bandwidth or by a relay between both sides. A run that has not ended after its horizon is cancelled.
MIGMON_BENCH_RUNS is the number of runs (40), about a quarter of a minute each. At the end test-forecast prints the table of
what was foretold; nothing is asserted.
"""

import os
import random
import socket
import subprocess
import tempfile
import threading
import time

import harness

MIB = 1 << 20
PAGE = 4096
RUNS = int(os.environ.get("MIGMON_BENCH_RUNS", "40"))
SEED = int(os.environ.get("MIGMON_BENCH_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
JUDGE = os.environ["MIGMON_TEST_FORECAST"]
PATTERNS = ("uniform", "hotcold", "sweep", "phases", "dips", "idle", "growing")
BLOCK_MS = 500


class Relay:
    """A link of @rate bytes a second between a source, which connects to @front, and the destination at @back."""

    def __init__(self, front, back, rate):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(front)
        self.listener.listen(1)
        self.back, self.rate = back, rate
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        source, _ = self.listener.accept()
        destination = socket.socket(socket.AF_UNIX)
        destination.connect(self.back)
        source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        threading.Thread(target=self.copy, args=(destination, source, 0), daemon=True).start()
        self.copy(source, destination, self.rate)

    @staticmethod
    def copy(begin, end, rate):
        due = time.monotonic()
        try:
            while data := begin.recv(32 << 10):
                end.sendall(data)
                if rate:
                    due = max(due, time.monotonic() - 0.05) + len(data) / rate
                    time.sleep(max(due - time.monotonic(), 0))
            end.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def draw(number, rng):
    ram, bandwidth = rng.choice((32, 48)), rng.choice((4, 6, 8, 12, 16))
    work = rng.choice((2, 8, 16, "all"))
    share = rng.choice((0.3, 0.6, 0.85, 1.0, 1.15, 1.4, 2.4))
    return {
        "id": f"r{number:03d}", "pattern": rng.choice(PATTERNS), "ram": ram, "bandwidth": bandwidth, "work": work,
        "rate": int(share * bandwidth * MIB), "zero": rng.choice((0, 0, 10, 40)), "limit": rng.choice((30, 300, 300, 1000)),
        "mode": rng.choice("ML"), "converge": rng.random() < 0.15,
        "horizon": 3 * ram / bandwidth + 12,
    }


def blocks(history):
    """(ms of its end, text) of half seconds of precopy."""
    begin = None
    for sample in history.get("samples", []):
        end = sample["time-ms"]
        if begin is None:
            begin, sent, limiter = end, sample["transferred-bytes"], 0
            continue
        limiter += sample["limiter-us"] * sample["span-ms"] // 1000
        if end - begin >= BLOCK_MS:
            yield end, (f"block {(end - begin) * 1000} {sample['transferred-bytes'] - sent} {limiter} "
                        f"{sample['threshold-bytes']}")
            begin, sent, limiter = end, sample["transferred-bytes"], 0


def passes(history):
    for row in history["passes"]:
        end = row["start-ms"] + row["duration-us"] / 1000
        for count in row.get("counts", []):  # known only when the pass is over
            yield end - 0.001, f"window {count['time-us']} {count['dirtied-pages']} {row['pass']}"
        yield end, (f"pass {row['start-ms'] * 1000} {row['duration-us']} {row['pages']} {row['zero-pages']} "
                    f"{row['fresh-pages']} {row['dirtied-pages']} {row['remaining-bytes'] // PAGE} {row['bytes']} "
                    f"{row['limiter-us']} {row['throttle-percent']} {row['threshold-bytes']}")


def record(case, history, info, file):
    over = info["status"] == "completed"
    pause = history.get("downtime", {}).get("total-us", 0)
    limited = case["bandwidth"] * MIB if case["mode"] == "M" else 0
    print(f"run {case['id']} {case['pattern']} {case['mode']} {case['ram'] * 256} {limited} {case['limit']} "
          f"{int(case['converge'])} {int(case['horizon'] * 1e6)}", file=file)
    for _, text in sorted([*blocks(history), *passes(history)], key=lambda row: row[0]):
        print(text, file=file)
    print(f"end {int(over)} {history['elapsed-ms'] * 1000 if over else 0} {pause}", file=file, flush=True)


def run(s, case, file):
    machine = (f"stress,pattern={case['pattern']},rate={case['rate']},"
               f"set={case['work'] if case['work'] == 'all' else str(case['work']) + 'M'},zero={case['zero']},compressible=30")
    back, front = s.path("in.sock"), s.path("r.sock")
    s.migmon("dst", "--incoming", f"unix:{back}", memory=f"{case['ram']}M", machine=machine)
    src = s.migmon("src", memory=f"{case['ram']}M", machine=machine)
    work = case["ram"] if case["work"] == "all" else case["work"]
    time.sleep(min(1.2 * work * MIB / case["rate"], 8))  # the guest has a past, as guests have
    if case["mode"] == "L":
        Relay(front, back, case["bandwidth"] * MIB)
    src.set(downtime_limit=case["limit"], max_bandwidth=case["bandwidth"] * MIB if case["mode"] == "M" else 0)
    if case["converge"]:
        src.capability("auto-converge")
    src.execute("migrate", uri=f"unix:{front if case['mode'] == 'L' else back}")
    horizon = time.monotonic() + case["horizon"]
    said = []
    while True:
        info = src.execute("query-migrate")
        if info["status"] in ("completed", "failed") or time.monotonic() > horizon:
            break
        verdict = src.execute("x-query-migrate-history").get("forecast", {}).get("verdict")
        if verdict and said[-1:] != [verdict]:
            said.append(verdict)
        time.sleep(0.1)
    history = src.execute("x-query-migrate-history", samples=True)
    if info["status"] == "failed":
        print(f"  {case}: {info.get('error-desc')}", flush=True)
        return
    record(case, history, info, file)
    print(f"  {case['id']} {case['pattern']} {case['mode']} {case['bandwidth']} MiB/s, guest {case['rate'] / MIB:.1f} MiB/s, "
          f"limit {case['limit']} ms: {info['status']}, {len(history['passes'])} passes; said {', '.join(said) or 'nothing'}",
          flush=True)
    if info["status"] != "completed":
        src.execute("migrate-cancel")
        src.wait_status("cancelled", "completed")


def main():
    rng = random.Random(SEED)
    path = os.environ.get("MIGMON_BENCH_FILE")
    print(f"{RUNS} migrations, MIGMON_BENCH_SEED={SEED}", flush=True)
    with open(path, "w", encoding="ascii") if path else tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        for number in range(RUNS):
            with harness.scene() as s:
                run(s, draw(number, rng), file)
        print(subprocess.run([JUDGE, file.name], capture_output=True, text=True, check=True).stdout)


main()
