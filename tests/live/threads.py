"""No thread can be made (EAGAIN): each place that makes one fails once. What was asked for fails with that reason, the
guest is where it was, and the next attempt in the same two processes succeeds."""

import harness
import pace

REASON = "Error creating thread"


def workload():
    return pace.stress(pace.calm(), "prefill=on", "seed=9")


def expect(what, found, wanted):
    if found != wanted:
        raise harness.Failure(f"{what}: {found}, expected {wanted}")


def refused(process, command, **arguments):
    try:
        process.execute(command, **arguments)
    except harness.QmpError as error:
        if REASON not in str(error):
            raise
        return
    raise harness.Failure(f"{process.name}: {command} was not refused")


def pair(s, point, capabilities=(), options=(), **parameters):
    """Both sides with the fault at the one that @point names."""
    def side(name, *more):
        fault = f"{point}=fail" if point.startswith(f"thread-{name}") else None
        process = s.migmon(name, *options, *more, machine=workload(), fault=fault)
        for capability in capabilities:
            process.capability(capability)
        process.set(**parameters)
        return process
    dst = side("dst", "--incoming", "defer")
    src = side("src")
    src.set(max_bandwidth=0)
    return src, dst


def runs_here(src):
    expect("run state of the source", src.run_state(), "running")
    expect("owner", src.owner(), "here")
    src.verify()


def arrives(src, dst, uri):
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    dst.wait_status("completed")
    expect("run states", (src.run_state(), dst.run_state()), ("postmigrate", "running"))
    dst.verify()


def said(process):
    text = process.execute("query-migrate")["error-desc"]
    if REASON not in text:
        raise harness.Failure(f"{process.name}: {text}")


def socket_way(point, at_once=False, begins=True, **options):
    """@begins: the destination has begun an attempt when the source fails."""
    def test(s):
        src, dst = pair(s, point, **options)
        uri = f"unix:{s.path('m.sock')}"
        dst.execute("migrate-incoming", uri=uri)
        if at_once:
            refused(src, "migrate", uri=uri)
        else:
            src.execute("migrate", uri=uri)
        src.wait_status("failed")
        runs_here(src)
        if point.startswith("thread-dst"):
            dst.wait_status("failed")
            said(dst)
            expect("run state of the destination", dst.run_state(), "inmigrate")
        else:
            said(src)
            if begins and not at_once:
                harness.wait_for("the destination is done with the first attempt", lambda: dst.status() == "failed")
        arrives(src, dst, uri)
    test.__name__ = point.replace("-", "_")
    return test


def in_postcopy(point):
    def test(s):
        src, dst = pair(s, point, capabilities=("postcopy-ram", "postcopy-preempt"))
        uri = f"unix:{s.path('m.sock')}"
        dst.execute("migrate-incoming", uri=uri)
        src.postcopy(uri)
        return src, dst
    return test


def thread_dst_fault(s):
    """Before the guest has started over there: it stays."""
    src, dst = in_postcopy("thread-dst-fault")(s)
    src.wait_status("failed")
    dst.wait_status("failed")
    said(dst)
    runs_here(src)


def thread_dst_urgent(s):
    """The guest runs over there, and pages that were sent on the refused channel are lost: both sides pause, and a
    recovery brings them."""
    src, dst = in_postcopy("thread-dst-urgent")(s)
    src.wait_status("postcopy-paused")
    dst.wait_status("postcopy-paused")
    if REASON not in dst.output():
        raise harness.Failure(dst.output())
    uri = f"unix:{s.path('again.sock')}"
    dst.execute("migrate-recover", uri=uri)
    src.rush()
    src.execute("migrate", uri=uri, resume=True)
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()


def thread_src_pages(s):
    src, _ = pair(s, "thread-src-pages", capabilities=("background-snapshot",))
    uri = f"file:{s.path('snapshot')}"
    src.execute("migrate", uri=uri)
    src.wait_status("failed")
    said(src)
    runs_here(src)
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    runs_here(src)


def thread_crew(s):
    """The threads of a mapped-ram file, at both ends."""
    uri = f"file:{s.path('file')}"
    sides = [s.migmon(name, *options, machine=workload(), fault="thread-crew=fail")
             for name, options in (("src", ()), ("dst", ("--incoming", "defer")))]
    for side in sides:
        side.capability("mapped-ram")
        side.capability("multifd")
        side.set(multifd_channels=3)
    src, dst = sides
    src.execute("migrate", uri=uri)
    src.wait_status("failed")
    said(src)
    runs_here(src)
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("failed")
    said(dst)
    dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("completed")
    dst.verify()


def thread_dst_main_of_a_file(s):
    """A listener that has only one connection to give is let go, so that another can be had."""
    src, dst = pair(s, "thread-dst-main")
    uri = f"file:{s.path('file')}"
    src.execute("migrate", uri=uri)
    src.wait_status("completed")
    dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("failed")
    said(dst)
    dst.execute("migrate-incoming", uri=uri)
    dst.wait_status("completed")
    dst.verify()


def thread_dirty_handler(s):
    dst = s.migmon("dst", "--incoming", f"unix:{s.path('m.sock')}", machine=workload())
    src = s.migmon("src", "--tracker=sync", machine=workload(), fault="thread-dirty-handler=fail")
    src.set(max_bandwidth=0)
    src.execute("migrate", uri=f"unix:{s.path('m.sock')}")
    src.wait_status("failed")
    said(src)
    runs_here(src)
    harness.wait_for("the destination is done with the first attempt", lambda: dst.status() == "failed")
    arrives(src, dst, f"unix:{s.path('m.sock')}")


def threads_of_a_guest_that_stays(s):
    src = s.migmon("src", machine=workload(), fault="thread-verify=fail,thread-dirty-rate=fail")
    refused(src, "x-guest-verify")
    refused(src, "calc-dirty-rate", calc_time=100, calc_time_unit="millisecond")
    src.execute("calc-dirty-rate", calc_time=100, calc_time_unit="millisecond")
    harness.wait_for("the dirty rate is there", lambda: src.execute("query-dirty-rate")["status"] == "measured")
    runs_here(src)


harness.run([
    socket_way("thread-src-main", at_once=True),
    socket_way("thread-src-rp", begins=False),
    socket_way("thread-src-watch", begins=False),
    socket_way("thread-src-send", capabilities=("multifd",)),
    socket_way("thread-src-pack", begins=False, capabilities=("compress",)),
    socket_way("thread-dst-main"),
    socket_way("thread-dst-read"),
    socket_way("thread-dst-recv", capabilities=("multifd",)),
    thread_dst_fault,
    thread_dst_urgent,
    thread_src_pages,
    thread_crew,
    thread_dst_main_of_a_file,
    thread_dirty_handler,
    threads_of_a_guest_that_stays,
])
