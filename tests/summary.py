"""What script/test says at its end: how long each stage took, the slowest tests, and the counts.

    summary.py STAGE-TIMES MESON-LOG...

STAGE-TIMES has lines "STAGE SECONDS"; a log is what "meson test --logbase stage-NAME" writes as JSON lines.
"""

import json
import os
import re
import sys

SLOWEST = 20
GOOD, SKIPPED = ("OK", "EXPECTEDFAIL"), ("SKIP",)


def main():
    times, *logs = sys.argv[1:]
    with open(times) as file:
        stages = [(int(seconds), name) for name, seconds in (line.split() for line in file)]
    tests = []
    for path in logs:
        stage = re.fullmatch(r"stage-(.*)\.json", os.path.basename(path))
        with open(path) as file:
            for line in file:
                row = json.loads(line)
                tests.append((row["duration"], stage[1] if stage else path, row["name"].split(" / ")[-1], row["result"]))
    print("\nslowest tests:")
    for seconds, stage, name, _ in sorted(tests, reverse=True)[:SLOWEST]:
        print(f"{seconds:8.1f} s  {stage:8} {name}")
    print("stages:")
    for seconds, name in sorted(stages, reverse=True):
        print(f"{seconds:8} s  {name}")
    print(f"{sum(seconds for seconds, _ in stages):8} s  in all")
    bad = [row for row in tests if row[3] not in GOOD + SKIPPED]
    for _, stage, name, result in bad:
        print(f"{result}: {stage} {name}")
    skipped = sum(row[3] in SKIPPED for row in tests)
    print(f"{len(tests) - len(bad) - skipped} passed, {len(bad)} failed, {skipped} skipped")


main()
