"""A background snapshot holds the guest as it was when it began, however long the writing takes and whatever the guest
does meanwhile; and the guest does not wait for it."""

import os

import harness
import pace

WORKLOAD = pace.stress(0, "prefill=on", "seed=5")
MEMORY = pace.SMALL
PAGES = int(MEMORY.rstrip("M")) * 256


def expect(what, found, wanted):
    if found != wanted:
        raise harness.Failure(f"{what}: {found}, expected {wanted}")


def refused(process, command, part, **arguments):
    try:
        process.execute(command, **arguments)
    except harness.QmpError as error:
        if part not in str(error):
            raise
        return
    raise harness.Failure(f"{process.name}: {command} was not refused")


def vm(s, name="src", *options, **more):
    src = s.migmon(name, "--smp", "2", *options, memory=MEMORY, machine=WORKLOAD, **more)
    src.written(2 * PAGES)  # all its pages once
    src.capability("background-snapshot")
    src.capability("events")
    return src


def load(s, uri, name="dst", memory=MEMORY, paused=True):
    """The steps that its vCPUs had done."""
    dst = s.migmon(name, "--smp", "2", *(["--paused"] if paused else []), "--incoming", uri, memory=memory,
                   machine=WORKLOAD)
    dst.wait_status("completed")
    return dst, dst.verify()


def story(process):
    return [event.get("data", {}).get("status", event["event"]) for event in process.qmp.poll_events()
            if event["event"] in ("MIGRATION", "STOP", "RESUME", "MIGRATION_PASS")]


def of_the_moment_it_began(s):
    """Held after its first pages, with a guest that rewrites its memory meanwhile."""
    src = vm(s, fault="src-pass-1=hold")
    path = s.path("snapshot")
    src.set(max_bandwidth=0)
    before = src.verify()
    src.execute("migrate", uri=f"file:{path}")
    src.wait_log("held at src-pass-1")
    after = src.verify()
    # Most pages that are still to come are overwritten now; they are saved as they were.
    src.written(after + PAGES)
    expect("status", src.status(), "active")
    expect("run state", src.run_state(), "running")
    src.execute("x-fault-release")
    src.wait_status("completed")
    end = src.verify()
    expect("events", story(src), ["setup", "active", "STOP", "RESUME", "completed"])
    expect("run state", src.run_state(), "running")
    expect("owner", src.owner(), "here")
    ram = src.execute("query-migrate")["ram"]
    expect("every page once", ram["normal"] + ram["duplicate"], PAGES)
    _, steps = load(s, f"file:{path}")
    if not before <= steps <= after:
        raise harness.Failure(f"the snapshot has {steps} steps, the guest had {before} to {after} at the start")
    src.written(end + 1)
    return f"{steps} steps in the snapshot, {end} in the guest at its end"


def the_guest_does_not_wait_for_a_reader_that_stands(s):
    """exec: to a child that reads nothing for a while: every page can be written all the same."""
    src = vm(s)
    fifo, path = s.path("go"), s.path("snapshot")
    os.mkfifo(fifo)
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=f"exec:read line < {fifo}; cat > {path}")
    harness.wait_for("the moment is taken", lambda: "RESUME" in story(src))
    begun = src.verify()
    src.written(begun + 2 * PAGES)
    expect("status", src.status(), "active")
    with open(fifo, "w") as go:
        go.write("\n")
    src.wait_status("completed")
    _, steps = load(s, f"file:{path}")
    if steps > begun:
        raise harness.Failure(f"{steps} steps in the snapshot, {begun} after its start")
    history = src.execute("x-query-migrate-history")
    return f"pause {history['downtime']['total-us'] / 1000:.1f} ms; {history['outcome'].split('(')[1].split(')')[0]}"


def again_and_again(s):
    src = vm(s)
    src.set(max_bandwidth=0)
    last = 0
    for i in range(3):
        src.execute("migrate", uri=f"file:{s.path('snapshot')}")
        src.wait_status("completed")
        dst, steps = load(s, f"file:{s.path('snapshot')}", f"dst{i}")
        s.drop(dst)
        if steps <= last:
            raise harness.Failure(f"{steps} steps after {last}")
        last = steps
    # And then it leaves as any guest does.
    src.capability("background-snapshot", False)
    src.unlimited()
    dst = s.migmon("dst", "--smp", "2", "--incoming", f"unix:{s.path('m')}", memory=MEMORY, machine=WORKLOAD)
    src.execute("migrate", uri=f"unix:{s.path('m')}")
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()


