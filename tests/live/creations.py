"""Each place of the program that makes something (descriptor, socket, thread, mapping, file) fails once.

  creations.py [WAY ...]     plays the rows of these ways
  creations.py --list WAY    prints the places that this way reaches, and whether they are in the table

The places come from the built program: every call of a function in CALLS. A place without a row in creations.txt, and a
row without a place, are errors. refuse.c makes the call fail; tests/live/threads.py does the same for the threads that
are made with fault_thread_new().
"""

import concurrent.futures
import errno
import functools
import itertools
import os
import re
import socket
import subprocess
import sys
import time
import zlib

import harness
import pace
import terminal

FOLDER = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(FOLDER, "creations.txt")
JOBS = int(os.environ.get("MIGMON_TEST_JOBS", "4"))

# What makes something, or makes it safe, and may be refused by the system.
CALLS = """open open64 openat openat64 creat fopen fopen64 fdopen opendir socket socketpair accept accept4 bind listen
    getaddrinfo mmap mmap64 mremap memfd_create eventfd eventfd_write poll ppoll epoll_create1 signalfd timerfd_create
    inotify_init1 syscall pthread_create g_thread_new g_thread_try_new fsync fdatasync ftruncate ftruncate64 fallocate
    fallocate64 posix_fallocate posix_fallocate64 dup dup2 dup3 pipe pipe2 posix_spawn posix_spawnp fork vfork pidfd_open
    rename g_file_get_contents g_file_set_contents g_file_set_contents_full g_mkdir_with_parents g_unix_open_pipe
    g_spawn_async g_spawn_sync""".split()
# These abort instead of failing: not to be used.
ABORT = {"g_thread_new"}
# The one place of fault_thread_new(): tests/live/threads.py.
ELSEWHERE = {("backend/base/fault.c", "fault_thread_new", "g_thread_try_new")}


# ---- places ----

@functools.cache
def places():
    """{(file, function, call): [return address, ...]} of the program, in hexadecimal."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", harness.MIGMON], capture_output=True, text=True,
                          check=True).stdout
    called = re.compile(r"^ *([0-9a-f]+):\s+(?:call|jmp)\w*\s.*<(?:%s)@plt>$" % "|".join(f"({c})" for c in CALLS))
    found, lines = [], text.splitlines()
    for line, after in zip(lines, lines[1:]):
        match = "@plt>" in line and called.match(line)
        if match:
            call = next(group for group in match.groups()[1:] if group)
            # No return address where the call is the function's last deed (a jump).
            back = after.split(":")[0].strip() if "call" in line else None
            found.append((match.group(1), call, back))
    names = subprocess.run(["addr2line", "-f", "-e", harness.MIGMON], capture_output=True, text=True, check=True,
                           input="".join(at + "\n" for at, _, _ in found)).stdout.splitlines()
    ret = {}
    for (at, call, back), function, where in zip(found, names[::2], names[1::2]):
        file = re.sub(r"^.*?/\.\./|:.*", "", where)
        if function != "??":
            ret.setdefault((file, function.split(".")[0], call.removesuffix("64")), []).append((where, at, back))
    return ret


def returns(place, number):
    """Return addresses of the @number-th line of source of @place; inlining makes several of one."""
    calls = places()[place]
    lines = sorted({where.split(" ")[0] for where, _, _ in calls}, key=lambda where: int(where.rsplit(":", 1)[1]))
    if number > len(lines):
        raise harness.Failure(f"{place} has {len(lines)} calls")
    return [back for where, _, back in calls if where.split(" ")[0] == lines[number - 1] and back]


# ---- the two sides ----

class Side:
    """How a process of a way is started: with the fault, if it is the one that has it."""

    def __init__(self, s, row, name):
        self.s, self.name = s, name
        self.env = row.environment() if row.side == name else {}

    def start(self, *options, machine=None, memory="8M", capabilities=(), **parameters):
        argv = [harness.MIGMON, "--name", self.name, "--memory", memory, "--machine", machine or workload(),
                "--qmp", f"unix:{self.s.path(self.name + '.qmp')}", *options]
        process = harness.Process(self.s, self.name, argv, self.env)
        self.s.processes.append(process)
        try:
            process.connect()
        except harness.Failure:
            if process.ended() is None or process.ended() < 0:
                raise
            raise Ended(process) from None
        for capability in capabilities:
            process.capability(capability)
        process.set(**parameters)
        return process


class Ended(Exception):
    """A process could not start, and said so."""

    def __init__(self, process):
        super().__init__(f"exit {process.ended()}")
        self.process = process


def workload():
    return pace.stress(pace.calm(), "prefill=on", "seed=3")


OVER = ("completed", "failed", "cancelled", "postcopy-paused")


def asked(process, command, **arguments):
    """None, or the refusal's text."""
    try:
        process.execute(command, **arguments)
    except harness.QmpError as error:
        return str(error)
    return None


