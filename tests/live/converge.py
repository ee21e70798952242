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


def parameters_count_at_once_and_cancel_gives_the_speed_back(s):
    src, dst, uri = pair(s, cpu_throttle_initial=1, cpu_throttle_increment=1)
    before = pace(src)
    src.capability("auto-converge")
    src.execute("migrate", uri=uri)
    harness.wait_for("it is throttled", lambda: "cpu-throttle-percentage" in src.execute("query-migrate"))
    # So slow a link that the migration stays for us to look at.
    src.set(cpu_throttle_increment=98, max_bandwidth=2 * MIB)
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


harness.run([without_help_it_does_not_finish, auto_converge_finishes,
             parameters_count_at_once_and_cancel_gives_the_speed_back])
