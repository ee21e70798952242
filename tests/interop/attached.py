"""What an attached QEMU does beside a migration of ours: objects, snapshots, migrations of others, files, events."""

import json
import re
import signal
import struct

import harness
import pace
import real_guest
from terminal import Terminal

CLUSTER = 65536


def disk(s):
    """A drive that can hold snapshots: an empty qcow2 image, written here."""
    path = s.path("disk.qcow2")
    header = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", 2, 0, 0, 16, 64 << 20, 0, 1, 3 * CLUSTER, CLUSTER, 1, 0, 0)
    parts = [header, struct.pack(">Q", 2 * CLUSTER), struct.pack(">4H", 1, 1, 1, 1), b""]
    with open(path, "wb") as file:
        for part in parts:
            file.write(part.ljust(CLUSTER, b"\0"))
    return ["-drive", f"file={path},format=qcow2,if=none,id=disk0,node-name=node0"]


class Attached:
    """A QEMU with a second monitor for somebody else, and a migmon that drives it."""

    def __init__(self, s, binary, *options, writes=False):
        start = real_guest.start_writing if writes else real_guest.start
        other = s.path("other.qmp")
        self.qemu = start(s, binary, "q", *disk(s), "-qmp", f"unix:{other},server=on,wait=off")
        harness.wait_for("the second monitor listens", lambda: real_guest.is_listening(other),
                         progress=lambda: harness.cpu_ticks(self.qemu.pid))
        self.other = harness.Qmp(other, self.qemu)
        self.monitor = harness.Monitor(s, "--connect", f"unix:{self.qemu.qmp_path}", "--peer-timeout", "600", *options)

    def run(self, *lines):
        return self.monitor.run(*lines)

    def save_elsewhere(self, tag):
        """Somebody else's snapshot, as a job; until it is over."""
        self.other.execute("snapshot-save", job_id=tag, tag=tag, vmstate="node0", devices=["node0"])

        def concluded():
            return [job for job in self.other.execute("query-jobs") if job["status"] == "concluded"]
        for job in harness.wait_for("the snapshot is saved", concluded):
            if "error" in job:
                raise harness.Failure(job["error"])
            self.other.execute("job-dismiss", id=job["id"])


def need(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text, re.M):
            raise harness.Failure(f"/{pattern}/ is not in:\n{text}")


def forbid(text, *patterns):
    for pattern in patterns:
        if re.search(pattern, text, re.M):
            raise harness.Failure(f"/{pattern}/ is in:\n{text}")


def objects_have_the_types_of_its_schema(s, binary):
    a = Attached(s, binary)
    lines = ["tls-creds-anon,id=t0,endpoint=server,verify-peer=yes",
             "memory-backend-ram,id=m0,size=16M,prealloc=on,share=off",
             "iothread,id=i0,poll-max-ns=32768",
             "secret,id=s0,data=12345",
             "rng-builtin,id=r0",
             "authz-list,id=a0,policy=deny,rules.0.match=fred,rules.0.policy=allow,rules.0.format=exact"]
    for line in lines:
        forbid(a.run(f"object_add {line}"), "Error")
    found = {(each["name"], each["type"]) for each in a.other.execute("qom-list", path="/objects")}
    for line in lines:
        kind, name = line.split(",id=")[0], line.split(",id=")[1].split(",")[0]
        if (name, f"child<{kind}>") not in found:
            raise harness.Failure(f"{line} made no object: {found}")

    def is_now(path, name, wanted):
        value = a.other.execute("qom-get", path=path, property=name)
        if value != wanted:
            raise harness.Failure(f"{path}.{name} is {value!r}, not {wanted!r}")
    is_now("/objects/t0", "verify-peer", True)
    is_now("/objects/m0", "size", 16 << 20)
    is_now("/objects/m0", "share", False)
    is_now("/objects/i0", "poll-max-ns", 32768)
    is_now("/objects/a0", "rules", [{"match": "fred", "policy": "allow", "format": "exact"}])
    # What does not fit is refused in QEMU's words.
    need(a.run("object_add iothread,id=i1,poll-max-ns=many"),
         "^Error: Invalid parameter type for 'poll-max-ns', expected: integer")
    need(a.run("object_add nonsense,id=n0"), "^Error: .*nonsense")
    return f"{len(lines)} objects"


def snapshots_are_listed_and_deleted(s, binary):
    a = Attached(s, binary)
    need(a.run("info snapshots"), "^There is no snapshot available")
    forbid(a.run("savevm one"), "Error", "migration")
    need(a.run("info snapshots"), "^List of snapshots", r"^\S+ +one ")
    need(a.run("delvm other"), "^hint: there is no snapshot 'other', nothing was deleted")
    need(a.run("info snapshots"), r"^\S+ +one ")
    need(a.run("delvm one"), "^hint: the snapshot 'one' was deleted from .*disk.qcow2")
    need(a.run("info snapshots"), "^There is no snapshot available")


def a_snapshot_is_no_migration(s, binary):
    """Saved by us and by somebody else, of a guest that runs and of one that is paused."""
    a = Attached(s, binary, "--plain", writes=True)
    a.run("savevm first", "migrate_set_capability events on")
    for state in "running", "paused":
        a.run("cont" if state == "running" else "stop")
        for who, save in (("here", lambda tag: a.run(f"savevm {tag}")), ("elsewhere", a.save_elsewhere)):
            before = len(a.monitor.output())
            save(f"{who}-{state}")
            a.monitor.await_text("the snapshot is announced", lambda text, start=before: re.search(
                f"^a snapshot of the guest was saved; guest {state} at the source", text[start:], re.M))
            text = a.run("info migrate", "info status")
            need(text, f"^VM status: {state}", f"^owner: here .*guest {state}", "^outcome: a snapshot of the guest")
    forbid(a.monitor.output(), "^migration .*completed", "^The migration .* is completed")


