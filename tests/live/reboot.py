"""RAM that stays where it is: x-ignore-shared to another process and through a file, and mode cpr-reboot, where
the next process takes the guest up after the one before has ended."""

import os

import harness
import pace

MEMORY = pace.SMALL
PAGES = int(MEMORY.rstrip("M")) * 256


def workload():
    return pace.stress(pace.brisk(), "prefill=on", "seed=3")


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


def vm(s, name, ram, *options, **more):
    return s.migmon(name, "--smp", "2", "--ram-file", ram, *options, memory=MEMORY, machine=workload(), **more)


def continues(process):
    """The copy is right, and the vCPUs make steps."""
    process.written(process.verify() + 1)


def reboot(s):
    """Old process: stop, state into a file, end. New process: the same memory, and the vCPUs go on."""
    ram, state = s.memory_path("ram"), s.path("vm.state")
    old = vm(s, "old", ram).written(PAGES)
    for line in ("migrate_set_capability x-ignore-shared on", "migrate_set_parameter mode cpr-reboot",
                 f"migrate -d file:{state}"):
        expect(line, old.hmp(line), "")
    old.wait_status("completed")
    expect("info status", old.hmp("info status").split("\n")[0], "VM status: paused (postmigrate)")
    expect("pages in the file", old.execute("query-migrate")["ram"]["normal"], 0)
    steps = old.verify()
    s.drop(old)
    expect("the state is small", os.path.getsize(state) < 200_000, True)

    new = vm(s, "new", ram, "--incoming", "defer")
    new.capability("x-ignore-shared")
    new.set(mode="cpr-reboot")
    new.execute("migrate-incoming", uri=f"file:{state}")
    new.wait_status("completed")
    new.wait_run_state("running")
    here = new.verify()
    if here < steps:
        raise harness.Failure(f"left with {steps} steps, came with {here}")
    new.written(here + 1)
    return f"{steps} steps, state of {os.path.getsize(state)} bytes"


def reboot_without_shared_ram_writes_all_of_it(s):
    """QEMU does not ask for shared memory; then the file holds everything, of a guest that stands."""
    state = s.path("vm.state")
    old = s.migmon("old", memory=MEMORY, machine=workload())
    old.written(PAGES)
    old.set(mode="cpr-reboot", max_bandwidth=0)
    old.execute("migrate", uri=f"file:{state}")
    old.wait_status("completed")
    ram = old.execute("query-migrate")["ram"]
    expect("every page once", ram["normal"] + ram["duplicate"], PAGES)
    new = s.migmon("new", "--incoming", f"file:{state}", memory=MEMORY, machine=workload())
    new.wait_status("completed")
    new.verify()


def reboot_goes_through_a_file_only(s):
    src = vm(s, "src", s.memory_path("ram"))
    src.set(mode="cpr-reboot")
    refused(src, "migrate", "file: address only", uri=f"unix:{s.path('x')}")
    expect("query-migrate", src.execute("query-migrate"), {})
    dst = s.migmon("dst", "--incoming", "defer", memory=MEMORY, machine=workload())
    dst.set(mode="cpr-reboot")
    refused(dst, "migrate-incoming", "file: address only", uri=f"unix:{s.path('x')}")


def to_a_process_beside_it(s):
    """Both map the file at the same time; the one that has it runs the guest, and force does not help the other."""
    ram, path = s.memory_path("ram"), s.path("m.sock")
    src = vm(s, "src", ram).written(PAGES)
    dst = vm(s, "dst", ram, "--incoming", f"unix:{path}")
    for process in (src, dst):
        process.capability("x-ignore-shared")
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.wait_run_state("running")
    continues(dst)
    refused(src, "cont", "in use by another process", x_force=True)
    expect("source", src.run_state(), "postmigrate")


def a_destination_without_the_capability_does_not_touch_the_memory(s):
    ram, path = s.memory_path("ram"), s.path("m.sock")
    src = vm(s, "src", ram).written(PAGES)
    dst = vm(s, "dst", ram, "--incoming", f"unix:{path}")
    # Off at both: pages would come, into the memory that the source's guest runs in.
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("failed")
    dst.wait_status("failed")
    if "in use by another process" not in dst.execute("query-migrate")["error-desc"]:
        raise harness.Failure(dst.execute("query-migrate"))
    continues(src)
    # On at one side only.
    src.capability("x-ignore-shared")
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("failed")
    harness.wait_for("the destination is over", lambda: dst.status() == "failed")
    expect("error", dst.execute("query-migrate")["error-desc"],
           "Capability x-ignore-shared is off, but received capability is on")
    dst.capability("x-ignore-shared")
    src.capability("x-ignore-shared", False)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("failed")
    harness.wait_for("the destination is over", lambda: dst.status() == "failed")
    expect("error", dst.execute("query-migrate")["error-desc"],
           "Capability x-ignore-shared is on, but received capability is off")
    expect("source", src.run_state(), "running")
    continues(src)


