"""One migmon in the place of a transcript's QEMU, with its two monitors as bare sockets."""

import json
import os
import re
import select
import socket

import harness

PROMPT = b"(migmon) "
QEMU_PROMPT = "(qemu) "
LOOK = 0.1  # seconds of one look for more bytes; as many follow as it takes


def options_for(command, scene, random_ram):
    """The options of migmon for the command line of a QEMU; None when it has a device."""
    text = command.replace("$DIR", scene.dir)
    if "-drive" in text or "-blockdev" in text:
        return None
    machine = re.search(r" -M (\w+)", text)[1]
    options = ["--machine", machine, "-m", re.search(r" -m (\S+)", text)[1]]
    if "memory-backend=m0" in text:
        options += ["--ram-id", "m0"]
    if "$RANDOM_RAM" in text:
        options += ["--ram-file", random_ram]
    incoming = re.search(r"-incoming (.*?)(?: -monitor .*)?$", text)
    if incoming:
        options += ["--incoming", incoming[1]]
    return options


class Closed(Exception):
    pass


class Stream:
    """Bytes of a socket as they come."""

    def __init__(self, path, process):
        self.data = b""
        self.socket = socket.socket(socket.AF_UNIX)

        def attempt():
            if process.process.poll() is not None:
                raise Closed
            try:
                self.socket.connect(path)
                return True
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        harness.wait_for(f"{process.name} listens on {path}", attempt)

    def send(self, data, fds=()):
        try:
            if fds:
                socket.send_fds(self.socket, [data], list(fds))
            else:
                self.socket.sendall(data)
        except OSError:
            raise Closed from None

    def more(self, patience=LOOK):
        """Waits so long for more bytes; False when none came."""
        if not select.select([self.socket], [], [], patience)[0]:
            return False
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            raise Closed
        self.data += data
        return True


class HmpMonitor:
    def __init__(self, path, process):
        self.stream = Stream(path, process)
        self.owed = 1  # prompts that have to come
        harness.wait_for(f"{process.name} greets", self.is_prompted, progress=lambda: harness.cpu_ticks(process.pid))
        self.banner = self._take()[0]

    def is_prompted(self):
        """Whether all prompts that are owed have come; looks for more when they have not."""
        if self.stream.data.count(PROMPT) < self.owed:
            self.stream.more()
        return self.stream.data.count(PROMPT) >= self.owed

    def _take(self):
        """What came before the last prompt that is owed; (text, True when that prompt came)."""
        parts = []
        while self.owed > 0:
            if PROMPT not in self.stream.data:
                part, self.stream.data = self.stream.data, b""
                return self._text(part), False
            part, self.stream.data = self.stream.data.split(PROMPT, 1)
            parts.append(part)
            self.owed -= 1
        return self._text(parts[-1]), True

    @staticmethod
    def _text(data):
        return data.decode(errors="replace").replace("\r\n", "\n")

    def execute(self, line, wait):
        """(output, state): state is what transcripts call it, None when the prompt came back. wait(ready) returns when
        ready() is true, or when nothing more is to come."""
        try:
            self.stream.send(line.encode() + b"\n")
            self.owed += 1
            wait(self.is_prompted)
            text, prompt = self._take()
        except Closed:
            return "", "connection-closed"
        # The echo of the line goes up to the first end of line.
        text = text.split("\n", 1)[1] if "\n" in text else ""
        return text, None if prompt else "no-prompt"

    def _overheard_text(self):
        return self._text(self.stream.data.replace(PROMPT, QEMU_PROMPT.encode()))

    def overheard(self, wanted, wait):
        """What comes without an input, as a transcript writes it; waits until it is @wanted."""
        def ready():
            if self._overheard_text() != wanted:
                self.stream.more()
            return self._overheard_text() == wanted
        try:
            wait(ready)
        except Closed:
            pass
        text = self._overheard_text()
        self.owed -= text.count(QEMU_PROMPT)
        self.stream.data = b""
        return text


