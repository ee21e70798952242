"""Clients that break the rules while a guest moves: what they get is an error or the end of their connection.

Through all of it another client is served, the migration goes on and completes with a proven
copy, and migmon's own memory stays below a bound (guest RAM is not counted).
"""

import json
import os
import random
import select
import socket
import threading

import harness
import pace
from hostile import LITTLE, MIB, ONE_VALUE, Memory, Raw

REQUEST = b'{"execute": "query-migrate-parameters"}'


class Moving:
    """A guest that moves, slowly, as long as the block lasts; then it arrives and is verified. With @fault it is held
    there."""

    def __init__(self, s, fault=None):
        self.s = s
        self.fault = fault

    def __enter__(self):
        path = self.s.path("m.sock")
        self.dst = self.s.migmon("dst", "--incoming", f"unix:{path}")
        self.src = self.s.migmon("src", "--monitor", f"unix:{self.s.path('hmp')}",
                                 machine=pace.stress(pace.STEADY, "prefill=on"), fault=self.fault)
        self.src.hold()
        self.src.execute("migrate", uri=f"unix:{path}")
        self.src.wait_status("active")
        return self

    def sent(self):
        return self.src.execute("query-migrate")["ram"]["transferred"]

    def goes_on(self):
        """Another client is served, and bytes move."""
        before = self.sent()
        harness.wait_for("more of the guest has moved", lambda: self.sent() > before)

    def raw(self, **kwargs):
        return Raw(self.src.qmp_path, **kwargs)

    def memory(self, bound):
        return Memory(self.src, bound)

    def __exit__(self, kind, *_):
        if kind is None:
            if self.fault is not None:
                self.src.execute("x-fault-release")
            self.goes_on()
            self.src.release()
            self.src.wait_status("completed")
            self.dst.wait_run_state("running")
            self.dst.verify()


# ---- broken text ----

BROKEN = [b"}", b"]", b"{]", b"[}", b'{"execute"}', b'{"execute": }', b'{"execute": "stop",}', b"[1 2]", b"nul",
          b"tru", b"NaN", b"-", b"1e", b"01", b'{"a": 1, "a": 2}', b"\xff\xfe", b'"\xc3\x28"', b'"\\ud800"',
          b'"\\u0000"', b'"a\x01b"', b'{"execute": "\xed\xa0\x80"}', b"\x00\x00\x00", b"GET / HTTP/1.1\r\n",
          b"{" * 30, b"[" * 30, b'{"execute": "query-status", "id": ' + b"[" * 40]


def broken_json(s):
    with Moving(s) as moving, moving.memory(LITTLE) as memory:
        client = moving.raw()
        for text in BROKEN:
            # 0xff begins anew whatever stands open.
            client.send(text + b"\xff")
            if not client.errors_until_served():
                raise harness.Failure(f"no error for {text}")
        client.close()
        moving.goes_on()
    return f"{len(BROKEN)} kinds, {memory.growth >> 10} KiB"


def deep_nesting(s):
    with Moving(s) as moving, moving.memory(LITTLE) as memory:
        for text in (b"[" * (8 * MIB), b'{"a":' * (2 * MIB), b'[{"a":' * MIB):
            client = moving.raw()
            client.send(text + b"\xff")
            if not any("limit exceeded" in error for error in client.errors_until_served()):
                raise harness.Failure("no error about the limit")
            client.close()
            moving.goes_on()
    return f"{memory.growth >> 20} MiB"


def big_tokens(s):
    string = b'{"execute": "migrate", "arguments": {"uri": "' + b"x" * (66 * MIB) + b'"}}\n'
    number = b'{"execute": "query-status", "id": ' + b"7" * (66 * MIB) + b"}\n"
    many = b'{"execute": "query-status", "id": [' + b"1," * (33 * MIB) + b"1]}\n"
    with Moving(s) as moving, moving.memory(ONE_VALUE) as memory:
        chosen = harness.by_turns((string, number, many))
        for text in chosen:
            client = moving.raw()
            client.send(text)
            if not any("limit exceeded" in error for error in client.errors_until_served()):
                raise harness.Failure("no error about the limit")
            client.close()
            moving.goes_on()
    return f"{len(chosen)} of 66 MiB, {memory.growth >> 20} MiB at most"


# ---- those that do not read ----

def never_reads(s):
    with Moving(s) as moving, moving.memory(LITTLE) as memory:
        clients = [moving.raw() for _ in range(5)]
        sent = [client.send_until_full(REQUEST * 1000) for client in clients]
        if max(sent) >= 64 * MIB:
            raise harness.Failure("requests are taken without end")
        moving.goes_on()
        for client in clients:
            client.close()
        moving.goes_on()
    return f"{sum(sent) >> 10} KiB of requests taken, {memory.growth >> 20} MiB"