def memory_that_only_the_source_keeps_in_a_file_is_told(s):
    """No pages come."""
    path = s.path("m.sock")
    src = vm(s, "src", s.memory_path("ram"))
    dst = s.migmon("dst", "--smp", "2", "--incoming", f"unix:{path}", memory=MEMORY, machine=workload())
    wrong_kind(src, dst, path, "never came")


def memory_that_only_the_destination_keeps_in_a_file_is_told(s):
    """Pages come that must not."""
    path = s.path("m.sock")
    src = s.migmon("src", "--smp", "2", memory=MEMORY, machine=workload())
    dst = vm(s, "dst", s.memory_path("ram"), "--incoming", f"unix:{path}")
    wrong_kind(src, dst, path, "should not be migrated")


def wrong_kind(src, dst, path, said):
    for process in (src, dst):
        process.capability("x-ignore-shared")
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("failed")
    dst.wait_status("failed")
    text = dst.execute("query-migrate")["error-desc"]
    if said not in text:
        raise harness.Failure(text)
    expect("source", src.run_state(), "running")


def force_works_as_soon_as_the_other_process_is_gone(s):
    """The destination takes the memory, is killed before it says so: cont -f works as soon as it is gone."""
    ram, path = s.memory_path("ram"), s.path("m.sock")
    src = vm(s, "src", ram).written(PAGES)
    dst = vm(s, "dst", ram, "--incoming", f"unix:{path}", fault="dst-started=hold")
    for process in (src, dst):
        process.capability("x-ignore-shared")
    src.execute("migrate", uri=f"unix:{path}")
    dst.wait_log("held at dst-started")
    refused(src, "cont", "Migration is not finalized yet")
    dst.kill()
    src.wait_status("failed")
    expect("owner", src.owner(), "unknown (commit sent)")
    # What the memory holds is what the dead process made of it; whether that is a guest nobody knows.
    refused(src, "cont", "may run elsewhere")
    src.execute("cont", x_force=True)
    expect("source", src.run_state(), "running")


def save(s, src, state):
    src.capability("x-ignore-shared")
    src.set(mode="cpr-reboot")
    src.execute("migrate", uri=f"file:{state}")


def restore(s, name, ram, state):
    new = vm(s, name, ram, "--incoming", "defer")
    new.capability("x-ignore-shared")
    new.set(mode="cpr-reboot")
    new.execute("migrate-incoming", uri=f"file:{state}")
    return new


def a_damaged_state_leaves_the_memory(s):
    """Garbage at any place of the state: refused, nothing runs, and the whole state still loads afterwards."""
    ram, state, bad = s.memory_path("ram"), s.path("vm.state"), s.path("bad.state")
    old = vm(s, "old", ram).written(PAGES)
    save(s, old, state)
    old.wait_status("completed")
    s.drop(old)
    with open(state, "rb") as file:
        whole = file.read()
    for i, cut in enumerate(harness.by_turns((0, 4, 20, 60, 100, 150, 300, 500))):
        with open(bad, "wb") as file:
            file.write(whole[:cut] + b"\xa5" * 64)
        new = restore(s, f"bad{i}", ram, bad)
        new.wait_status("failed")
        expect("owner", (new.run_state(), new.owner()), ("inmigrate", "none"))
        s.drop(new)
    new = restore(s, "new", ram, state)
    new.wait_status("completed")
    continues(new)


harness.run([reboot, a_damaged_state_leaves_the_memory, reboot_without_shared_ram_writes_all_of_it,
             reboot_goes_through_a_file_only, to_a_process_beside_it,
             a_destination_without_the_capability_does_not_touch_the_memory,
             memory_that_only_the_source_keeps_in_a_file_is_told,
             memory_that_only_the_destination_keeps_in_a_file_is_told,
             force_works_as_soon_as_the_other_process_is_gone])
