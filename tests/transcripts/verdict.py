"""What may differ, and the verdict on what did."""

import json
import os

import harness

DIFFERENCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "differences.json")
LEAST_EQUAL = 90  # percent of the inputs that need no feature of a later issue


class Listed:
    """differences.json: {"reasons": {KEY: {"kind": ..., "text": ...}},
                          "differences": {SCENARIO: {KEY: [[LINE, INPUT], ...]}}}

    A kind is "later" (a feature of a later issue), "wart" (QEMU is wrong there) or "ours" (ours is better, and why).
    A third element "either" in a row says that the answer depends on who is faster.
    """

    def __init__(self):
        with open(DIFFERENCES, encoding="utf-8") as file:
            content = json.load(file)
        self.rows = {}
        self.either = set()
        self.later = set()
        reasons = content["reasons"]
        for scenario, groups in content["differences"].items():
            for key, lines in groups.items():
                if key not in reasons:
                    raise harness.Failure(f"{DIFFERENCES}: {scenario}: no reason '{key}'")
                for line, text, *either in lines:
                    self.rows[scenario, line] = text
                    if either:
                        self.either.add((scenario, line))
                    if reasons[key]["kind"] == "later":
                        self.later.add((scenario, line))
        used = {key for groups in content["differences"].values() for key in groups}
        if used != set(reasons):
            raise harness.Failure(f"{DIFFERENCES}: reasons nobody needs: {sorted(set(reasons) - used)}")

    def has(self, scenario, line):
        return (scenario, line) in self.rows

    def of(self, scenarios):
        return {key for key in self.rows if key[0] in scenarios}


def label(entry):
    """An input in few words, as differences.json names it."""
    if "event" in entry:
        return "events"
    given = entry["in"]
    if given is None:
        return "(no input)"
    if isinstance(given, str):
        return given if len(given) <= 100 else given[:97] + "..."
    text = json.dumps(given)
    return text if len(text) <= 100 else text[:97] + "..."


def counted(replay, at):
    return replay.different[at][0].get("in") is not None


def show(replay, at):
    entry, actual = replay.different[at]
    print(f"{replay.scenario}:{at} {entry['vm']} {label(entry)}")
    print(f"    expected {json.dumps(entry.get('out_line', entry.get('out', entry.get('event'))))} {entry.get('state', '')}")
    print(f"    actual   {json.dumps(actual)}")


def judge(done, listed, must_be_most, verbose):
    """Prints the figures; False when something is wrong."""
    good = True
    found = {(r.scenario, at) for r in done for at in r.different}
    known = listed.of({r.scenario for r in done})
    for replay in done:
        for at in replay.misplaced:
            print(f"FAIL {replay.scenario}:{at}: a line of our own stands before one of QEMU's")
            good = False
        for at in sorted(replay.different):
            entry = replay.different[at][0]
            if (replay.scenario, at) not in known:
                good = False
                print(f"FAIL {replay.scenario}:{at}: {label(entry)}: differs and is not listed")
                if verbose:
                    show(replay, at)
            elif listed.rows[replay.scenario, at] != label(entry):
                good = False
                print(f"FAIL {replay.scenario}:{at}: listed as {listed.rows[replay.scenario, at]!r}, "
                      f"is {label(entry)!r}")
    for scenario, at in sorted(known - found - listed.either):
        good = False
        print(f"FAIL {scenario}:{at}: {listed.rows[scenario, at]}: is listed and does not differ")
    inputs = sum(r.inputs for r in done)
    different = [(r.scenario, at) for r in done for at in r.different if counted(r, at)]
    equal = inputs - len(different)
    now = inputs - len(listed.later.intersection(different))
    percent = 100 * equal / max(now, 1)
    print(f"{equal} of {inputs} inputs equal: {100 * equal / max(inputs, 1):.1f} %")
    print(f"{equal} of the {now} inputs that need no feature of a later issue: {percent:.1f} %")
    print(f"{len(found)} differences with the ones in events; {'all are listed' if good else 'NOT all as listed'}")
    if must_be_most and percent < LEAST_EQUAL:
        print(f"FAIL less than {LEAST_EQUAL} % are equal")
        good = False
    return good
