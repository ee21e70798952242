"""What holds a migration up is named: each limit is imposed alone, and has the greatest share of the time.

The shares come from the history (time-last-second), which info migrate and the dashboard show. The peer is a
reader of this test: nobody has to finish the migration.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import harness

RATE = 20 << 20  # bytes a second: far below what this machine copies


class Reader:
    """Takes what comes, as fast as it can or at RATE."""

    def __init__(self, listener, paced):
        self.listener = listener
        self.paced = paced
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        peer, _ = self.listener.accept()
        begin, total = time.monotonic(), 0
        buffer = bytearray(1 << 20)
        while True:
            count = peer.recv_into(buffer, 64 << 10 if self.paced else len(buffer))
            if count == 0:
                return
            total += count
            if self.paced:
                time.sleep(max(0, begin + total / RATE - time.monotonic()))


def start(s, uri, bandwidth):
    src = s.migmon("src", "--smp", "1", memory="256M", machine="stress,rate=1M,prefill=on,seed=3")
    harness.wait_for("the guest has filled its memory", lambda: src.verify() > 60000)
    src.set(max_bandwidth=bandwidth)
    src.execute("migrate", uri=uri)
    return src


def expect(name, shares):
    names = sorted(shares, key=shares.get, reverse=True)
    text = ", ".join(f"{n[:-3]} {shares[n] / sum(shares.values()):.0%}" for n in names)
    if names[0] != name:
        raise harness.Failure(f"expected {name} to hold the migration up, found {text}")
    return text


def second_for(src, name):
    """The newest second, once nearly all of it went to @name."""
    time_of = src.execute("x-query-migrate-history").get("time-last-second", {})
    return sum(time_of.values()) > 900000 and time_of[name] > 0.9 * sum(time_of.values()) and time_of


def expect_in_a_second(s, name, uri, bandwidth=0):
    """Of a second in the middle of the first pass."""
    src = start(s, uri, bandwidth)

    def one_second():
        time_of = src.execute("x-query-migrate-history").get("time-last-second", {})
        return sum(time_of.values()) > 900000 and time_of
    text = expect(name, harness.wait_for("a second has passed", one_second))
    line = src.hmp("info migrate")
    if "last second: " not in line:
        raise harness.Failure(f"info migrate does not tell: {line}")
    src.execute("migrate_cancel")
    src.wait_status("cancelled")
    return text


def unix_listener(s):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(s.path("peer.sock"))
    listener.listen()
    return listener, f"unix:{s.path('peer.sock')}"


def tcp_listener():
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"tcp:127.0.0.1:{listener.getsockname()[1]}"


def the_bandwidth_limit(s):
    listener, uri = unix_listener(s)
    Reader(listener, paced=False)
    return expect_in_a_second(s, "limiter-us", uri, bandwidth=RATE)


def a_slow_receiver_behind_a_unix_socket(s):
    listener, uri = unix_listener(s)
    Reader(listener, paced=True)
    return expect_in_a_second(s, "receiver-us", uri)


def a_slow_receiver_behind_tcp(s):
    listener, uri = tcp_listener()
    Reader(listener, paced=True)
    return expect_in_a_second(s, "receiver-us", uri)


def a_slow_link(s):
    if os.environ.get("MIGMON_SLOW_LINK") != "1":
        return "in a network of its own"
    listener, uri = tcp_listener()
    Reader(listener, paced=False)
    return expect_in_a_second(s, "link-us", uri)


def own_work_to_file(s):
    src = start(s, "file:/dev/null", 0)
    src.wait_status("completed")
    return expect("work-us", src.execute("x-query-migrate-history")["time"])


def a_receiver_that_stands_behind_multifd(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--smp", "1", "--incoming", "defer", memory="256M")
    dst.capability("multifd")
    dst.execute("migrate-incoming", uri=f"unix:{path}")
    src = s.migmon("src", "--smp", "1", memory="256M", machine="stress,rate=1M,prefill=on,seed=3")
    harness.wait_for("the guest has filled its memory", lambda: src.verify() > 60000)
    src.capability("multifd")
    src.set(max_bandwidth=50 << 20)
    src.execute("migrate", uri=f"unix:{path}")
    harness.wait_for("pages flow", lambda: src.execute("query-migrate").get("ram", {}).get("normal"))
    dst.signal(signal.SIGSTOP)
    src.set(max_bandwidth=0)
    try:
        history = harness.wait_for("a second has passed", lambda: second_for(src, "receiver-us"))
    finally:
        dst.signal(signal.SIGCONT)
    src.wait_status("completed")
    return expect("receiver-us", history)


def in_a_network_of_its_own(program):
    """Runs this program once more behind a loopback device that carries RATE."""
    script = (f"ip link set lo up && tc qdisc add dev lo root tbf rate {RATE * 8} burst 256k latency 100ms"
              f" && exec {sys.executable} {program}")
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], env={**os.environ, "MIGMON_SLOW_LINK": "1"},
                          capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def a_slow_link_in_a_network_of_its_own(s):
    for tool in ("unshare", "ip", "tc"):
        if shutil.which(tool) is None:
            return f"not tried: no {tool} here"
    works = subprocess.run(["unshare", "-n", "tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "8mbit",
                            "burst", "256k", "latency", "100ms"], capture_output=True, text=True)
    if works.returncode != 0:
        return f"not tried: {works.stderr.strip()}"
    status, output = in_a_network_of_its_own(os.path.abspath(__file__))
    if status != 0:
        raise harness.Failure(output)
    return output.strip().split(": ", 1)[-1]


if os.environ.get("MIGMON_SLOW_LINK") == "1":
    harness.run([a_slow_link])
else:
    harness.run([the_bandwidth_limit, a_slow_receiver_behind_a_unix_socket, a_slow_receiver_behind_tcp,
                 a_receiver_that_stands_behind_multifd, own_work_to_file, a_slow_link_in_a_network_of_its_own])