class QmpMonitor:
    def __init__(self, path, process):
        self.stream = Stream(path, process)
        self.events = []
        self.replies = []
        harness.wait_for(f"{process.name} greets", self.has_reply, progress=lambda: harness.cpu_ticks(process.pid))
        self.greeting = self.replies.pop(0)

    def pump(self, patience=LOOK):
        self.stream.more(patience)
        while b"\n" in self.stream.data:
            line, self.stream.data = self.stream.data.split(b"\n", 1)
            message = json.loads(line)
            (self.events if "event" in message else self.replies).append(message)

    def has_reply(self):
        if not self.replies:
            self.pump()
        return bool(self.replies)

    def reply(self, wait):
        """The next reply; None when there is none."""
        try:
            wait(self.has_reply)
        except Closed:
            pass
        return self.replies.pop(0) if self.replies else None

    def execute(self, request, wait, fds=()):
        text = (request if isinstance(request, str) else json.dumps(request)) + "\n"
        try:
            self.stream.send(text.encode(), fds)
        except Closed:
            return None
        return self.reply(wait)

    def story(self):
        """The events that every run has in the same order."""
        return [{k: e[k] for k in ("event", "data") if k in e} for e in self.events
                if e["event"] != "MIGRATION_PASS"]

    def wait_event(self, count, wait):
        """True when so many events of the story came."""
        def ready():
            if len(self.story()) < count:
                self.pump()
            return len(self.story()) >= count
        try:
            wait(ready)
        except Closed:
            pass
        return len(self.story()) >= count


class Vm:
    def __init__(self, scene, name, options, negotiate):
        self.name = name
        self.told = 0          # events of the story that were compared
        self.story_ok = True
        self.hmp = self.qmp = self.control = None
        self.paths = paths = {kind: scene.path(f"{name}.{kind}") for kind in ("monitor", "qmp")}
        for path in paths.values():
            if os.path.exists(path):
                os.unlink(path)
        argv = [harness.MIGMON, *options]
        for kind, path in paths.items():
            argv += [f"--{kind}", f"unix:{path}"]
        self.process = harness.Process(scene, name, argv)
        scene.processes.append(self.process)
        try:
            self.hmp = HmpMonitor(paths["monitor"], self.process)
            self.qmp = QmpMonitor(paths["qmp"], self.process)
            if negotiate:
                self.qmp.execute({"execute": "qmp_capabilities"}, self.until)
        except Closed:
            pass  # it ended at once: every input to it is a difference

    def until(self, ready, patience=None):
        """Waits until ready() is true, or until the process and its migration do nothing more; whether it is."""
        try:
            return harness.wait_for(f"{self.name} is done", ready, harness.moves(self.process), patience)
        except harness.Failure:
            return False

    def ask(self, command):
        """Over a connection of its own, so that the transcript's are left alone. None when the process has ended."""
        try:
            if self.control is None:
                self.control = QmpMonitor(self.paths["qmp"], self.process)
                self.control.execute({"execute": "qmp_capabilities"}, self.until)
        except Closed:
            return None
        return self.control.execute({"execute": command}, self.until)

    def settle(self, ready):
        """What was sent so far has been read and answered as far as it is at once: the loop has gone round since. Takes
        what came of it."""
        for _ in range(2):
            self.ask("query-status")
        ready()

    def status(self):
        """Of this side's migration; None when the process has ended."""
        answer = self.ask("query-migrate")
        return None if answer is None else answer.get("return", {}).get("status", "none")

    def wait_idle(self):
        """Waits until no migration of this side is under way."""
        self.until(lambda: self.status() in (None, "none", "completed", "failed", "cancelled", "postcopy-paused"))

    def wait_begun(self):
        """Waits until it is on its way."""
        self.until(lambda: self.status() not in ("none", "setup"))

    def monitors(self):
        return [m for m in (self.hmp, self.qmp, self.control) if m is not None]

    def close(self, scene):
        for monitor in self.monitors():
            monitor.stream.socket.close()
        scene.drop(self.process)
