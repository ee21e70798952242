"""What counts as the same answer: expected text of a transcript against what migmon said.

Numbers that no two runs share (times, counts, rates, ports) become patterns. Lines and members that are
migmon's own are taken away; they must stand behind QEMU's.
"""

import json
import re

# Lines of "info" whose number differs from run to run.
VOLATILE_LINES = re.compile(
    r"^((?:total time|expected downtime|downtime|setup|transferred ram|throughput|remaining ram|duplicate|normal|"
    r"normal bytes|dirty sync count|pages-per-second|Start Time|Dirty rate): )-?[0-9.]+( .*)?$", re.M)
VERIFIED = re.compile(r"^(verify: ok, )[0-9]+( pages checked, )[0-9]+( written, )[0-9]+( steps)$", re.M)
# Lines that stand there only while their number is not 0.
PASSING_LINES = re.compile(r"^(?:dirty pages rate|postcopy request count|precopy ram|downtime ram|postcopy ram): .*\n",
                           re.M)
VOLATILE_MEMBERS = {
    "total-time", "expected-downtime", "downtime", "setup-time", "transferred", "remaining", "duplicate", "normal",
    "normal-bytes", "dirty-sync-count", "dirty-pages-rate", "mbps", "pages-per-second", "precopy-bytes",
    "downtime-bytes", "postcopy-bytes", "postcopy-requests", "start-time",
}
PORT = re.compile(r"((?:127\.0\.0\.1|\[::1?\]|::1?):|\"port\": \")([1-9][0-9]{3,4})\b")

OWN_LINE = re.compile(r"^(?:hint: |owner: |outcome: |passes: |last pass: |time: |pause: |since: |page requests: |verdict: |advice: |x-handover|x-switchover|x-stall|x-multifd-|x-sparse-ram|mapped-ram|direct-io|"
                      # help: arguments of a command
                      r"  [-\w]+: )")
# Told when it happens, whatever is being answered. Hints may follow.
NOTICE = re.compile(r"^(?:migration (?:to|from)|load of migration from) \S.*\n(?:hint: .*\n)*", re.M)
OWN_MEMBERS = {"x-handover", "x-handover-timeout", "x-switchover-timeout", "x-stall-timeout",
               "x-multifd-sync", "x-multifd-zero", "x-multifd-timeout", "direct-io"}
OWN_CAPABILITIES = {"x-sparse-ram", "mapped-ram"}


class Misplaced(Exception):
    """An answer is the same, but a line of our own stands before one of QEMU's."""


def without_own_lines(text):
    return "".join(line for line in NOTICE.sub("", text).splitlines(keepends=True) if not OWN_LINE.match(line))


def check_order(text):
    text = NOTICE.sub("", text)
    kept = without_own_lines(text)
    if not text.startswith(kept):
        raise Misplaced(text)


def without_own_members(value):
    if isinstance(value, dict):
        return {k: without_own_members(v) for k, v in value.items() if k not in OWN_MEMBERS}
    if isinstance(value, list):
        return [without_own_members(v) for v in value
                if not isinstance(v, dict) or v.get("capability") not in OWN_CAPABILITIES]
    return value


def with_patterns(value):
    if isinstance(value, str):
        value = VERIFIED.sub(r"\1N\2N\3N\4", PASSING_LINES.sub("", value))
        return VOLATILE_LINES.sub(lambda m: m[1] + "N" + (m[2] or ""), value)
    if isinstance(value, dict):
        return {k: "N" if k in VOLATILE_MEMBERS and isinstance(v, (int, float)) else with_patterns(v)
                for k, v in value.items()}
    if isinstance(value, list):
        return [with_patterns(v) for v in value]
    return value


def plain(value):
    """human-monitor-command ends lines with CR LF."""
    if isinstance(value, dict) and isinstance(value.get("return"), str):
        return {**value, "return": value["return"].replace("\r\n", "\n")}
    return value


class Answers:
    """Compares the answers of one scenario and learns which port of ours stands for which of the transcript's."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {}

    def to_send(self, value):
        """An input of the transcript as it is sent here."""
        text = json.dumps(value).replace("$DIR", self.folder)
        return json.loads(PORT.sub(lambda m: m[1] + self.ports.get(m[2], m[2]), text))

    def received(self, value):
        """An answer with this run's folder as the transcript has it."""
        return json.loads(json.dumps(value).replace(self.folder, "$DIR"))

    def same(self, expected, actual):
        """True when they are equal but for what differs in every run. @actual comes from received()."""
        expected, actual = plain(expected), plain(actual)
        text = actual.get("return") if isinstance(actual, dict) else actual
        if isinstance(text, str):
            kept = without_own_lines(text)
            actual = {**actual, "return": kept} if isinstance(actual, dict) else kept
        want, have = (json.dumps(with_patterns(without_own_members(v)), sort_keys=True) for v in (expected, actual))
        want_ports, have_ports = ([m[2] for m in PORT.finditer(t)] for t in (want, have))
        if PORT.sub(r"\1PORT", want) != PORT.sub(r"\1PORT", have):
            return False
        self.ports.update(zip(want_ports, have_ports))
        if isinstance(text, str):
            check_order(text)
        return True


def line_of(text, wanted):
    """The one line of an answer that a transcript shows: the one that begins as the wanted one does."""
    label = wanted.split(":")[0] + ":"
    return next((line for line in text.splitlines() if line.startswith(label)), "")