def never_reads_events(s):
    # A guest that is stopped most of the time would finish moving meanwhile.
    with Moving(s, fault="src-pass-1=hold") as moving:
        client = moving.raw()
        with moving.memory(LITTLE) as memory:
            sender = moving.raw()
            for turns in range(0, 60000, 50):
                # Each turn is two events for everybody.
                sender.send(b'{"execute": "stop"} {"execute": "cont"}' * 50)
                for _ in range(100):
                    sender.reply()
                moving.src.qmp.poll_events().clear()
                if select.select([client.socket], [], [], 0)[0] and has_hung_up(client):
                    break
            sender.close()
        if not client.is_closed():
            raise harness.Failure(f"still connected after {turns} turns")
        client.close()
    return f"dropped after some {turns * 2} events, {memory.growth >> 20} MiB"


def has_hung_up(client):
    poll = select.poll()
    poll.register(client.socket, select.POLLHUP)
    return any(what & (select.POLLHUP | select.POLLERR) for _, what in poll.poll(0))


def slow_reader(s):
    """Reads a byte at a time; it gets every reply, whole."""
    with Moving(s) as moving, moving.memory(LITTLE):
        client = moving.raw()
        client.send(b"".join(b'{"execute": "query-migrate-parameters", "id": %d}' % i for i in range(30)))
        data = b""
        while data.count(b'"id"') < 30 or not data.endswith(b"\n"):
            data += client.socket.recv(1)
            if len(data) % 5000 == 0:
                moving.src.execute("query-status")
        ids = [json.loads(line)["id"] for line in data.splitlines() if b'"return"' in line]
        if ids != list(range(30)):
            raise harness.Failure(f"replies {ids}")
        client.close()


# ---- too many ----

def crowd(s):
    """Connections beyond the limit are closed, those that were there stay."""
    with Moving(s) as moving, moving.memory(LITTLE) as memory:
        clients = [moving.raw(negotiate=False) for _ in range(200)]
        greeted = [client for client in clients if client.line() is not None]
        if not 32 <= len(greeted) < 100:
            raise harness.Failure(f"{len(greeted)} of 200 were let in")
        moving.goes_on()
        for client in clients:
            client.close()
        harness.wait_for("a place is free", lambda: moving.raw(negotiate=False).line() is not None)
    return f"{len(greeted)} of 200 let in, {memory.growth >> 20} MiB"


def passed_descriptors(s):
    """Descriptors that nobody asked for are closed."""
    with Moving(s) as moving:
        count = lambda: len(os.listdir(f"/proc/{moving.src.pid}/fd"))
        before = count()
        client = moving.raw()
        with open("/dev/null", "rb") as null:
            for _ in range(50):
                socket.send_fds(client.socket, [b" "], [null.fileno()] * 100)
            client.errors_until_served()
            for i in range(300):
                socket.send_fds(client.socket, [b'{"execute": "add-fd"}'], [null.fileno()])
                answer = client.reply()
                if "error" in answer:
                    break
            if "error" not in answer or "descriptors are kept already" not in answer["error"]["desc"]:
                raise harness.Failure(f"add-fd without end: {answer}")
        most = count()
        if most - before > 200:
            raise harness.Failure(f"{before} descriptors became {most}")
        client.close()
        for fdset in moving.src.execute("query-fdsets"):
            moving.src.execute("remove-fd", fdset_id=fdset["fdset-id"])
        harness.wait_for("they are closed", lambda: count() <= before)
    return f"{i} kept, {most} open at most"


# ---- the human monitor ----

def hmp_client(moving):
    client = Raw(moving.s.path("hmp"), negotiate=False)
    read_to_prompt(client)
    return client


def read_to_prompt(client):
    data = b""
    while not data.endswith(b"(migmon) "):
        more = client.socket.recv(65536)
        if not more:
            raise harness.Failure(f"the monitor hung up after {data[-200:]}")
        data += more
    return data


def human_monitor(s):
    rng = random.Random(3)
    with Moving(s) as moving, moving.memory(LITTLE) as memory:
        client = hmp_client(moving)
        client.send(b"x" * (10 * MIB) + b"\n")
        if b"line is longer" not in read_to_prompt(client):
            raise harness.Failure("a line of 10 MiB was taken")
        noise = rng.randbytes(MIB).replace(b"\n", b"").replace(b"\r", b"")
        # The last byte ends whatever the noise has begun: a telnet command, an escape sequence.
        # The echo has to be read meanwhile.
        sender = threading.Thread(target=client.send, args=(noise + b"\xff\xf0" + b"A" * 4 + b"\n",))
        sender.start()
        read_to_prompt(client)
        sender.join()
        client.send(b"info status\n")
        if b"VM status: running" not in read_to_prompt(client):
            raise harness.Failure("no answer after noise")
        greedy = hmp_client(moving)
        if greedy.send_until_full(b"help\n" * 1000) >= 64 * MIB:
            raise harness.Failure("lines are taken without end")
        client.send(b"info migrate\n")
        if b"Migration status: active" not in read_to_prompt(client):
            raise harness.Failure("another client is not served")
        moving.goes_on()
        greedy.close()
        client.close()
    return f"{memory.growth >> 20} MiB"


if __name__ == "__main__":
    harness.run([broken_json, deep_nesting, big_tokens, never_reads, never_reads_events, slow_reader, crowd,
                 passed_descriptors, human_monitor])
