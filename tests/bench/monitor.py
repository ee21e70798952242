"""How long the monitors take to answer, as ratios to every real QEMU that is here, in one run.

    meson test -C build --benchmark --verbose

Contenders take turns in small blocks, so that what else the machine does meets all of them. Nothing is
asserted; the aims are half of QEMU's time, and for "info migrate" in a running migration
QEMU's 99th percentile. Figures of one run compare, figures of two runs do not.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time

import harness

BLOCKS = int(os.environ.get("MIGMON_BENCH_BLOCKS", "10"))
BLOCK = 300                # requests in a block
RUNNING = 512 << 20        # RAM of the running migration, which is sent at this rate:
RUNNING_RATE = 96 << 20
LINES = 5000


def batch_lines():
    """Five thousand lines as a script has them: settings and looks at them."""
    kinds = ("migrate_set_parameter downtime-limit {}", "info migrate_parameters", "info migrate",
             "migrate_set_capability return-path on", "info migrate_capabilities", "info status",
             "migrate_set_parameter max-bandwidth {}", "info name")
    return "".join(kinds[i % len(kinds)].format(100 + i % 900) + "\n" for i in range(LINES))


class Hmp:
    """A human monitor on a Unix socket, read to its prompt."""

    def __init__(self, path, prompt):
        self.prompt = prompt
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(harness.PATIENCE)
        self.socket.connect(path)
        self.read()

    def read(self):
        data = b""
        while not data.endswith(self.prompt):
            more = self.socket.recv(65536)
            if not more:
                raise harness.Failure("the monitor hung up")
            data += more

    def command(self, line):
        """Seconds from the line to the prompt after it."""
        data = line.encode() + b"\n"
        begin = time.perf_counter()
        self.socket.sendall(data)
        self.read()
        return time.perf_counter() - begin


class Contender:
    """A way to start one kind of program."""

    def __init__(self, name, binary):
        self.name = name
        self.binary = binary

    def start(self, s, name, ram_file=None, **kwargs):
        path = s.path(f"{name}.hmp")
        if self.binary is None:
            file = [] if ram_file is None else ["--ram-file", ram_file]
            process = s.migmon(name, "--monitor", f"unix:{path}", *file, machine="none", **kwargs)
        else:
            # The block of a destination without a file has the name of a plain -m.
            process = s.qemu(self.binary, name, "-monitor", f"unix:{path},server=on,wait=off",
                             ram_file=ram_file, ram_id="ram", **kwargs)
        process.monitor = Hmp(path, b"(migmon) " if self.binary is None else b"(qemu) ")
        return process

    def batch(self, text, path):
        """Seconds from the start to the end of a program that reads these lines and writes to a file."""
        if self.binary is None:
            argv = [harness.MIGMON, "--machine", "none"]
        else:
            argv = [self.binary, "-M", "none", "-nodefaults", "-display", "none", "-no-user-config",
                    "-monitor", "stdio"]
        with open(path, "w+", encoding="utf-8", errors="replace") as output:
            begin = time.perf_counter()
            subprocess.run(argv, input=text + "quit\n", text=True, stdout=output,
                           stderr=subprocess.DEVNULL, check=True)
            seconds = time.perf_counter() - begin
            output.seek(0)
            answers = output.read().count("VM status:")
        if answers != text.count("info status\n"):
            raise harness.Failure(f"{self.name}: {answers} answers to info status")
        return seconds


def qmp_round_trip(process):
    link = process.qmp.socket
    begin = time.perf_counter()
    link.sendall(b'{"execute": "query-migrate-parameters"}')
    data = link.recv(65536)
    while not data.endswith(b"\n"):
        data += link.recv(65536)
    seconds = time.perf_counter() - begin
    if b'"return"' not in data or b'"downtime-limit"' not in data:
        raise harness.Failure(f"not the parameters: {data}")
    return seconds


def alternate(processes, measure, blocks=BLOCKS):
    """Times of each process, in blocks by turns; the first block warms up."""
    times = {name: [] for name in processes}
    for block in range(blocks + 1):
        for name, process in processes.items():
            taken = [measure(process) for _ in range(BLOCK)]
            if block > 0:
                times[name] += taken
    return times


def idle(contenders):
    with harness.scene() as s:
        processes = {c.name: c.start(s, f"p{i}") for i, c in enumerate(contenders)}
        yield "QMP query-migrate-parameters", alternate(processes, qmp_round_trip)
        yield "HMP info migrate_parameters", alternate(
            processes, lambda p: p.monitor.command("info migrate_parameters"))


def batches(contenders):
    text = batch_lines()
    whole = {c.name: [] for c in contenders}
    net = {c.name: [] for c in contenders}
    with harness.scene() as s:
        path = s.path("output")
        for _ in range(5):
            for c in contenders:
                start = c.batch("", path)
                seconds = c.batch(text, path)
                whole[c.name].append(seconds)
                net[c.name].append(seconds - start)
    yield f"batch of {LINES} lines, with start", whole
    yield f"batch of {LINES} lines, without start", net


def random_ram(path):
    with open(path, "wb") as file:
        for _ in range(RUNNING >> 20):
            file.write(os.urandom(1 << 20))


def while_running(contenders):
    """info migrate while a migration runs; the contenders migrate one after another, twice."""
    times = {c.name: [] for c in contenders}
    with harness.scene() as outer:
        ram = outer.path("ram")
        random_ram(ram)
        for _ in range(2):
            for c in contenders:
                with harness.scene() as s:
                    measure_running(c, s, ram, times[c.name])
    yield "HMP info migrate, migration running", times


def measure_running(contender, s, ram, times):
    path = s.path("m.sock")
    memory = f"{RUNNING >> 20}M"
    if contender.binary is None:
        s.migmon("dst", "--incoming", f"unix:{path}", memory=memory, machine="none")
    else:
        s.qemu(contender.binary, "dst", "-incoming", f"unix:{path}", memory=memory)
    src = contender.start(s, "src", memory=memory, ram_file=ram)
    src.execute("migrate-set-parameters", max_bandwidth=RUNNING_RATE)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("active")
    for _ in range(BLOCK * 5):
        times.append(src.monitor.command("info migrate"))
        time.sleep(0.0005)
    if src.status() != "active":
        raise harness.Failure("the migration was over before the measurement")


def report(what, times):
    print(what)
    figures = {}
    for name, values in times.items():
        values.sort()
        median, p99 = statistics.median(values), values[len(values) * 99 // 100]
        figures[name] = {"median": median, "p99": p99}
        ratios = ", ".join(
            f"{figures['migmon'][key] / figures[name][key]:.2f} of its {key}" for key in ("median", "p99"))
        print(f"  {name:10} median {median * 1e6:9.0f} us, p99 {p99 * 1e6:9.0f} us"
              + ("" if name == "migmon" else f"   migmon takes {ratios}"))
    return figures


def main():
    contenders = [Contender("migmon", None)]
    contenders += [Contender(f"QEMU {v}", path) for v, path in harness.real_qemus().items()]
    results = {}
    for part in (idle, batches, while_running):
        for what, times in part(contenders):
            results[what] = report(what, times)
    print(json.dumps(results))


if __name__ == "__main__":
    sys.exit(main())
