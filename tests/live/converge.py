"""A guest that writes faster than the link sends: without help it is said not to finish, with auto-converge
or a dirty limit it does, and what arrives is proven page by page."""

import time

import harness

MIB = 1 << 20
MACHINE = "stress,rate=200M,set=24M,zero=0,prefill=on"
LINK = 32 * MIB


def pair(s, **parameters):
    """Source and destination, and a link that is too slow for the source's guest."""
    path = s.path("m.sock")
    dst = s.migmon("dst", "--smp", "2", "--incoming", f"unix:{path}", machine=MACHINE)
    src = s.migmon("src", "--smp", "2", machine=MACHINE)
    src.set(max_bandwidth=LINK, downtime_limit=200, **parameters)
    harness.wait_for("the working set is written",
                     lambda: src.execute("x-guest-verify")["pages-written"] >= 24 * MIB // 4096)
    return src, dst, f"unix:{path}"


def history(process):
    return process.execute("x-query-migrate-history")


def sees_no_end(src):
    """Some passes on it still runs, and says that it will not finish."""
    def hopeless():
        if src.status() not in ("setup", "active"):
            raise harness.Failure(f"{src.status()}: {history(src)}")
        return len(history(src)["passes"]) >= 4 and history(src)["verdict"].startswith("will not finish")
    harness.wait_for("it is said not to finish", hopeless)
    return history(src)["verdict"]


def steps(process):
    guest = {row["name"]: row["value"] for row in process.execute("x-query-guest")}
    return int(guest["steps"].split()[0])


def pace(process):
    """Steps in some time; only for comparing with another."""
    before = steps(process)
    time.sleep(0.5)
    return steps(process) - before


def finished(src, dst):
    src.wait_status("completed")
    dst.wait_status("completed")
    harness.wait_for("the destination runs", lambda: dst.run_state() == "running")
    dst.verify()
    passes = history(src)["passes"]
    return f"{len(passes)} passes, the last two dirtied {passes[-3]['dirtied-pages']} and " \
           f"{passes[-2]['dirtied-pages']} pages"


def without_help_it_does_not_finish(s):
    src, dst, uri = pair(s)
    src.execute("migrate", uri=uri)
    verdict = sees_no_end(src)
    if "cpu-throttle-percentage" in src.execute("query-migrate"):
        raise harness.Failure("throttled although nobody asked for it")
    src.execute("migrate-cancel")
    src.wait_status("cancelled")
    src.verify()
    return verdict


def auto_converge_finishes(s):
    src, dst, uri = pair(s, cpu_throttle_initial=60, cpu_throttle_increment=35)
    src.capability("auto-converge")
    src.execute("migrate", uri=uri)
    seen = []

    def look():
        percent = src.execute("query-migrate").get("cpu-throttle-percentage")
        if percent is not None and percent not in seen:
            seen.append(percent)
            if f"cpu throttle percentage: {percent}\n" not in src.hmp("info migrate"):
                raise harness.Failure("info migrate does not say that the guest is throttled")
        return src.status() == "completed"
    harness.wait_for("it finishes", look)
    if seen[:2] != [60, 95]:
        raise harness.Failure(f"throttled by {seen} %")
    detail = finished(src, dst)
    if "cpu-throttle-percentage" in src.execute("query-migrate"):
        raise harness.Failure("still throttled after the end")
    return f"throttled by {seen} %, {detail}"


def limits(process):
    return {row["cpu-index"]: row for row in process.execute("query-vcpu-dirty-limit")}


def dirty_limit_finishes(s):
    src, dst, uri = pair(s, vcpu_dirty_limit=4, x_vcpu_dirty_limit_period=200)
    src.capability("dirty-limit")
    src.execute("set-vcpu-dirty-limit", cpu_index=1, dirty_rate=100)
    src.execute("migrate", uri=uri)
    said = set()

    def look():
        info = src.execute("query-migrate")
        if "dirty-limit-ring-full-time" in info and info["status"] == "active":
            said.add((info["dirty-limit-throttle-time-per-round"] > 0, info["dirty-limit-ring-full-time"] > 0))
        return info["status"] == "completed"
    harness.wait_for("it is limited", lambda: limits(src).get(0, {}).get("limit-rate") == 4)
    try:
        src.execute("cancel-vcpu-dirty-limit")
        raise harness.Failure("the limit of a migration was cancelled")
    except harness.QmpError as error:
        if str(error) != "can't cancel dirty page rate limit while migration is running":
            raise
    harness.wait_for("it finishes", look)
    detail = finished(src, dst)
    if (True, True) not in said:
        raise harness.Failure(f"figures of the limit: {said}")
    if list(limits(src)) != [1] or limits(src)[1]["limit-rate"] != 100:
        raise harness.Failure(f"limits after the migration: {limits(src)}")
    return detail


def vcpus_keep_their_limits(s):
    """By the measurement, which knows nothing of the limit. Its windows are as long as the limit's: the shorter one
    is, the more do hot pages count."""
    src = s.migmon("src", "--smp", "2", memory="128M", machine="stress,rate=0,set=64M,zero=0")

    def rates(windows):
        sums = [0, 0]
        for _ in range(windows):
            src.execute("calc-dirty-rate", calc_time=1, mode="dirty-bitmap")
            harness.wait_for("it is measured", lambda: src.execute("query-dirty-rate")["status"] == "measured")
            for i, row in enumerate(src.execute("query-dirty-rate")["vcpu-dirty-rate"]):
                sums[i] += row["dirty-rate"]
        return [round(rate / windows, 1) for rate in sums]

    def settled():
        """Some windows of the limit have passed, and it is content."""
        rates(2)
        harness.wait_for("both are under their limits",
                         lambda: all(0 < row["current-rate"] <= row["limit-rate"] for row in limits(src).values()))
        return rates(2)
    free = rates(1)
    src.hmp("set_vcpu_dirty_limit 20 0")
    src.hmp("set_vcpu_dirty_limit 5 1")
    held = settled()
    text = src.hmp("info vcpu_dirty_limit")
    if not text.startswith("vcpu[0], limit rate 20 (MB/s), current rate ") or "vcpu[1], limit rate 5" not in text:
        raise harness.Failure(text)
    # Hot pages count once: little time is to be taken for them, and the limit still holds.
    src.execute("x-guest-set", key="pattern", value="hotcold")
    hot = settled()
    if max(held[0], hot[0]) > 20 * 1.25 or max(held[1], hot[1]) > 5 * 1.25 or min(held[0], hot[0]) < 20 / 4 \
            or min(free) < 25:
        raise harness.Failure(f"MB/s: {free} free, {held} limited, {hot} with hot pages")
    src.hmp("cancel_vcpu_dirty_limit 1")
    if list(limits(src)) != [0]:
        raise harness.Failure(f"{limits(src)}")
    src.hmp("set_vcpu_dirty_limit 0")
    if src.hmp("info vcpu_dirty_limit") != "Dirty page limit not enabled!\n":
        raise harness.Failure(src.hmp("info vcpu_dirty_limit"))
    after = rates(1)
    if after[1] < 10:
        raise harness.Failure(f"still slow: {after}")
    src.verify()
    return f"MB/s: {free} free, {held} limited to 20 and 5, {hot} with hot pages, {after} afterwards"


def limits_are_refused_where_they_cannot_work(s):
    none = s.migmon("none", machine="none")
    src = s.migmon("src", "--smp", "2", machine="stress,rate=1M")

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
    machine = "stress,rate=20M,set=16M"
    dst = s.migmon("dst", "--smp", "2", "--incoming", f"unix:{a}", machine=machine)
    src = s.migmon("src", "--smp", "2", machine=machine)
    for side in (src, dst):
        side.execute("set-vcpu-dirty-limit", dirty_rate=3)
        side.set(max_bandwidth=0)
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


def parameters_count_at_once_and_cancel_gives_the_speed_back(s):
    src, dst, uri = pair(s, cpu_throttle_initial=1, cpu_throttle_increment=1)
    before = pace(src)
    src.capability("auto-converge")
    src.execute("migrate", uri=uri)
    harness.wait_for("it is throttled", lambda: "cpu-throttle-percentage" in src.execute("query-migrate"))
    # So short a pause that the migration stays for us to look at.
    src.set(cpu_throttle_increment=98, downtime_limit=1)
    harness.wait_for("the new step is taken",
                     lambda: src.execute("query-migrate").get("cpu-throttle-percentage", 0) >= 98)
    slow = pace(src)
    src.execute("migrate-cancel")
    src.wait_status("cancelled")
    after = pace(src)
    if slow * 4 > before or slow * 4 > after:
        raise harness.Failure(f"steps: {before} before, {slow} throttled, {after} afterwards")
    src.verify()
    return f"steps in equal times: {before} before, {slow} throttled, {after} after the cancel"


harness.run([without_help_it_does_not_finish, auto_converge_finishes, dirty_limit_finishes,
             vcpus_keep_their_limits, limits_are_refused_where_they_cannot_work,
             a_guest_that_comes_back_finds_its_memory_free,
             parameters_count_at_once_and_cancel_gives_the_speed_back])