def a_migration_of_somebody_else(s, binary):
    a = Attached(s, binary, "--plain", writes=True)
    sink = f"exec:cat >{s.path('sink')}"
    a.run(f"migrate_set_parameter max-bandwidth {pace.HELD}B", "migrate_set_capability events on")
    # One of ours first: its address says nothing about the next one.
    a.run(f'migrate -d "{sink}"', "wait active", "migrate_cancel", "wait cancelled")
    a.monitor.says(r"^The migration to exec:cat \S+ is cancelled")
    before = len(a.monitor.output())
    a.other.execute("migrate", uri=sink)
    a.monitor.await_text("it is described", lambda text: re.search(
        r"^The migration started elsewhere is active", text[before:], re.M))
    a.other.execute("migrate_cancel")
    a.monitor.await_text("its end is described", lambda text: re.search(
        r"^migration started elsewhere cancelled; guest running at the source", text[before:], re.M))
    forbid(a.monitor.output()[before:], "migration to", "dirties 0 B")


def a_guest_in_a_file(s, binary):
    a = Attached(s, binary, "--plain", writes=True)
    if a.other.greeting["QMP"]["version"]["qemu"]["major"] < 9:
        return "this QEMU has no file:"
    path = s.path("saved")
    a.run(f"migrate_set_parameter downtime-limit {harness.LONG_PAUSE}", "migrate_set_parameter max-bandwidth 1G")
    before = len(a.monitor.output())
    text = a.run(f"migrate file:{path}", "assert owner == none", "info migrate")
    need(text, rf"^outcome: the guest was saved in {path}: all is written; it runs where this file is loaded",
         r"^owner: none \(all is written; it runs where this file is loaded")
    forbid(a.monitor.output()[before:], "unknown", "dirties 0 B", " 0 B were dirtied")
    # The closing line counts what info migrate lists; a migration that is over before anybody looks has no list.
    passes = re.search(r"^passes: (\d+)", text, re.M)
    need(text, rf"sent in {passes.group(1)} pass(es)?; guest: none" if passes else r"sent, \d+ dirty syncs?; guest: none")


def events_of_the_first_moment_arrive(s, binary):
    """A client asks for a job before the QEMU has been asked the first questions, and sees the job's end."""
    a = Attached(s, binary)
    a.run("disconnect")
    a.qemu.signal(signal.SIGSTOP)  # it greets only when the client is there
    second = harness.Monitor(s, "--connect", f"unix:{a.qemu.qmp_path}", "--peer-timeout", "600", name="second",
                             first=False)
    client = second.connect().qmp
    a.qemu.signal(signal.SIGCONT)

    def taken():
        try:
            client.execute("snapshot-save", job_id="early", tag="early", vmstate="node0", devices=["node0"])
        except harness.QmpError as error:
            if "not connected" in error.error["desc"]:
                return False  # it has not greeted yet
            raise
        return True
    harness.wait_for("the job is taken", taken, every=0)
    seen = set()

    def concluded():
        seen.update(event["data"]["status"] for event in client.poll_events()
                    if event["event"] == "JOB_STATUS_CHANGE" and event["data"]["id"] == "early")
        return "concluded" in seen
    harness.wait_for("the end of the job is announced", concluded, progress=lambda: len(seen))
    if "created" not in seen:
        raise harness.Failure(f"events are missing: {sorted(seen)}")


def observing_offers_nothing_that_is_refused(s, binary):
    a = Attached(s, binary)
    a.run("disconnect")
    screen = Terminal(s, "screen", "--connect", f"unix:{a.qemu.qmp_path}", "--peer-timeout", "600", "--observe",
                      "--dashboard")
    screen.shows("guest is here")
    for key in "c+-dp":
        screen.keys(key)
        screen.shows(rf"^{re.escape(key)}: --observe changes nothing")
    screen.keys("F2")
    screen.keys("Enter")
    screen.shows("^Enter: --observe changes nothing")


def findings_are_printed_once(s, binary):
    a = real_guest.start(s, binary, "a")
    b = real_guest.start(s, binary, "b", "-incoming", "defer", smp=2)
    done = harness.run_program([harness.MIGMON, "--peer-timeout", "600", "--connect", f"unix:{a.qmp_path}",
                                "--peer", f"unix:{b.qmp_path}", "-c", "migrate_check"], text=True)
    both = done.stdout + done.stderr
    if done.returncode == 0 or both.count("vCPUs: found 2") != 1:
        raise harness.Failure(f"exit {done.returncode}:\n{both}")
    need(done.stderr, "migrate_check: check: 1 errors, 0 warnings")


def tests():
    for version, binary in harness.real_qemus().items():
        for one in (objects_have_the_types_of_its_schema, snapshots_are_listed_and_deleted, a_snapshot_is_no_migration,
                    a_migration_of_somebody_else, a_guest_in_a_file, events_of_the_first_moment_arrive,
                    observing_offers_nothing_that_is_refused, findings_are_printed_once):
            def test(s, one=one, binary=binary):
                return one(s, binary)
            test.__name__ = f"{one.__name__}_{version}"
            yield test


if __name__ == "__main__":
    if not harness.real_qemus():
        harness.skip("no QEMU is installed")
    harness.run(list(tests()))