def over(process):
    harness.wait_for(f"the attempt of {process.name} is over", lambda: process.status() in OVER)
    return process.status()


def expect(what, found, wanted):
    if found != wanted:
        raise harness.Failure(f"{what}: {found}, expected {wanted}")


def reason(process):
    return process.execute("query-migrate").get("error-desc", "")


class Pair:
    """Two sides that migrate; the outcome in one word."""

    def __init__(self, s, row, src=(), dst=(), kind="unix", uri=None, load=None, capabilities=(), **parameters):
        self.s, self.row, self.parameters = s, row, parameters
        self.uri = {"unix": f"unix:{s.path('m.sock')}", "file": f"file:{s.path('file')}", "tcp": "tcp:127.0.0.1:0",
                    "name": "tcp:localhost:0"}[kind] if uri is None else uri
        self.load = load or self.uri  # where the destination takes it from
        self.file = self.uri.startswith(("file:", "exec:"))
        self.dst = Side(s, row, "dst").start("--incoming", "defer", *dst, capabilities=capabilities)
        self.src = Side(s, row, "src").start(*src, capabilities=capabilities)
        for side in (self.src, self.dst):
            side.set(**parameters)
        self.src.set(max_bandwidth=0)
        self.said = ""  # every reason that was given

    def listen(self):
        text = asked(self.dst, "migrate-incoming", uri=self.load)
        if text is None and self.uri.startswith("tcp"):
            harness.wait_for("the destination listens",
                             lambda: self.dst.execute("query-migrate").get("socket-address") or
                             self.dst.status() == "failed")
            if self.dst.status() != "failed":
                self.target = re.sub(r":\d+$", f":{self.dst.address()['port']}", self.uri)
        return text

    target = None

    def attempt(self):
        """stays, arrives, or refused."""
        if not self.file:
            text = self.listen()
            if text is None and self.dst.status() == "failed":
                text = reason(self.dst)
            if text is not None and "already" not in text:
                self.said += text
                return "refused"
        text = asked(self.src, "migrate", uri=self.target or self.uri)
        if text is not None:
            self.said += text
            expect("owner", (self.src.run_state(), self.src.owner()), ("running", "here"))
            return "refused"
        if over(self.src) != "completed":
            self.said += reason(self.src) + reason(self.dst)
            expect("the source", (self.src.status(), self.src.run_state(), self.src.owner()),
                   ("failed", "running", "here"))
            return "stays"
        if self.file:
            text = self.listen()
            if text is not None:
                self.said += text
                return "kept"  # in the file
            if over(self.dst) != "completed":
                self.said += reason(self.dst)
                return "kept"
        harness.wait_for("the guest runs over there", lambda: self.dst.run_state() == "running")
        expect("the source", self.src.run_state(), "postmigrate")
        self.dst.verify()
        return "arrives"

    def again(self, outcome):
        """What failed once succeeds now."""
        if outcome in ("stays", "refused"):
            expect("the source", (self.src.run_state(), self.src.owner()), ("running", "here"))
            self.src.verify()
        if outcome == "kept":
            self.dst.execute("migrate-incoming", uri=self.load)
            harness.wait_for("the guest runs over there", lambda: self.dst.run_state() == "running")
            self.dst.verify()
        elif outcome != "arrives":
            expect("the second attempt", self.attempt(), "arrives")

    def play(self):
        outcome = self.attempt()
        self.again(outcome)
        return outcome, self.said


