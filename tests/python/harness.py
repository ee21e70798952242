"""Processes and monitors for the tests that run the built program.

A test is a program of its own: it makes a Scene, starts migmons (or a real QEMU) in it, drives them over
QMP and HMP, and fails by an exception. Nothing is asserted about time: a wait is given up when nothing moves
any more (no byte, no state, no line of output for PATIENCE seconds), however long the whole takes, and the failure
says what the processes did at that moment. How fast guests write is decided in pace.py. The Scene ends what it
started, by pid, and removes its folder.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pace

MIGMON = os.environ.get("MIGMON", "migmon")
# Seconds without any progress after which a wait is given up.
PATIENCE = 60 * float(os.environ.get("MIGMON_TEST_PATIENCE", "1"))

# A migration that has not ended by itself after so many passes is ended by a longer pause, where a test waits for
# its end and for nothing else. Milliseconds.
PASSES = 6
LONG_PAUSE = 120000

# Scenes of this program that are open: what happens in them is progress.
_scenes = []


class Failure(Exception):
    pass


def skip(reason):
    """Ends the test as skipped (meson's exit code 77)."""
    print(f"skipped: {reason}")
    sys.exit(77)


def moment():
    """What the processes of this test do now, as text."""
    lines = []
    for process in [process for s in list(_scenes) for process in list(s.processes)]:
        with contextlib.suppress(OSError):  # another thread's, whose scene has just been closed
            lines.append(process.moment())
    return "; ".join(lines) or "no process"


def wait_for(what, condition, progress=moment, patience=None, every=0.01):
    """Polls until condition() is true; its value is returned. Gives up when progress() does not change for @patience
    seconds (PATIENCE). @every: seconds between two looks."""
    patience = PATIENCE if patience is None else patience
    seen, since = None, time.monotonic()
    look = since + patience / 2
    while True:
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now >= look:
            state, look = progress(), now + patience / 4
            if state != seen:
                seen, since = state, now
            elif now - since >= patience:
                raise Failure(f"gave up waiting until {what}: nothing moved for {now - since:.0f} s; now {moment()}")
        time.sleep(every)


def communicate(process, stdin=None):
    """Output of a Popen with pipes, as subprocess.communicate(). Gives up when it neither says anything nor does
    anything (processor time of it and its children) for PATIENCE seconds."""
    seen, since = None, time.monotonic()
    while True:
        try:
            return process.communicate(input=stdin, timeout=PATIENCE / 4)
        except subprocess.TimeoutExpired as expired:
            stdin = None
            state = (len(expired.output or b""), cpu_ticks(process.pid))
            if state != seen:
                seen, since = state, time.monotonic()
            elif time.monotonic() - since >= PATIENCE:
                process.kill()
                output, _ = process.communicate()
                raise Failure(f"{process.args} did nothing for {PATIENCE:.0f} s and was ended: {output}") from None


def run_program(argv, stdin=None, **options):
    """As subprocess.run() with captured output, with the patience of communicate()."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE, **options) as process:
        output, errors = communicate(process, stdin)
    return subprocess.CompletedProcess(argv, process.returncode, output, errors)


def wait_end(process):
    """Exit status of a Popen without pipes that are read, with the patience of communicate()."""
    wait_for(f"{process.args[0]} ends", lambda: process.poll() is not None, progress=lambda: cpu_ticks(process.pid))
    return process.returncode


def cpu_ticks(pid):
    """Processor time of a process and of its children that have ended; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:15]))
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_stopped(pid):
    """Every thread stands still after SIGSTOP."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] not in ("T", "t"):
                    return False
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


def send_signal(pid, number):
    """kill() returns before the threads of a process have stopped: they may still answer. This returns afterwards."""
    os.kill(pid, number)
    if number == signal.SIGSTOP:
        wait_for(f"process {pid} stands still", lambda: is_stopped(pid))


class QmpError(Failure):
    def __init__(self, error):
        super().__init__(error["desc"])
        self.error = error


class Qmp:
    """A QMP client on a Unix socket."""

    def __init__(self, path, process):
        self.events = []
        self.buffer = b""
        self.process = process
        self.lock = threading.RLock()  # one request at a time: a wait looks at processes of other threads too
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE / 4)
        self.socket.connect(path)
        self.greeting = self._read()
        self.execute("qmp_capabilities")

    def _read(self):
        used, since = None, time.monotonic()
        while b"\n" not in self.buffer:
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                now = cpu_ticks(self.process.pid)
                if now != used:
                    used, since = now, time.monotonic()
                elif time.monotonic() - since > PATIENCE:
                    raise Failure(f"{self.process.name} does not answer QMP and does nothing") from None
                continue
            except ConnectionResetError:
                data = b""
            if not data:
                raise Failure(f"{self.process.name}: QMP connection closed")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def execute(self, command, fds=(), **arguments):
        request = {"execute": command}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        data = json.dumps(request).encode()
        with self.lock:
            if fds:
                socket.send_fds(self.socket, [data], list(fds))
            else:
                self.socket.sendall(data)
            while True:
                answer = self._read()
                if "QMP" in answer:
                    continue  # a QEMU that is just starting may greet twice
                if "event" in answer:
                    self.events.append(answer)
                elif "error" in answer:
                    raise QmpError(answer["error"])
                else:
                    return answer["return"]

    def poll_events(self):
        """All events so far."""
        self.execute("query-status")
        return self.events

    def close(self):
        self.socket.close()


class Process:
    """A migmon or QEMU with a QMP socket."""

    def __init__(self, scene, name, argv, env=None, **streams):
        self.scene = scene
        self.name = name
        self.argv = argv
        self.qmp_path = scene.path(f"{name}.qmp")
        self.log = scene.path(f"{name}.log")
        with open(self.log, "ab") as log:
            # Standard input is an open pipe that never says anything.
            self.process = subprocess.Popen(argv, **{"stdin": subprocess.PIPE, "stdout": log, "stderr": log, **streams},
                                            env={**os.environ, **(env or {})})
        self.qmp = None

    @property
    def pid(self):
        return self.process.pid

    def ended(self):
        """Exit status; None while it runs."""
        return self.process.poll()

    def connect(self):
        def attempt():
            if self.ended() is not None:
                raise Failure(f"{self.name} ended with {self.ended()}: {self.output()}")
            try:
                self.qmp = Qmp(self.qmp_path, self)
                return True
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        wait_for(f"{self.name} answers QMP", attempt)
        return self

    def output(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def execute(self, command, **arguments):
        return self.qmp.execute(command, **arguments)

    def hmp(self, line):
        return self.qmp.execute("human-monitor-command", command_line=line).replace("\r\n", "\n")

    def set(self, **parameters):
        self.execute("migrate-set-parameters", **parameters)

    def capability(self, name, on=True):
        self.execute("migrate-set-capabilities", capabilities=[{"capability": name, "state": on}])

    def status(self):
        return self.execute("query-migrate").get("status", "none")

    def run_state(self):
        return self.execute("query-status")["status"]

    def owner(self):
        return self.execute("x-query-owner")["owner"]

    def moment(self):
        """What it does now, as one line that changes as long as something moves: its migration, not its guest."""
        if self.ended() is not None:
            return f"{self.name} ended with {self.ended()}"
        size = os.path.getsize(self.log)
        if is_stopped(self.pid):
            return f"{self.name} is stopped ({size} bytes of output)"
        if self.qmp is None:
            return f"{self.name} runs without QMP ({size} bytes of output, {cpu_ticks(self.pid)} ticks)"
        try:
            info, run_state = self.execute("query-migrate"), self.run_state()
        except (Failure, OSError) as error:
            return f"{self.name}: {error} ({cpu_ticks(self.pid)} ticks)"
        ram = info.get("ram", {})
        return (f"{self.name} is {info.get('status', 'none')}, guest {run_state}, {ram.get('transferred', 0)} bytes, "
                f"{ram.get('dirty-sync-count', 0)} passes, {ram.get('postcopy-requests', 0)} requests, "
                f"{len(self.qmp.events)} events, {size} bytes of output")

    def wait_status(self, *wanted):
        capped = False

        def look():
            nonlocal capped
            info = self.execute("query-migrate")
            status = info.get("status", "none")
            if status in wanted:
                return status
            if status in ("failed", "cancelled", "completed"):
                raise Failure(f"{self.name}: migration {status}, expected {'/'.join(wanted)}: "
                              f"{info.get('error-desc')}\n{self.output()}")
            if wanted == ("completed",) and not capped and info.get("ram", {}).get("dirty-sync-count", 0) > PASSES:
                # The machine has become too slow for its guest: a longer pause ends it all the same.
                self.execute("migrate-set-parameters", downtime_limit=LONG_PAUSE)
                capped = True
            return None
        return wait_for(f"{self.name} is {'/'.join(wanted)}", look)

    def hold(self):
        """The migration to come, or the one under way, stays until release(), as long as the guest writes. A guest that
        is about to fill its RAM does so first: while it gets no processor it would leave with next to nothing."""
        if any("prefill=on" in option for option in self.argv):
            wait_for(f"the RAM of {self.name} is filled", lambda: not self.is_filling(), progress=lambda: cpu_ticks(self.pid))
        self.set(max_bandwidth=pace.HELD, downtime_limit=0)

    def is_filling(self):
        return self.run_state() == "running" and any(row["name"] == "prefill" for row in self.execute("x-query-guest"))

    def release(self):
        self.set(max_bandwidth=0, downtime_limit=300, x_switchover_timeout=0)

    def address(self):
        """Where a destination listens, once it does."""
        return wait_for(f"{self.name} listens", lambda: self.execute("query-migrate").get("socket-address"))[0]

    def unlimited(self):
        """The migration to come ends with its first pass, however fast the guest writes. A destination that gets no
        processor for some seconds of the pause has not failed."""
        self.set(max_bandwidth=0, downtime_limit=LONG_PAUSE, x_switchover_timeout=0)

    def postcopy(self, uri):
        """Migrates and switches to postcopy in the first pass. Few pages come then, until rush()."""
        self.hold()
        self.set(max_postcopy_bandwidth=pace.TRICKLE, x_switchover_timeout=0)
        self.execute("migrate", uri=uri)
        self.wait_status("active")
        self.execute("x-guest-set", key="rate", value=str(pace.TRICKLE))
        self.execute("migrate-start-postcopy")

    def rush(self):
        self.set(max_postcopy_bandwidth=0)

    def passes(self, count):
        """Waits for so many more passes."""
        def done():
            return self.execute("query-migrate").get("ram", {}).get("dirty-sync-count", 0)
        begin = done()
        wait_for(f"{count} more passes", lambda: done() >= begin + count)

    def steps(self):
        """Steps that the guest's vCPUs have made."""
        guest = {row["name"]: row["value"] for row in self.execute("x-query-guest")}
        return int(guest["steps"].split()[0])

    def written(self, steps=1000):
        """Waits until the guest has made so many steps, and returns this process."""
        wait_for(f"the guest of {self.name} has made {steps} steps", lambda: self.steps() >= steps,
                 progress=self.steps)
        return self

    def wait_run_state(self, wanted):
        wait_for(f"{self.name} is {wanted}", lambda: self.run_state() == wanted)

    def verify(self):
        """Proof of the copy; returns the number of steps its vCPUs have done."""
        report = self.execute("x-guest-verify")
        if not report["ok"]:
            raise Failure(f"{self.name}: {json.dumps(report, indent=1)}")
        return report["steps"]

    def signal(self, number):
        send_signal(self.pid, number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait_log(self, text):
        wait_for(f"{self.name} logs {text!r}", lambda: text in self.output())

    def close(self):
        if self.qmp is not None:
            self.qmp.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                wait_end(self.process)
            except Failure:
                self.process.kill()
                self.process.wait()
                raise Failure(f"{self.name} did not end on SIGTERM") from None
        if self.process.stdin is not None:
            self.process.stdin.close()
        check_sanitizer(self)


class Monitor(Process):
    """A migmon that is given lines one after another. @stop: an error ends it. @first: it has begun with them."""

    def __init__(self, scene, *options, name="monitor", stop=False, first=True, **environment):
        super().__init__(scene, name, [MIGMON, "--name", name, "--qmp", f"unix:{scene.path(name + '.qmp')}", *options,
                                       "--batch", "-"], environment)
        scene.processes.append(self)
        self.read = 0  # characters of its output that run() has returned
        self.marks = 0
        if not stop and first:
            self.run("on-error continue")

    def send(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())
        self.process.stdin.flush()

    def await_text(self, what, found):
        """Waits until found(output); the value is returned."""
        def look():
            value = found(self.output())
            if not value and self.ended() is not None:
                raise Failure(f"{self.name} ended with {self.ended()} before {what}:\n{self.output()}")
            return value
        try:
            return wait_for(what, look, moves(self), every=0.02)
        except Failure as failure:
            raise Failure(f"{failure}\n{self.output()}") from None

    def run(self, *lines):
        """Until all of them are done; what was said meanwhile."""
        self.marks += 1
        mark = f"mark-{self.marks}-reached\n"
        self.send(*lines, f"echo {mark.strip()}")
        self.await_text(f"the monitor has done {lines}", lambda text: mark in text)
        before, text = self.read, self.output()
        self.read = len(text)
        return text[before:]

    def says(self, pattern):
        self.await_text(f"the monitor says /{pattern}/", lambda text: re.search(pattern, text, re.M))

    def end(self):
        """Exit status, once all lines are done."""
        self.process.stdin.close()
        return wait_end(self.process)


def moves(process):
    """A progress for wait_for(): what the migration of @process does. Pass after pass is none: a migration that a test
    holds makes them for ever."""
    begin = None

    def progress():
        nonlocal begin
        size = os.path.getsize(process.log)
        if process.ended() is not None:
            return process.ended(), size
        try:
            if process.qmp is None:
                process.connect()
            info = process.execute("query-migrate")
        except (Failure, OSError):
            return None, size
        ram = info.get("ram", {})
        passes = ram.get("dirty-sync-count", 0)
        begin = passes if begin is None else begin
        return info.get("status"), ram.get("transferred") if passes - begin < PASSES else None, size
    return progress


def built_with(sign):
    with open(MIGMON, "rb") as program:
        return sign in program.read()


def shadows_memory():
    """A sanitizer's build has a shadow of the guest's memory, which counts as the process's own."""
    return built_with(b"__tsan_init") or built_with(b"__asan_init")


def check_sanitizer(process):
    text = process.output()
    for sign in ("ERROR: AddressSanitizer", "WARNING: ThreadSanitizer", "runtime error:",
                 "ERROR: LeakSanitizer", "Assertion", "CRITICAL"):
        if sign in text:
            raise Failure(f"{process.name}: {text}")


class Scene:
    """A temporary folder and the processes in it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="migmon-test-")
        self.memory_dir = None
        self.processes = []
        _scenes.append(self)

    def path(self, name):
        return os.path.join(self.dir, name)

    def memory_path(self, name):
        """As path(), in a folder on memory where there is one: guest RAM in a file on a disk would be written back all
        the time."""
        if self.memory_dir is None:
            shm = "/dev/shm"
            self.memory_dir = tempfile.mkdtemp(prefix="migmon-test-", dir=shm) if os.access(shm, os.W_OK) else self.dir
        return os.path.join(self.memory_dir, name)

    def migmon(self, name, *options, fault=None, memory=pace.SMALL, machine="stress", start=True):
        argv = [MIGMON, "--name", name, "--memory", memory, "--machine", machine,
                "--qmp", f"unix:{self.path(name + '.qmp')}", *options]
        env = {} if fault is None else {"MIGMON_FAULT": fault}
        process = Process(self, name, argv, env)
        self.processes.append(process)
        return process.connect() if start else process

    def qemu(self, binary, name, *options, memory="64M", ram_file=None, ram_id="ram0", shared=False):
        argv = [binary, "-nodefaults", "-display", "none", "-no-user-config",
                "-qmp", f"unix:{self.path(name + '.qmp')},server=on,wait=off"]
        if shared:
            argv += ["-M", f"none,memory-backend={ram_id}", "-m", memory, "-object",
                     f"memory-backend-memfd,id={ram_id},size={memory},share=on"]
        elif ram_file is None:
            argv += ["-M", "none", "-m", memory]
        else:
            argv += ["-M", f"none,memory-backend={ram_id}", "-m", memory, "-object",
                     f"memory-backend-file,id={ram_id},size={memory},mem-path={ram_file},share=on"]
        process = Process(self, name, argv + list(options))
        self.processes.append(process)
        return process.connect()

    def drop(self, process):
        self.processes.remove(process)
        process.close()

    def close(self):
        if self in _scenes:
            _scenes.remove(self)
        errors = []
        for process in reversed(self.processes):
            try:
                process.close()
            except Failure as failure:
                errors.append(str(failure))
        for folder in {self.dir, self.memory_dir or self.dir}:
            shutil.rmtree(folder, ignore_errors=True)
        if errors:
            raise Failure("\n".join(errors))


@contextlib.contextmanager
def scene():
    s = Scene()
    try:
        yield s
    except BaseException:
        for process in s.processes:
            print(f"--- {process.name} {process.argv}\n{process.output()}\n--- {process.moment()}", file=sys.stderr)
        with contextlib.suppress(Failure):
            s.close()
        raise
    s.close()


def arrived(src, dst, owner="peer (confirmed)"):
    """The guest has moved: the copy is right and the vCPUs continue from where they were. Returns the source's
    statistics of RAM."""
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.wait_run_state("running")
    if src.run_state() != "postmigrate" or src.owner() != owner:
        raise Failure(f"source is {src.run_state()}, owner {src.owner()}")
    left_with, here = src.steps(), dst.verify()
    if here < left_with:
        raise Failure(f"guest left after {left_with} steps, has {here} on arrival")
    dst.written(here + 1)
    return src.execute("query-migrate")["ram"]


def stays(src):
    """The attempt has failed and the guest runs at the source. Returns what the source says of it."""
    src.wait_status("failed")
    if src.run_state() != "running" or src.owner() != "here":
        raise Failure(f"source is {src.run_state()}, owner {src.owner()}")
    return src.execute("query-migrate").get("error-desc")


def can_be_direct(folder):
    """Whether files in @folder can be opened for direct I/O."""
    path = os.path.join(folder, "direct")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600))
    except OSError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    return True


def real_qemus():
    """Binaries of real QEMUs to test against: {version: path}."""
    found = {}
    for path in (shutil.which("qemu-system-x86_64"), os.environ.get("MIGMON_QEMU_10")):
        if path and os.access(path, os.X_OK):
            text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            version = text.split("version ")[1].split()[0]
            found[".".join(version.split(".")[:2])] = path
    return found


def share():
    """MIGMON_TEST_SHARE is N where a test plays every Nth of its cases (1: all)."""
    return int(os.environ.get("MIGMON_TEST_SHARE", "1"))


def by_turns(cases, every=None):
    """A part of @cases, another one each turn: every Nth of them (share()), from one that MIGMON_TEST_TURN chooses. At
    least one."""
    every = min(every or share(), max(len(cases), 1))
    return cases[int(os.environ.get("MIGMON_TEST_TURN", "0")) % every::every]


def run(tests):
    """Runs functions one after another, each in a scene of its own, and prints what they claim. Those named on the
    command line, or a part by turns. A function that is decorated with nothing else takes the scene as its only
    argument."""
    wanted = sys.argv[1:]
    chosen = [test for test in tests if test.__name__ in wanted] if wanted else by_turns(tests)
    if len(chosen) < len(tests) and not wanted:
        print(f"{len(chosen)} of {len(tests)} by turns", flush=True)
    failed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for test in chosen:
        begin = time.monotonic()
        try:
            with scene() as s:
                detail = test(s)
            print(f"ok   {test.__name__} ({time.monotonic() - begin:.1f} s)" + (f": {detail}" if detail else ""),
                  flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAIL {test.__name__}: {failure}", flush=True)
    sys.exit(1 if failed else 0)