def of_a_guest_that_stands(s):
    src = vm(s)
    src.execute("stop")
    src.set(max_bandwidth=0)
    steps = src.verify()
    src.execute("migrate", uri=f"file:{s.path('snapshot')}")
    src.wait_status("completed")
    expect("events", story(src), ["STOP", "setup", "active", "completed"])
    expect("run state", src.run_state(), "paused")
    dst, there = load(s, f"file:{s.path('snapshot')}", paused=False)
    expect("steps", there, steps)
    expect("run state", dst.run_state(), "paused")
    src.execute("cont")
    expect("run state", src.run_state(), "running")


def stopped_and_continued_meanwhile(s):
    src = vm(s)
    src.set(max_bandwidth=pace.narrow())
    src.execute("migrate", uri=f"file:{s.path('snapshot')}")
    harness.wait_for("the moment is taken", lambda: "RESUME" in story(src))
    for _ in range(3):
        src.execute("stop")
        expect("run state", src.run_state(), "paused")
        src.execute("cont")
        expect("run state", src.run_state(), "running")
    src.set(max_bandwidth=0)
    src.wait_status("completed")
    load(s, f"file:{s.path('snapshot')}")


def in_huge_holes(s):
    """Memory that was never written costs nothing, before and after the moment."""
    src = s.migmon("src", "--smp", "2", memory="4G", machine=pace.stress(pace.brisk(), "set=8M", "seed=5"))
    src.written()
    src.capability("background-snapshot")
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=f"file:{s.path('snapshot')}")
    src.wait_status("completed")
    size = os.path.getsize(s.path("snapshot"))
    load(s, f"file:{s.path('snapshot')}", memory="4G")
    src.verify()
    return f"{size >> 20} MiB"


def refusals(s):
    src = vm(s)
    path = s.path("m.sock")
    dst = s.migmon("dst", "--smp", "2", "--incoming", f"unix:{path}", memory=MEMORY, machine=WORKLOAD)
    refused(src, "migrate", "file:, exec: or fd: only", uri=f"unix:{path}")
    for name in ("return-path", "pause-before-switchover", "validate-uuid"):
        refused(src, "migrate-set-capabilities", f"Background-snapshot is not compatible with {name}",
                capabilities=[{"capability": name, "state": True}])
    src.capability("x-ignore-shared")
    refused(src, "migrate", "not compatible with x-ignore-shared", uri=f"file:{s.path('nowhere')}")
    src.capability("x-ignore-shared", False)
    src.set(mode="cpr-reboot")
    refused(src, "migrate", "not compatible with mode cpr-reboot", uri=f"file:{s.path('nowhere')}")
    expect("query-migrate", src.execute("query-migrate"), {})
    expect("destination", dst.status(), "setup")


def memory_has_one_watcher(s):
    """A measurement and a snapshot need the same thing of the kernel: who comes second is told, and nothing is lost."""
    src = vm(s)
    src.execute("calc-dirty-rate", calc_time=60, mode="dirty-bitmap")
    src.execute("migrate", uri=f"file:{s.path('snapshot')}")
    src.wait_status("failed")
    text = src.execute("x-query-migrate-history")["outcome"]
    if "has one watcher" not in text:
        raise harness.Failure(text)
    expect("run state", src.run_state(), "running")
    src.verify()

    other = vm(s, "other", fault="src-moment=hold")
    other.set(max_bandwidth=0)
    other.execute("migrate", uri=f"file:{s.path('snapshot')}")
    other.wait_log("held at src-moment")
    refused(other, "calc-dirty-rate", "busy", calc_time=1, mode="dirty-bitmap")
    other.execute("x-fault-release")
    other.wait_status("completed")
    load(s, f"file:{s.path('snapshot')}")


harness.run([of_the_moment_it_began, the_guest_does_not_wait_for_a_reader_that_stands, again_and_again,
             of_a_guest_that_stands, stopped_and_continued_meanwhile, in_huge_holes, refusals, memory_has_one_watcher])
