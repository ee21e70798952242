"""What holds a migration up is named: each limit is imposed alone, and has the greatest share of the time.

The shares come from the history (time-last-second), which info migrate and the dashboard show. The peer is a
reader of this test: nobody has to finish the migration.
"""

import os
import shutil
import signal
import socket
import sys
import threading
import time

import harness
import pace


class Reader:
    """Takes what comes, as fast as it can or at pace.narrow()."""

    def __init__(self, listener, paced):
        self.listener = listener
        self.paced = paced
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        peer, _ = self.listener.accept()
        begin, total = time.monotonic(), 0
        buffer = bytearray(1 << 20)
        rate = pace.narrow()
        while True:
            count = peer.recv_into(buffer, 64 << 10 if self.paced else len(buffer))
            if count == 0:
                return
            total += count
            if self.paced:
                time.sleep(max(0, begin + total / rate - time.monotonic()))


def source(s):
    """With all of its memory written, and a guest that keeps the migration under way until a pause is allowed."""
    src = s.migmon("src", "--smp", "1", machine=pace.stress(pace.calm(), "prefill=on", "seed=3"))
    src.set(downtime_limit=0)
    return src.written(4096)


def start(s, uri, bandwidth):
    src = source(s)
    src.set(max_bandwidth=bandwidth)
    src.execute("migrate", uri=uri)
    return src


def expect(name, shares):
    names = sorted(shares, key=shares.get, reverse=True)
    text = ", ".join(f"{n[:-3]} {shares[n] / sum(shares.values()):.0%}" for n in names)
    if names[0] != name:
        raise harness.Failure(f"expected {name} to hold the migration up, found {text}")
    return text


def second_for(src, name, share=0):
    """A second most of which went to @name, and at least @share of it. Whatever else the machine does in one second,
    in some of them it does not."""
    seen = {}

    def look():
        nonlocal seen
        seen = src.execute("x-query-migrate-history").get("time-last-second", {})
        whole = sum(seen.values())
        return whole > 900000 and max(seen, key=seen.get) == name and seen[name] >= share * whole and seen
    try:
        return harness.wait_for(f"a second has passed for {name}", look, progress=lambda: None)
    except harness.Failure as failure:
        raise harness.Failure(f"{failure}; the newest second: {seen}") from None


def expect_in_a_second(s, name, uri, bandwidth=0):
    src = start(s, uri, bandwidth)
    text = expect(name, second_for(src, name))
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
    return expect_in_a_second(s, "limiter-us", uri, bandwidth=pace.narrow())


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
    src.release()
    src.wait_status("completed")
    return expect("work-us", src.execute("x-query-migrate-history")["time"])


def a_receiver_that_stands_behind_multifd(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--smp", "1", "--incoming", "defer")
    dst.capability("multifd")
    dst.execute("migrate-incoming", uri=f"unix:{path}")
    src = source(s)
    src.capability("multifd")
    src.set(max_bandwidth=pace.narrow())
    src.execute("migrate", uri=f"unix:{path}")
    harness.wait_for("pages flow", lambda: src.execute("query-migrate").get("ram", {}).get("normal"))
    dst.signal(signal.SIGSTOP)
    src.release()
    try:
        shares = second_for(src, "receiver-us", 0.9)
    finally:
        dst.signal(signal.SIGCONT)
    src.wait_status("completed")
    return expect("receiver-us", shares)


def in_a_network_of_its_own(program):
    """Runs this program once more behind a loopback device that carries pace.narrow()."""
    script = (f"ip link set lo up && tc qdisc add dev lo root tbf rate {pace.narrow() * 8} burst 256k latency 100ms"
              f" && exec {sys.executable} {program}")
    done = harness.run_program(["unshare", "-n", "sh", "-c", script], env={**os.environ, "MIGMON_SLOW_LINK": "1"},
                               text=True)
    return done.returncode, done.stdout + done.stderr


def a_slow_link_in_a_network_of_its_own(s):
    for tool in ("unshare", "ip", "tc"):
        if shutil.which(tool) is None:
            return f"not tried: no {tool} here"
    works = harness.run_program(["unshare", "-n", "tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "8mbit",
                                 "burst", "256k", "latency", "100ms"], text=True)
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
