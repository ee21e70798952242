"""A client without manners, and a look at what it costs: for the tests of hostile input."""

import json
import os
import select
import socket
import threading

import harness

MIB = 1 << 20
# What a connection may make migmon hold: one value being built (64 MiB), its buffers, a reply.
ONE_VALUE = 200 * MIB
LITTLE = 48 * MIB


# The address sanitizer shadows what is there, and shall not keep for long what is freed. The thread
# sanitizer shadows the guest too, so its memory says nothing about ours.
FACTOR = 2 if harness.built_with(b"__asan_init") else 1
MEASURED = not harness.built_with(b"__tsan_init")
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"


class Memory:
    """The most private memory that a process had inside the block, beyond what it had before."""

    def __init__(self, process, bound):
        self.pid, self.bound, self.stop = process.pid, bound, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def now(self):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("RssAnon:"))

    def watch(self):
        while not self.stop.wait(0.01):
            self.most = max(self.most, self.now())

    def __enter__(self):
        self.before = self.most = self.now()
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stop.set()
        self.thread.join()
        self.growth = max(self.most, self.now()) - self.before
        if kind is None and MEASURED and self.growth > self.bound * FACTOR:
            raise harness.Failure(f"{self.growth >> 20} MiB more than before, bound {self.bound >> 20} MiB")


class Raw:
    """A connection without manners."""

    def __init__(self, path, negotiate=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(harness.PATIENCE)
        self.buffer = b""
        if negotiate:
            self.line()
            self.send(b'{"execute": "qmp_capabilities"}')
            self.line()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def reply(self):
        """The next that is no event."""
        answer = self.line()
        while answer is not None and "event" in answer:
            answer = self.line()
        return answer

    def errors_until_served(self):
        """Sends a good request and returns the errors that come before its reply."""
        self.send(b'\n{"execute": "query-name", "id": "good"}\n')
        errors = []
        while True:
            answer = self.reply()
            if answer is None:
                raise harness.Failure(f"the connection was closed after {errors[:3]}")
            if answer.get("id") == "good":
                return errors
            errors.append(answer["error"]["desc"])

    def send_until_full(self, data):
        """Writes copies of data until the kernel takes no more for a while; how many bytes went."""
        self.socket.setblocking(False)
        sent = 0
        while select.select([], [self.socket], [], 1)[1] and sent < 64 * MIB:
            try:
                sent += self.socket.send(data)
            except BlockingIOError:
                continue
        self.socket.settimeout(harness.PATIENCE)
        return sent

    def is_closed(self):
        """Reads what is there; True at the end of it."""
        try:
            while self.socket.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True

    def close(self):
        self.socket.close()
