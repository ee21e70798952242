"""Processes and monitors for the tests that run the built program.

A test is a program of its own: it makes a Scene, starts migmons (or a real QEMU) in it, drives them over
QMP and HMP, and fails by an exception. Every wait has a bound that only ever ends a broken run: nothing
is asserted about time. The Scene ends what it started, by pid, and removes its folder.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

MIGMON = os.environ.get("MIGMON", "migmon")
PATIENCE = float(os.environ.get("MIGMON_TEST_PATIENCE", "60"))


class Failure(Exception):
    pass


def skip(reason):
    """Ends the test as skipped (meson's exit code 77)."""
    print(f"skipped: {reason}")
    sys.exit(77)


def wait_for(what, condition, patience=PATIENCE):
    """Polls until condition() is true; its value is returned."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"gave up waiting until {what}")
        time.sleep(0.01)


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
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.greeting = self._read()
        self.execute("qmp_capabilities")

    def _read(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
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

    def __init__(self, scene, name, argv, env=None):
        self.scene = scene
        self.name = name
        self.argv = argv
        self.qmp_path = scene.path(f"{name}.qmp")
        self.log = scene.path(f"{name}.log")
        with open(self.log, "ab") as log:
            # Standard input is an open pipe that never says anything.
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log,
                                            env={**os.environ, **(env or {})})
        self.qmp = None

    @property
    def pid(self):
        return self.process.pid

    def connect(self):
        def attempt():
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended with {self.process.returncode}: {self.output()}")
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

    def wait_status(self, *wanted):
        def look():
            status = self.status()
            if status in wanted:
                return status
            if status in ("failed", "cancelled", "completed"):
                raise Failure(f"{self.name}: migration {status}, expected {'/'.join(wanted)}: "
                              f"{self.execute('query-migrate').get('error-desc')}\n{self.output()}")
            return None
        return wait_for(f"{self.name} is {'/'.join(wanted)} (now {self.status()})", look)

    def wait_run_state(self, wanted):
        wait_for(f"{self.name} is {wanted} (now {self.run_state()})", lambda: self.run_state() == wanted)

    def verify(self):
        """Proof of the copy; returns the number of steps its vCPUs have done."""
        report = self.execute("x-guest-verify")
        if not report["ok"]:
            raise Failure(f"{self.name}: {json.dumps(report, indent=1)}")
        return report["steps"]

    def signal(self, number):
        os.kill(self.pid, number)

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
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failure(f"{self.name} did not end on SIGTERM") from None
        self.process.stdin.close()
        check_sanitizer(self)


def shadows_memory():
    """A build with the thread sanitizer has a shadow of the guest's memory, which counts as the process's own."""
    with open(MIGMON, "rb") as program:
        return b"__tsan_init" in program.read()


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
        self.processes = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def migmon(self, name, *options, fault=None, memory="64M", machine="stress", start=True):
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
        errors = []
        for process in reversed(self.processes):
            try:
                process.close()
            except Failure as failure:
                errors.append(str(failure))
        shutil.rmtree(self.dir, ignore_errors=True)
        if errors:
            raise Failure("\n".join(errors))


@contextlib.contextmanager
def scene():
    s = Scene()
    try:
        yield s
    except BaseException:
        for process in s.processes:
            print(f"--- {process.name} {process.argv}\n{process.output()}", file=sys.stderr)
        with contextlib.suppress(Failure):
            s.close()
        raise
    s.close()


def real_qemus():
    """Binaries of real QEMUs to test against: {version: path}."""
    found = {}
    for path in (shutil.which("qemu-system-x86_64"), os.environ.get("MIGMON_QEMU_10")):
        if path and os.access(path, os.X_OK):
            text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            version = text.split("version ")[1].split()[0]
            found[".".join(version.split(".")[:2])] = path
    return found


def run(tests):
    """Runs functions one after another, each in a scene of its own, and prints what they claim. A function
    that is decorated with nothing else takes the scene as its only argument."""
    wanted = sys.argv[1:]
    failed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        try:
            with scene() as s:
                detail = test(s)
            print(f"ok   {test.__name__}" + (f": {detail}" if detail else ""), flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAIL {test.__name__}: {failure}", flush=True)
    sys.exit(1 if failed else 0)
