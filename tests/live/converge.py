"""A guest that writes faster than the link sends: without help it is said not to finish, with auto-converge
or a dirty limit it does, and what arrives is proven page by page."""

import functools
import os
import time

import harness
import pace

SET = 1 << 20  # of each vCPU


def pair(s, rate, link, vcpus=1, **parameters):
    """Source and destination, and a link that is too slow for the source's guest."""
    path = s.path("m.sock")
    machine = pace.stress(rate, f"set={vcpus * SET}", "zero=0")
    dst = s.migmon("dst", "--smp", str(vcpus), "--incoming", f"unix:{path}", machine=machine)
    src = s.migmon("src", "--smp", str(vcpus), machine=machine)
    src.set(max_bandwidth=link, **parameters)
    # Enough steps for about all of its set.
    return src.written(4 * vcpus * SET // 4096), dst, f"unix:{path}"


class TooSoon(Exception):
    """The guest got no processor for a whole pass, and so it went over before the test had seen what it waits for."""


def again_when_too_soon(test):
    @functools.wraps(test)
    def play(s):
        for _ in range(5):
            try:
                return test(s)
            except TooSoon:
                print("     the guest wrote nothing for a whole pass and went over: again", flush=True)
                for process in s.processes[:]:
                    s.drop(process)
                for name in os.listdir(s.dir):
                    os.unlink(s.path(name))
        raise harness.Failure("it went over too soon each time")
    return play


def wait_on_the_way(src, what, condition):
    """Until condition() is true, which it has to become before the migration ends."""
    def look():
        value = condition()
        if not value and src.status() == "completed":
            raise TooSoon
        return value
    return harness.wait_for(what, look)


def cancelled(src):
    src.execute("migrate-cancel")
    harness.wait_for("the cancel is done", lambda: src.status() in ("cancelled", "completed"))
    if src.status() == "completed":
        raise TooSoon


def history(process):
    return process.execute("x-query-migrate-history")


def sees_no_end(src):
    """Some passes on it still runs, and says that it will not finish."""
    def hopeless():
        if src.status() not in ("setup", "active", "completed"):
            raise harness.Failure(f"{src.status()}: {history(src)}")
        return src.status() != "completed" and len(history(src)["passes"]) >= 4 \
            and history(src)["verdict"].startswith("will not finish")
    wait_on_the_way(src, "it is said not to finish", hopeless)
    return history(src)["verdict"]


def speed(process):
    """Steps a second, during half of one."""
    before, begin = process.steps(), time.monotonic()
    time.sleep(0.5)
    return (process.steps() - before) / (time.monotonic() - begin)


def finished(src, dst):
    """With the pause that it has: nothing but a slower guest ends this."""
    harness.wait_for("the source has finished", lambda: src.status() == "completed")
    dst.wait_status("completed")
    harness.wait_for("the destination runs", lambda: dst.run_state() == "running")
    dst.verify()
    passes = history(src)["passes"]
    return f"{len(passes)} passes, the last two dirtied {passes[-3]['dirtied-pages']} and " \
           f"{passes[-2]['dirtied-pages']} pages"


@again_when_too_soon
def without_help_it_does_not_finish(s):
    src, _, uri = pair(s, pace.hurried(), pace.narrow(), downtime_limit=100)
    src.execute("migrate", uri=uri)
    verdict = sees_no_end(src)
    if "cpu-throttle-percentage" in src.execute("query-migrate"):
        raise harness.Failure("throttled although nobody asked for it")
    cancelled(src)
    src.verify()
    return verdict


@again_when_too_soon
def auto_converge_finishes(s):
    # No pause is short enough until both steps were seen.
    src, dst, uri = pair(s, pace.hurried(), pace.narrow(), downtime_limit=0, cpu_throttle_initial=10,
                         cpu_throttle_increment=85)
    src.capability("auto-converge")
    src.execute("migrate", uri=uri)
    seen = []

    def look():
        percent = src.execute("query-migrate").get("cpu-throttle-percentage")
        if percent is not None and percent not in seen:
            seen.append(percent)
            if f"cpu throttle percentage: {percent}\n" not in src.hmp("info migrate") \
                    and src.execute("query-migrate").get("cpu-throttle-percentage") == percent:
                raise harness.Failure("info migrate does not say that the guest is throttled")
        if seen != [10, 95][:len(seen)]:
            raise harness.Failure(f"throttled by {seen} %")
        return len(seen) == 2
    wait_on_the_way(src, "it is throttled twice", look)
    src.set(downtime_limit=100)
    detail = finished(src, dst)
    if "cpu-throttle-percentage" in src.execute("query-migrate"):
        raise harness.Failure("still throttled after the end")
    return f"throttled by {seen} %, {detail}"


def limits(process):
    return {row["cpu-index"]: row for row in process.execute("query-vcpu-dirty-limit")}


@again_when_too_soon
def dirty_limit_finishes(s):
    # No pause is short enough until the figures were seen.
    src, dst, uri = pair(s, 0, pace.WIDE, vcpus=2, downtime_limit=0, vcpu_dirty_limit=1,
                         x_vcpu_dirty_limit_period=200)
    src.capability("dirty-limit")
    src.execute("set-vcpu-dirty-limit", cpu_index=1, dirty_rate=100)
    src.execute("migrate", uri=uri)

    def figures():
        info = src.execute("query-migrate")
        return info.get("dirty-limit-throttle-time-per-round", 0) > 0 and info["dirty-limit-ring-full-time"] > 0
    wait_on_the_way(src, "it is limited", lambda: limits(src).get(0, {}).get("limit-rate") == 1)
    wait_on_the_way(src, "the figures of the limit are there", figures)
    try:
        src.execute("cancel-vcpu-dirty-limit")
        if src.status() == "completed":
            raise TooSoon
        raise harness.Failure("the limit of a migration was cancelled")
    except harness.QmpError as error:
        if str(error) != "can't cancel dirty page rate limit while migration is running":
            raise
    src.set(downtime_limit=100)
    detail = finished(src, dst)
    if list(limits(src)) != [1] or limits(src)[1]["limit-rate"] != 100:
        raise harness.Failure(f"limits after the migration: {limits(src)}")
    return detail


def vcpus_keep_their_limits(s):
    """By the measurement, which knows nothing of the limit. Its windows are as long as the limit's: the shorter one
    is, the more do hot pages count. The limits are parts of what the vCPUs write here without one."""
    src = s.migmon("src", "--smp", "2", memory=pace.LARGE, machine=pace.stress(pace.LIMITED, "set=32M", "zero=0"))
    src.written(8192)

    def rates(windows):
        sums = [0, 0]
        for _ in range(windows):
            src.execute("calc-dirty-rate", calc_time=1, mode="dirty-bitmap")
            harness.wait_for("it is measured", lambda: src.execute("query-dirty-rate")["status"] == "measured")
            for i, row in enumerate(src.execute("query-dirty-rate")["vcpu-dirty-rate"]):
                sums[i] += row["dirty-rate"]
        return [round(rate / windows, 1) for rate in sums]

    def settled(pattern):
        """The first rates that are as they must be: both under their limits, and the other vCPU not slower."""
        found = []

        def look():
            found[:] = rates(2)
            return 0 < found[0] <= most[0] * 1.25 + 1 and found[1] <= most[1] * 1.25 + 1 and found[0] >= found[1]
        harness.wait_for(f"the limits of {most} MB/s hold with {pattern} pages", look)
        return found
    free = rates(1)
    most = [max(1, int(free[0]) // 2), max(1, int(free[1]) // 8)]
    if min(free) < 4:
        return f"{free} MB/s: this machine is too slow for limits of whole MB/s"
    src.hmp(f"set_vcpu_dirty_limit {most[0]} 0")
    src.hmp(f"set_vcpu_dirty_limit {most[1]} 1")
    held = settled("uniform")
    text = src.hmp("info vcpu_dirty_limit")
    if not text.startswith(f"vcpu[0], limit rate {most[0]} (MB/s), current rate ") \
            or f"vcpu[1], limit rate {most[1]} " not in text:
        raise harness.Failure(text)
    # Hot pages count once: little time is to be taken for them, and the limit still holds.
    src.execute("x-guest-set", key="pattern", value="hotcold")
    hot = settled("hot")
    src.execute("x-guest-set", key="pattern", value="uniform")
    src.hmp("cancel_vcpu_dirty_limit 1")
    if list(limits(src)) != [0]:
        raise harness.Failure(f"{limits(src)}")
    src.hmp("set_vcpu_dirty_limit 0")
    if src.hmp("info vcpu_dirty_limit") != "Dirty page limit not enabled!\n":
        raise harness.Failure(src.hmp("info vcpu_dirty_limit"))
    harness.wait_for("the second vCPU is free again", lambda: rates(1)[1] > 2 * most[1])
    src.verify()
    return f"MB/s: {free} free, {held} limited to {most}, {hot} with hot pages"


def limits_are_refused_where_they_cannot_work(s):
    none = s.migmon("none", machine="none")
    src = s.migmon("src", "--smp", "2", machine="stress")

    def refused(process, text, command, **arguments):
        try:
            process.execute(command, **arguments)
        except harness.QmpError as error:
            if str(error).split("\n")[0] != text:
                raise harness.Failure(f"{command}: {error}") from None
            return
        raise harness.Failure(f"{command} {arguments} was taken")
    refused(none, "dirty page limit feature requires KVM with accelerator property 'dirty-ring-size' set'",
            "set-vcpu-dirty-limit", dirty_rate=5)
    refused(none, "dirty-limit requires KVM with accelerator property 'dirty-ring-size' set",
            "migrate-set-capabilities", capabilities=[{"capability": "dirty-limit", "state": True}])
    none.execute("cancel-vcpu-dirty-limit")
    for index in (2, -1):
        refused(src, "incorrect cpu index specified", "set-vcpu-dirty-limit", dirty_rate=5, cpu_index=index)
        refused(src, "incorrect cpu index specified", "cancel-vcpu-dirty-limit", cpu_index=index)
    src.capability("auto-converge")
    refused(src, "dirty-limit conflicts with auto-converge either of then available currently",
            "migrate-set-capabilities", capabilities=[{"capability": "dirty-limit", "state": True}])


def a_guest_that_comes_back_finds_its_memory_free(s):
    """Out and in again with a limit set: the limit lets go of the memory while the guest is away."""
    a, b = s.path("a.sock"), s.path("b.sock")
    machine = pace.stress(0, f"set={2 * SET}")
    dst = s.migmon("dst", "--smp", "2", "--incoming", f"unix:{a}", machine=machine)
    src = s.migmon("src", "--smp", "2", machine=machine)
    for side in (src, dst):
        side.execute("set-vcpu-dirty-limit", dirty_rate=3)
        side.unlimited()
    src.execute("migrate", uri=f"unix:{a}")
    src.wait_status("completed")
    harness.wait_for("it runs there", lambda: dst.run_state() == "running")
    harness.wait_for("it is limited there", lambda: limits(dst)[0]["current-rate"] > 0)
    src.execute("migrate-incoming", uri=f"unix:{b}")
    dst.execute("migrate", uri=f"unix:{b}")
    dst.wait_status("completed")
    harness.wait_for("it runs here again", lambda: src.run_state() == "running")
    harness.wait_for("it is limited here", lambda: limits(src)[0]["current-rate"] > 0)
    src.verify()


@again_when_too_soon
def parameters_count_at_once_and_cancel_gives_the_speed_back(s):
    src, _, uri = pair(s, 0, 0, cpu_throttle_initial=1, cpu_throttle_increment=1, max_cpu_throttle=90)
    before = speed(src)
    src.capability("auto-converge")
    src.hold()
    src.execute("migrate", uri=uri)
    wait_on_the_way(src, "it is throttled", lambda: "cpu-throttle-percentage" in src.execute("query-migrate"))
    # Not more: a guest that writes nothing for a whole pass has arrived.
    src.set(cpu_throttle_increment=89)
    wait_on_the_way(src, "the new step is taken",
                    lambda: src.execute("query-migrate").get("cpu-throttle-percentage", 0) >= 90)
    slow = []
    wait_on_the_way(src, "the guest makes less than half of its steps",
                    lambda: slow.append(speed(src)) or slow[-1] * 2 < before)
    cancelled(src)
    after = []
    harness.wait_for("the guest makes twice as many steps again",
                     lambda: after.append(speed(src)) or after[-1] > 2 * slow[-1])
    src.verify()
    return f"steps a second: {before:.0f} before, {slow[-1]:.0f} throttled, {after[-1]:.0f} after the cancel"


harness.run([without_help_it_does_not_finish, auto_converge_finishes, dirty_limit_finishes,
             vcpus_keep_their_limits, limits_are_refused_where_they_cannot_work,
             a_guest_that_comes_back_finds_its_memory_free,
             parameters_count_at_once_and_cancel_gives_the_speed_back])
