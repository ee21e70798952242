"""What happens when something breaks: the fault matrix (tests/python/fault_matrix, table.txt).

  faults.py [MODE ...]

Cells run a few at a time (MIGMON_TEST_JOBS). A run plays a part of each mode's cells by turns, half of the part that
other tests play (MIGMON_TEST_SHARE, MIGMON_TEST_TURN: harness.by_turns), all of them without that.
"""

import concurrent.futures
import os
import sys
import time
import zlib

import harness
from fault_matrix import alone, pairs

JOBS = int(os.environ.get("MIGMON_TEST_JOBS", "4"))
TABLE = os.path.join(os.path.dirname(os.path.abspath(pairs.__file__)), "table.txt")
MODES = {mode: (lambda mode: lambda s, point, fault: pairs.run(s, mode, point, fault))(mode)
         for mode in ("precopy", "multifd", "postcopy", "preempt")}
MODES |= {"snapshot": alone.snapshot, "reboot": alone.reboot}
LEAST = 12  # points of a mode


def read_table():
    """{mode: (header, {point: {column: cell}})}; a cell is an outcome, - where there is no such fault, or
    OUTCOME|OUTCOME where the fault races with the other side and both are right."""
    table = {}
    with open(TABLE) as file:
        for line in file:
            words = line.split("#")[0].split()
            if not words:
                continue
            if words[0] == "mode":
                faults = words[2:]
                rows = table[words[1]] = (faults, {})
            else:
                assert len(words) == len(faults) + 1 and words[0] not in rows[1], line
                rows[1][words[0]] = dict(zip(faults, words[1:]))
    assert set(table) == set(MODES), table.keys()
    for mode, (_, points) in table.items():
        assert len(points) >= LEAST, mode
    return table


def play(mode, point, fault, wanted):
    """The outcome found, and what went wrong if that is not the written one."""
    try:
        with harness.scene() as s:
            found = MODES[mode](s, point, fault)
    except (harness.Failure, OSError) as failure:
        return "FAILED", f"{mode}, {point} x {fault}: {failure}"
    if found in wanted.split("|"):
        return found, None
    return found, f"{mode}, {point} x {fault}: {found}, expected {wanted}"


def wanted_cells(points):
    """Those that this run plays: {(point, column)}. In an order of chance, the same in each run, so that a part of
    them has some of each point and of each fault."""
    cells = [(point, column) for point, row in points.items() for column, cell in row.items() if cell != "-"]
    cells.sort(key=lambda cell: zlib.crc32(" ".join(cell).encode()))
    share = harness.share()
    return set(harness.by_turns(cells, share if share == 1 else 2 * share))


def run_mode(pool, mode, faults, points):
    cells = wanted_cells(points)
    began = time.monotonic()
    running = {(point, column): pool.submit(play, mode, point, column, row[column])
               for point, row in points.items() for column in faults if (point, column) in cells}
    width = max(len(point) for point in points)
    complaints, counts = [], {}
    print(f"{mode:{width}}  " + "  ".join(f"{fault:11}" for fault in faults))
    for point, row in points.items():
        line = []
        for column in faults:
            if (point, column) not in running:
                line.append("-" if row[column] == "-" else ".")
                continue
            found, complaint = running[point, column].result()
            line.append(found if complaint is None else "!" + found)
            counts[found] = counts.get(found, 0) + 1
            if complaint is not None:
                complaints.append(complaint)
        if set(line) - {"-", "."}:
            print(f"{point:{width}}  " + "  ".join(f"{cell:11}" for cell in line).rstrip(), flush=True)
    seconds = time.monotonic() - began
    summary = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
    print(f"{mode}: {len(points)} points, {len(running)} cells in {seconds:.0f} s: {summary}\n", flush=True)
    return complaints


def table(only):
    complaints = []
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for mode, (faults, points) in read_table().items():
            if not only or mode in only:
                complaints += run_mode(pool, mode, faults, points)
    if complaints:
        raise harness.Failure("\n".join(complaints))


def main():
    only = [name for name in sys.argv[1:] if name in MODES]
    if not only and len(sys.argv) > 1:
        harness.run([pairs.source_that_fails_by_itself, pairs.stopped_destination_process])
    failed = 0
    try:
        table(only)
        print("ok   table: every cell is as written")
    except harness.Failure as failure:
        failed = 1
        print(f"FAIL table:\n{failure}", flush=True)
    if failed or only:
        sys.exit(failed)
    harness.run([pairs.source_that_fails_by_itself, pairs.stopped_destination_process])


main()