def pair(**options):
    def way(s, row):
        made = {key: value(s) if callable(value) else value for key, value in options.items()}
        return Pair(s, row, **made).play()
    return way


# ---- ways ----

def postcopy(*capabilities):
    def way(s, row):
        p = Pair(s, row, capabilities=("postcopy-ram", *capabilities))
        for side in (p.src, p.dst):
            side.execute("query-migrate")
        text = p.listen()
        if text:
            return "refused", text
        p.src.set(max_bandwidth=pace.HELD, max_postcopy_bandwidth=pace.HELD, downtime_limit=0)
        p.src.execute("migrate", uri=p.uri)
        harness.wait_for("it is under way", lambda: p.src.status() in ("active", *OVER))
        if p.src.status() == "active":
            asked(p.src, "migrate-start-postcopy")
            harness.wait_for("it has moved or failed", lambda: p.src.status() in ("postcopy-active", *OVER))
            p.src.set(max_postcopy_bandwidth=0)
        if over(p.src) == "failed":
            p.said = reason(p.src) + reason(p.dst)
            p.src.set(max_bandwidth=0, downtime_limit=300)
            p.again("stays")
            return "stays", p.said
        if p.src.status() == "postcopy-paused":
            p.said = p.src.output() + p.dst.output() + reason(p.src) + reason(p.dst)
            over(p.dst)
            uri = f"unix:{s.path('again.sock')}"
            p.dst.execute("migrate-recover", uri=uri)
            p.src.execute("migrate", uri=uri, resume=True)
            p.src.wait_status("completed")
            p.dst.wait_status("completed")
            p.dst.verify()
            return "pauses", p.said
        p.dst.wait_status("completed")
        p.dst.verify()
        return "arrives", ""
    return way


def snapshot(s, row):
    src = Side(s, row, "src").start(capabilities=("background-snapshot",), max_bandwidth=0)
    uri = f"file:{s.path('file')}"

    def attempt():
        text = asked(src, "migrate", uri=uri)
        if text is None and over(src) == "failed":
            text = reason(src)
        expect("the source", (src.run_state(), src.owner()), ("running", "here"))
        src.verify()
        return text
    said = attempt()
    if said is not None:
        expect("the second attempt", attempt(), None)
    text = src.hmp(f"report {s.path('report.txt')}")
    if "rror" in text:
        expect("the second report", "rror" in src.hmp(f"report {s.path('report.txt')}"), False)
        return "refused", text
    return ("arrives" if said is None else "stays"), said or ""


def reboot(s, row):
    """The memory of the old process is the new one's."""
    options = ("--ram-file", s.memory_path("ram"))
    uri = f"file:{s.path('file')}"
    src = Side(s, row, "src").start(*options, capabilities=("x-ignore-shared",), mode="cpr-reboot")
    text = asked(src, "migrate", uri=uri)
    if text is None and over(src) == "failed":
        text = reason(src)
    if text is not None:
        expect("the source", (src.run_state(), src.owner()), ("running", "here"))
        src.execute("migrate", uri=uri)
        src.wait_status("completed")
    row.log = src.output()
    s.drop(src)
    dst = Side(s, row, "dst").start(*options, "--incoming", "defer", capabilities=("x-ignore-shared",),
                                    mode="cpr-reboot")
    refused = asked(dst, "migrate-incoming", uri=uri)
    if refused is None and over(dst) == "failed":
        refused = reason(dst)
    if refused is not None:
        dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("completed")
    dst.verify()
    row.log += dst.output()
    return ("arrives" if (text or refused) is None else "stays"), text or refused or ""


