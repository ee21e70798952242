"""Measured dirty rates against what the workload itself says: the ledger knows which pages were written after a
given step, so it counts the different pages of a window without asking the kernel or comparing contents."""

import harness
import pace

MIB = 1 << 20
PATTERNS = ("uniform", "hotcold", "sweep", "phases", "growing")
WINDOWS = 2
# Milliseconds. Kernel and ledger are read one after the other, and the measuring thread may wait for its processor in
# between: that is a smaller part of a longer window. What is wrong in itself is so in windows of any length.
LENGTHS = (250, 500, 1000, 2000, 4000)
AIMS = {"dirty-bitmap": 10, "page-sampling": 25}  # percent


def measure(process, mode, milliseconds=LENGTHS[0]):
    """One window; what was measured and what the workload says, in pages."""
    options = {"sample_pages": 16384} if mode == "page-sampling" else {}
    process.execute("calc-dirty-rate", calc_time=milliseconds, calc_time_unit="millisecond", mode=mode, **options)

    def done():
        reply = process.execute("query-dirty-rate")
        if reply["status"] == "unstarted":
            raise harness.Failure("the measurement was given up")
        return reply if reply["status"] == "measured" else None
    reply = harness.wait_for("it is measured", done)
    pages = process.execute("x-query-dirty-pages")
    rate = pages["pages"] * 4096 * 1e6 / pages["elapsed-us"] / MIB
    if abs(reply["dirty-rate"] - rate) > 1:
        raise harness.Failure(f"dirty-rate {reply['dirty-rate']} MB/s, but {rate} by the pages")
    return pages["pages"], pages["written-pages"], reply


def row(process, what, mode):
    """The line of the table, checked."""
    problems = []
    for milliseconds in LENGTHS:
        problem = try_row(process, what, mode, milliseconds)
        if problem is None:
            return
        problems.append(problem)
    raise harness.Failure("; ".join(problems))


def try_row(process, what, mode, milliseconds):
    """Sums over several windows; what is wrong with them, or None."""
    measured = written = 0
    for _ in range(WINDOWS):
        pages, truth, reply = measure(process, mode, milliseconds)
        measured += pages
        written += truth
    off = 100 * (measured - written) / max(written, 1)
    print(f"     {what:10} {mode:14} {milliseconds:5} ms {measured // WINDOWS:7} {written // WINDOWS:7} {off:+6.1f} %"
          f"   {reply['dirty-rate']:4} MB/s", flush=True)
    if written == 0 or abs(off) > AIMS[mode]:
        return f"{what}, {mode}, {milliseconds} ms: {measured} pages measured, {written} written"
    return None


def measured_rate_of(pattern):
    def test(s):
        src = s.migmon("src", "--smp", "2", memory=pace.LARGE,
                       machine=pace.stress(pace.brisk(), "set=40M", f"pattern={pattern}"))
        for mode in AIMS:
            row(src, pattern, mode)
        src.verify()
    test.__name__ = f"measured_rate_of_{pattern}"
    return test


def idle_and_standing_guests_write_nothing(s):
    src = s.migmon("src", "--smp", "2", machine=pace.stress(pace.brisk()))
    harness.wait_for("it writes", lambda: measure(src, "dirty-bitmap")[0] > 0)
    src.execute("stop")
    for mode in AIMS:
        pages, truth, _ = measure(src, mode, 60)
        if pages or truth:
            raise harness.Failure(f"{mode}: a guest that stands wrote {pages}, {truth} pages")
    none = s.migmon("none", machine="none")
    for mode in AIMS:
        if measure(none, mode, 60)[0]:
            raise harness.Failure(f"{mode}: a guest without vCPUs wrote")


