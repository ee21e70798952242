"""What strangers, full devices and small limits do: it is bounded, said in a sentence, and nobody's guest suffers."""

import os
import resource
import socket
import subprocess

import harness
import pace


def workload():
    return pace.stress(pace.calm(), "prefill=on", "seed=4")


def strangers_do_not_fill_the_log(s):
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory="8M", machine=workload())
    count = 2000

    def knock():
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(path)
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
    for _ in range(count):
        knock()
    harness.wait_for("the rest is told as a number", lambda: " more like it)" in dst.output())
    src = s.migmon("src", memory="8M", machine=workload())
    src.unlimited()
    src.execute("migrate", uri=f"unix:{path}")
    harness.arrived(src, dst)
    lines = dst.output().count("dropped a connection")
    if lines > count // 10:
        raise harness.Failure(f"{lines} lines for {count} strangers")
    return f"{lines} lines, {len(dst.output())} bytes for {count} strangers"


def capabilities_right_after_an_arrival(s):
    path = s.path("m.sock")
    for turn in range(10):
        src = s.migmon(f"src{turn}", memory="8M", machine=workload())
        dst = s.migmon(f"dst{turn}", "--incoming", "defer", memory="8M", machine=workload())
        src.unlimited()
        dst.execute("migrate-incoming", uri=f"unix:{path}")
        src.execute("migrate", uri=f"unix:{path}")
        harness.wait_for("it is completed", lambda: dst.status() == "completed", every=0)
        dst.capability("multifd")
        s.drop(src)
        s.drop(dst)


def descriptors_with_a_name_are_bounded(s):
    vm = s.migmon("vm", memory="8M", machine="none")
    with open(os.devnull) as null:
        for i in range(128):
            vm.qmp.execute("getfd", fds=[null.fileno()], fdname=f"n{i}")
        before = len(os.listdir(f"/proc/{vm.pid}/fd"))
        for i in range(50):
            try:
                vm.qmp.execute("getfd", fds=[null.fileno()], fdname=f"more{i}")
            except harness.QmpError as error:
                if "closefd" not in str(error):
                    raise
            else:
                raise harness.Failure("a 129th descriptor has a name")
        vm.qmp.execute("getfd", fds=[null.fileno()], fdname="n5")  # takes the place of the older one
        after = len(os.listdir(f"/proc/{vm.pid}/fd"))
        if after != before:
            raise harness.Failure(f"{before} descriptors, then {after}")
        vm.execute("closefd", fdname="n7")
        vm.qmp.execute("getfd", fds=[null.fileno()], fdname="more")


def few_descriptors(s):
    """The program starts, or says why it does not."""
    found = []
    for limit in range(4, 16):
        done = subprocess.run([harness.MIGMON, "--memory", "8M", "--machine", "none", "-c", "migrate file:" + s.path("f")],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              preexec_fn=lambda n=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))
        if done.returncode < 0 or done.returncode > 100 or (done.returncode and "Too many open files" not in
                                                            done.stdout + done.stderr):
            raise harness.Failure(f"ulimit -n {limit}: {done.returncode} {done.stdout} {done.stderr}")
        found.append(done.returncode)
    return f"exit codes {found}"


def full_output(s):
    """A migration that is completed stays so when nobody could read about it."""
    with open("/dev/full", "w") as full:
        def run(*lines):
            commands = [word for line in lines for word in ("-c", line)]
            return subprocess.run([harness.MIGMON, "--memory", "8M", "--machine", workload(), "--json", *commands],
                                  stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        moved, asked = run(f"migrate file:{s.path('f')}"), run("info status")
    for done, wanted in ((moved, 0), (asked, 3)):
        if done.returncode != wanted or "not all of the output could be written" not in done.stderr:
            raise harness.Failure(f"exit {done.returncode}, expected {wanted}: {done.stderr}")


def ram_file_without_room(s):
    """A page of the RAM file that is not there (as on a full file system): the kernel ends the process, which says why."""
    path = s.memory_path("ram")
    vm = s.migmon("vm", "--ram-file", path, memory="8M", machine=pace.stress(pace.calm(), "seed=4"))
    vm.written(10)
    os.truncate(path, 0)
    harness.wait_for("the process has ended", lambda: vm.ended() is not None, progress=vm.output)
    s.processes.remove(vm)
    vm.process.stdin.close()
    if "no room for a page of the RAM file" not in vm.output():
        raise harness.Failure(f"ended with {vm.ended()}: {vm.output()}")


def file_that_is_not_whole(s):
    """What an attempt that failed has done to its file is told; a file that was cut names its own size."""
    src = s.migmon("src", memory="8M", machine=workload())
    uri = f"file:{s.path('old')}"
    src.unlimited()
    src.capability("mapped-ram")
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    os.truncate(s.path("old"), 2 << 20)
    dst = s.migmon("dst", "--incoming", "defer", memory="8M", machine=workload())
    dst.capability("mapped-ram")
    dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("failed")
    text = dst.execute("query-migrate")["error-desc"]
    if f"has {2 << 20} bytes" not in text:
        raise harness.Failure(text)
    again = s.migmon("again", memory="8M", machine=workload())
    again.hold()
    again.execute("migrate", uri=uri)
    again.wait_status("active")
    again.execute("migrate_cancel")
    again.wait_status("cancelled")
    again.wait_log("what it held before is lost")


harness.run([
    ram_file_without_room,
    file_that_is_not_whole,
    strangers_do_not_fill_the_log,
    capabilities_right_after_an_arrival,
    descriptors_with_a_name_are_bounded,
    few_descriptors,
    full_output,
])