def requests(s, row):
    """Of a guest that stays."""
    vm = Side(s, row, "vm").start("--smp", "2", machine=pace.stress(pace.calm(), "prefill=on"))
    said = [asked(vm, "set-vcpu-dirty-limit", dirty_rate=100),
            asked(vm, "cancel-vcpu-dirty-limit"),
            asked(vm, "calc-dirty-rate", calc_time=100, calc_time_unit="millisecond"),
            asked(vm, "query-migrationthreads")]
    harness.wait_for("the dirty rate is there", lambda: vm.execute("query-dirty-rate")["status"] != "measuring")
    said = [text for text in said if text]
    expect("the guest", (vm.run_state(), vm.owner()), ("running", "here"))
    vm.verify()
    return ("refused" if said else "arrives"), "".join(said)


def batch(*options, stdin=None, prepare=None):
    """A program that does some commands and ends."""
    def way(s, row):
        chosen = [option.replace("FOLDER", s.dir) for option in options]
        if prepare is not None:
            prepare(s)
        env = {**os.environ, **row.environment(), "XDG_STATE_HOME": s.dir, "XDG_CONFIG_HOME": s.dir}
        done = harness.run_program([harness.MIGMON, "--memory", "8M", *chosen], stdin=stdin, text=True, env=env)
        said = done.stdout + done.stderr
        row.log = said
        if done.returncode < 0:
            raise harness.Failure(f"ended by signal {-done.returncode}: {said}")
        return f"exit-{done.returncode}", said
    return way


def attach(kind, *commands):
    """A second program whose guest is another process."""
    def way(s, row):
        options = ("--qmp", "tcp:127.0.0.1:0") if kind == "tcp" else ()
        vm = s.migmon("vm", *options, memory="8M", machine=workload())
        address = f"unix:{vm.qmp_path}"
        if kind == "tcp":
            vm.wait_log("127.0.0.1:")
            address = "tcp:localhost:" + re.search(r"127\.0\.0\.1:(\d+)", vm.output()).group(1)
        lines = ["-c", "info status"]
        if kind == "check":
            dst = s.migmon("dst", "--incoming", "defer", memory="8M", machine=workload())
            lines = ["-c", f"peer unix:{dst.qmp_path}", "-c", "migrate_check tcp:127.0.0.1:0",
                     "-c", f"migrate_check unix:{s.path('m.sock')}"]
        done = harness.run_program([harness.MIGMON, "--connect", address, *lines], text=True,
                                   env={**os.environ, **row.environment()})
        row.log = done.stdout + done.stderr
        if done.returncode < 0:
            raise harness.Failure(f"ended by signal {-done.returncode}: {row.log}")
        return f"exit-{done.returncode}", row.log
    return way


def stranger(s, row):
    """One that says half a word comes first."""
    p = Pair(s, row)
    p.listen()
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(s.path("m.sock"))
        other.sendall(b"QE")
    return p.play()


def pipe(s, row):
    """A pipe that the monitors' client has made."""
    p = Pair(s, row, uri="fd:pipe")
    for side, end in zip((p.dst, p.src), os.pipe()):
        side.qmp.execute("getfd", fds=[end], fdname="pipe")
        os.close(end)
    return p.play()


def fifo(s, row):
    os.mkfifo(s.path("fifo"))
    p = Pair(s, row, uri=f"file:{s.path('fifo')}")
    p.file = False
    p.src_owner = "unknown (commit sent)"
    return p.play()


def screen(s, row):
    """The prompt and the dashboard."""
    try:
        t = terminal.Terminal(s, "vm", memory="8M", width=100, height=30, env=row.environment())
    except harness.Failure:
        t = s.processes[-1]
        if not t.ended():
            raise
        return f"exit-{t.ended()}", t.screen() + t.output()
    t.shows(r"^\(migmon\)")
    t.type("dashboard")
    t.keys("Enter")
    opened = harness.wait_for("the dashboard or an error", lambda: re.search(
        "^Error: |^1", t.screen() + "\n" + t.tmux("display", "-p", "-t", "vm", "#{alternate_on}"), re.MULTILINE))
    shown = t.screen()
    if opened.group() == "1":
        def exported():
            t.keys("x")
            return re.search(r"exported \d+|export: ", t.screen())
        harness.wait_for("the export is told", exported, every=0.2)
        shown += t.screen()
        t.keys("q")
    row.log = t.output()
    t.verify()
    told = os.strerror(getattr(errno, getattr(row, "errno", "EPERM"))) in shown
    return "refused" if told else "arrives", shown