def vcpus_are_told_apart(s):
    """Four vCPUs, but memory for two groups: the others own nothing."""
    src = s.migmon("src", "--smp", "4", memory="4M", machine=pace.stress(0))
    _, _, reply = measure(src, "dirty-bitmap", 500)
    rates = [r["dirty-rate"] for r in reply["vcpu-dirty-rate"]]
    if len(rates) != 4 or min(rates[:2]) == 0 or max(rates[2:]) > 0:
        raise harness.Failure(f"rates {rates}")
    if abs(sum(rates) - reply["dirty-rate"]) > 2:
        raise harness.Failure(f"{rates} is not {reply['dirty-rate']} in all")
    text = src.hmp("info dirty_rate")
    if f"vcpu[0], Dirty rate: {rates[0]} (MB/s)\n" not in text:
        raise harness.Failure(text)
    return f"{rates} MB/s"


def measure_beside_a_migration(s, *options):
    """One kernel tracker serves both, whoever begins or ends first."""
    path = s.path("m.sock")
    machine = pace.stress(pace.brisk(), "set=8M", "zero=0")
    dst = s.migmon("dst", "--smp", "2", "--incoming", f"unix:{path}", machine=machine)
    src = s.migmon("src", "--smp", "2", *options, machine=machine)
    measure(src, "dirty-bitmap")
    src.hold()
    src.execute("calc-dirty-rate", calc_time=300, calc_time_unit="millisecond", mode="dirty-bitmap")
    src.execute("migrate", uri=f"unix:{path}")
    harness.wait_for("the first is over", lambda: src.execute("query-dirty-rate")["status"] == "measured")
    src.wait_status("active")
    row(src, "migrating", "dirty-bitmap")
    src.execute("calc-dirty-rate", calc_time=60, mode="dirty-bitmap")
    if src.status() != "active":
        raise harness.Failure(f"migration {src.status()}")
    src.release()
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.wait_run_state("running")
    dst.verify()
    # It is still measuring, and lets itself be ended with the program; or its minute is over.
    if src.execute("query-dirty-rate")["status"] == "unstarted":
        raise harness.Failure("the measurement ended with the migration")


def measuring_and_migrating_do_not_disturb_each_other(s):
    measure_beside_a_migration(s)


def nor_do_they_with_the_handlers_tracker(s):
    measure_beside_a_migration(s, "--tracker", "sync")


def what_cannot_be_measured_is_refused(s):
    src = s.migmon("src")

    def refused(text, process=src, **arguments):
        try:
            process.execute("calc-dirty-rate", **arguments)
        except harness.QmpError as error:
            if not error.error["desc"].startswith(text):
                raise harness.Failure(f"{arguments}: {error}") from None
            return
        raise harness.Failure(f"{arguments} was taken")
    refused("mode dirty-ring is not enabled, use other method instead.", calc_time=1, mode="dirty-ring")
    refused("Calculation time is out of range [50ms, 60000ms].", calc_time=49, calc_time_unit="millisecond")
    refused("Calculation time is out of range [50ms, 60000ms].", calc_time=61)
    refused("sample-pages is used only in page-sampling mode", calc_time=1, mode="dirty-bitmap", sample_pages=512)
    refused("sample-pages is out of range[128, 16384].", calc_time=1, sample_pages=127)
    src.execute("calc-dirty-rate", calc_time=60)
    refused("the dirty rate is already being measured.", calc_time=1)
    reply = src.execute("query-dirty-rate", calc_time_unit="millisecond")
    if "dirty-rate" in reply or (reply["calc-time"], reply["calc-time-unit"]) != (60000, "millisecond"):
        raise harness.Failure(f"{reply}")
    dst = s.migmon("dst", "--incoming", "defer")
    refused("Guest is waiting for an incoming migration", dst, calc_time=1, mode="dirty-bitmap")


harness.run([*map(measured_rate_of, PATTERNS), idle_and_standing_guests_write_nothing, vcpus_are_told_apart,
             measuring_and_migrating_do_not_disturb_each_other, nor_do_they_with_the_handlers_tracker,
             what_cannot_be_measured_is_refused])
