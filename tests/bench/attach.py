"""What it costs a QEMU to be attached: commands a second that it is sent, and CPU seconds of its monitor's threads, in
one run with and without. Nothing is asserted.

    meson test -C build --benchmark --verbose
"""

import os
import pty
import socket
import subprocess
import threading
import time

import harness
import real_guest

SECONDS = float(os.environ.get("MIGMON_BENCH_SECONDS", "5"))


def monitor_cpu(process):
    """CPU seconds of the threads that serve monitors: the main loop and mon_iothread; not vCPUs, not migration."""
    total = 0
    for task in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{task}/comm") as file:
            name = file.read().strip()
        with open(f"/proc/{process.pid}/task/{task}/schedstat") as file:
            nanoseconds = int(file.read().split()[0])
        if int(task) == process.pid or name == "mon_iothread":
            total += nanoseconds / 1e9
    return total


class Attached:
    """A migmon on a terminal of its own, or none."""

    def __init__(self, src, *options):
        self.master, slave = pty.openpty()
        argv = [harness.MIGMON, "--connect", f"unix:{src.qmp_path}", *options]
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave,
                                        env={**os.environ, "TERM": "xterm", "LINES": "24", "COLUMNS": "80"})
        os.close(slave)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            while os.read(self.master, 65536):
                pass
        except OSError:
            pass

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


class Counter:
    """Counts the requests on their way, without a migmon in the figures."""

    def __init__(self, s, src):
        self.count = 0
        self.path = s.path("count.proxy")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.qmp_path = self.path
        threading.Thread(target=self._serve, args=(src.qmp_path,), daemon=True).start()

    def _serve(self, target):
        while True:
            client, _ = self.listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(target)
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source, sink, count):
        try:
            while data := source.recv(65536):
                if count:
                    self.count += data.count(b'"id"')
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(2)
            except OSError:
                pass


def measure(what, src, counter, ready=1.0):
    time.sleep(ready)
    cpu, count, begin = monitor_cpu(src), counter.count, time.monotonic()
    time.sleep(SECONDS)
    span = time.monotonic() - begin
    rate = (counter.count - count) / span
    share = (monitor_cpu(src) - cpu) / span
    print(f"{what:52} {rate:6.1f} commands/s   monitor CPU {share * 1000:7.3f} ms/s", flush=True)


def one_qemu(s, version, binary):
    # A guest that writes: one that stands has nothing left to send before long.
    src = real_guest.start(s, binary, "src", last_mib=24, pause=1 << 26)
    dst = real_guest.start(s, binary, "dst", "-incoming", f"unix:{s.path('m')}")
    counter = Counter(s, src)
    print(f"QEMU {version}")
    measure("nobody attached", src, counter)
    for what, options in (("attached, prompt, nothing under way", []),
                          ("attached, dashboard (100 ms), nothing under way", ["--dashboard"])):
        migmon = Attached(counter, *options)
        measure(what, src, counter)
        migmon.close()
    starter = subprocess.run([harness.MIGMON, "--connect", f"unix:{src.qmp_path}",
                                      "-c", "migrate_set_parameter max-bandwidth 1000B",
                              "-c", "migrate_set_parameter downtime-limit 0",
                                      "-c", f"migrate -d unix:{s.path('m')}", "-c", "wait active 30", "-c", "quit"],
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if starter.returncode not in (0, 130):
        raise harness.Failure(starter.stdout)
    measure("nobody attached, a migration runs", src, counter)
    for what, options in (("attached, prompt, a migration runs", []),
                          ("attached, dashboard (100 ms), a migration runs", ["--dashboard"]),
                          ("attached, dashboard (1000 ms), a migration runs", ["--dashboard", "--refresh", "1000"])):
        migmon = Attached(counter, *options)
        measure(what, src, counter)
        migmon.close()


def main():
    qemus = harness.real_qemus()
    if not qemus:
        harness.skip("no qemu-system-x86_64 is installed")
    for version, binary in qemus.items():
        with harness.scene() as s:
            one_qemu(s, version, binary)


main()