def write(name, text=""):
    def prepare(s):
        with open(s.path(name), "w") as file:
            file.write(text)
    return prepare


def old_socket(name):
    def prepare(s):
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(s.path(name))
    return prepare


WAYS = {
    "unix": pair(),
    "tcp": pair(kind="tcp"),
    "name": pair(kind="name"),
    "multifd": pair(capabilities=("multifd",), multifd_channels=2),
    "xbzrle": pair(capabilities=("xbzrle",)),
    "sync": pair(src=("--tracker=sync",)),
    "zerocopy": pair(kind="tcp", capabilities=("multifd", "zero-copy-send")),
    "file": pair(kind="file"),
    "mapped": pair(kind="file", capabilities=("mapped-ram",)),
    "direct": pair(kind="file", capabilities=("mapped-ram",), direct_io=True),
    "ram-file": pair(src=lambda s: ("--ram-file", s.memory_path("src.ram")),
                     dst=lambda s: ("--ram-file", s.memory_path("dst.ram"))),
    "postcopy": postcopy(),
    "preempt": postcopy("postcopy-preempt"),
    "snapshot": snapshot,
    "reboot": reboot,
    "requests": requests,
    "exec": pair(uri=lambda s: f"exec:cat > {s.path('out')}", load=lambda s: f"exec:cat {s.path('out')}"),
    "fifo": fifo,
    "stale": lambda s, row: (old_socket("m.sock")(s), Pair(s, row).play())[1],
    "stranger": stranger,
    "pipe": pipe,
    "reserve": pair(src=lambda s: ("--prealloc", "--ram-file", s.memory_path("src.ram"))),
    "attach": attach("unix"),
    "attach-tcp": attach("tcp"),
    "check": attach("check"),
    "terminal": screen,
    "monitors-stale": batch("--qmp", "unix:FOLDER/qmp", "-c", "info name", prepare=old_socket("qmp")),
    "batch": batch("--batch", "FOLDER/batch", prepare=write("batch", "info name\n")),
    "monitors": batch("--monitor", "unix:FOLDER/hmp", "--qmp", "unix:FOLDER/qmp", "-c", "info name"),
    "monitors-tcp": batch("--monitor", "tcp:127.0.0.1:0", "-c", "info name"),
}


# ---- the table ----

class Row:
    def __init__(self, line):
        file, function, call, self.errno, self.way, self.side, nth, self.outcome = line.split(None, 7)
        name, _, number = call.partition("#")
        self.place, self.number = (file, function, name), int(number or 1)
        self.nth = int(nth)
        self.log = None
        self.key = f"{function} {call} {self.errno} {self.way} {self.side} {nth}"

    def environment(self):
        preload = {"LD_PRELOAD": os.environ["MIGMON_REFUSE_LIBRARY"],
                   "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}
        code = getattr(errno, self.errno)
        return {**preload, "MIGMON_REFUSE": f"{self.nth}:{code}:{','.join(returns(self.place, self.number))}"}


class Recorder(Row):
    """A row that makes nothing fail and prints what is reached."""

    def __init__(self, way, side):
        self.way, self.side, self.key, self.log = way, side, way, None

    def environment(self):
        return {"LD_PRELOAD": os.environ["MIGMON_REFUSE_LIBRARY"], "MIGMON_REFUSE": "list",
                "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}


def read_table():
    """(rows, places that nothing can make fail here)."""
    rows, untried = [], set()
    with open(TABLE) as file:
        for line in file:
            line = line.split("#  ")[0].strip()
            if not line or line.startswith("#"):
                continue
            words = line.split(None, 4)
            if words[3] == "-":
                untried.add((tuple(words[:2]) + (words[2].partition("#")[0],), int(words[2].partition("#")[2] or 1)))
            else:
                rows.append(Row(line))
    return rows, untried


def complaints_of_places(rows, untried):
    listed = {(row.place, row.number) for row in rows} | untried
    ret = []
    for place, calls in places().items():
        if place[2] in ABORT:
            ret.append(f"{' '.join(place)} aborts when it fails: use what reports an error")
        if place in ELSEWHERE:
            continue
        lines = len({where.split(" ")[0] for where, _, _ in calls})
        ret += [f"no row for {' '.join(place)}{f'#{n}' if n > 1 else ''}" for n in range(1, lines + 1)
                if (place, n) not in listed]
    ret += [f"no such place: {' '.join(place)}" for place, _ in listed if place not in places()]
    return ret


NOT_REACHED = "the place was not reached"


def play(row):
    """What went wrong, or None. A thread that gets no processor may not come to the place before all is over."""
    for _ in range(5):
        wrong = play_once(row)
        if wrong is None or not wrong.endswith(NOT_REACHED):
            break
    return wrong


def play_once(row):
    try:
        with harness.scene() as s:
            try:
                found, said = WAYS[row.way](s, row)
            except Ended as ended:
                found, said = str(ended).replace(" ", "-"), ended.process.output()
                s.processes.remove(ended.process)
                ended.process.process.stdin.close()
            logs = "".join([row.log or "", said, *(process.output() for process in s.processes)])
            if "Sanitizer" in logs or "runtime error:" in logs:
                return f"{row.key}: {logs}"
            if f"refused: {row.place[2]}" not in logs:
                return f"{row.key}: {NOT_REACHED}"
            # An outcome that is no success names its cause.
            if found not in ("arrives", "exit-0") and os.strerror(getattr(errno, row.errno)) not in said + logs.replace(
                    "refused:", ""):
                return f"{row.key}: {found}, and no reason is told: {said or logs}"
            if found not in row.outcome.split("|"):
                return f"{row.key}: {found}, expected {row.outcome}: {said}"
    except (harness.Failure, OSError) as failure:
        return f"{row.key}: {failure}"
    return None


def show(way):
    known, _ = read_table()
    by_return = {back: (place, where) for place, calls in places().items() for where, _, back in calls}
    for side in ("src", "dst", "vm"):
        row = Recorder(way, side)
        logs = ""
        with harness.scene() as s:
            try:
                print(WAYS[way](s, row))
            except harness.Failure as failure:
                print(failure)
            logs = row.log or "".join(process.output() for process in s.processes)
        counts = {}
        for back in re.findall("reached: ([0-9a-f]+)", logs):
            counts[back] = counts.get(back, 0) + 1
        for back, count in counts.items():
            place, where = by_return.get(back, ((back, "", ""), ""))
            print(f"{way} {side} {' '.join(place)} x{count} {where.rsplit(':', 1)[-1]}"
                  f"{'' if any(row.place == place for row in known) else '  NEW'}")


def main():
    if sys.argv[1:2] == ["--list"]:
        for way in sys.argv[2:]:
            show(way)
        return
    rows, untried = read_table()
    complaints = complaints_of_places(rows, untried)
    rows.sort(key=lambda row: zlib.crc32(row.key.encode()))
    chosen = [row for row in rows if row.way in sys.argv[1:]] if sys.argv[1:] else harness.by_turns(rows)
    began, failed = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for complaint in itertools.chain(complaints, filter(None, pool.map(play, chosen))):
            print(f"FAIL {complaint}", flush=True)
            failed += 1
    print(f"{len(places())} places, {len(rows)} rows, {len(chosen)} of them played in {time.monotonic() - began:.0f} s; "
          f"{len(untried)} cannot be made to fail")
    sys.exit(1 if failed else 0)


main()
