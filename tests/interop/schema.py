"""query-qmp-schema of migmon beside that of every QEMU that is here: the migration part.

The two descriptions are walked together from each command and event: arguments, replies, members, types,
values of enums, what is optional, deprecated, unstable. migmon follows 8.2 and the QEMUs here are
older and newer, so there are differences; each must have a row below with its reason, and a row
that no difference needs is an error too.

    python3 schema.py list      # prints the differences, with no row needed
"""

import re
import sys

import harness

# What belongs to migration, to the monitor itself and to run control.
COMMANDS = re.compile(r"""
    migrate .* | query-migrat .* | client_migrate_info
    | .* dirty-rate | .* vcpu-dirty-limit
    | .* colo-lost-heartbeat | query-colo-status | .* xen- .* | query-xen- .*
    | snapshot-(save|load|delete) | query-jobs | job-(cancel|dismiss|finalize|complete|pause|resume)
    | qmp_capabilities | query-commands | query-qmp-schema | human-monitor-command
    | query-(version|name|uuid|status) | stop | cont | quit
    | getfd | closefd | add-fd | remove-fd | query-fdsets
    """, re.VERBOSE)
EVENTS = re.compile(r"MIGRATION|MIGRATION_PASS|COLO_EXIT|UNPLUG_PRIMARY|JOB_STATUS_CHANGE|STOP|RESUME|SHUTDOWN")


class Schema:
    """One description; entries by name."""

    def __init__(self, entries):
        self.entries = {entry["name"]: entry for entry in entries}

    def names(self, kind, pattern):
        return {name for name, entry in self.entries.items()
                if entry["meta-type"] == kind and pattern.fullmatch(name)}

    def __getitem__(self, name):
        return self.entries[name]


class Comparison:
    """Differences between migmon's schema (a) and QEMU's (b), as lines "PATH: WHAT"."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.differences = []
        self.compared = set()

    def note(self, path, what):
        self.differences.append(f"{path}: {what}")

    def features(self, path, a, b):
        for feature in sorted(set(a.get("features", ())) ^ set(b.get("features", ()))):
            self.note(path, f"{feature} in {'migmon' if feature in a.get('features', ()) else 'QEMU'} only")

    def named(self, path, a, b, key, each):
        """Two lists of objects with names in them: what is on one side only, then those on both."""
        a, b = ({element[key]: element for element in elements} for elements in (a, b))
        for name in sorted(a.keys() ^ b.keys()):
            self.note(f"{path}.{name}", f"in {'migmon' if name in a else 'QEMU'} only")
        for name in sorted(a.keys() & b.keys()):
            each(f"{path}.{name}", a[name], b[name])

    def member(self, path, a, b):
        if ("default" in a) != ("default" in b):
            self.note(path, f"optional in {'migmon' if 'default' in a else 'QEMU'} only")
        self.features(path, a, b)
        self.type(path, a["type"], b["type"])

    def type(self, path, a_name, b_name):
        if (path, a_name, b_name) in self.compared:
            return
        self.compared.add((path, a_name, b_name))
        a, b = self.a[a_name], self.b[b_name]
        kinds = a["meta-type"], b["meta-type"]
        if kinds[0] != kinds[1]:
            self.note(path, f"{kinds[0]} {a_name} in migmon, {kinds[1]} {b_name} in QEMU")
        elif kinds[0] == "builtin" and a["json-type"] != b["json-type"]:
            self.note(path, f"{a['json-type']} in migmon, {b['json-type']} in QEMU")
        elif kinds[0] == "array":
            self.type(path + "[]", a["element-type"], b["element-type"])
        elif kinds[0] == "enum":
            if [m["name"] for m in a["members"]] != a["values"]:
                self.note(path, "members and values disagree")
            self.named(path, a["members"], b["members"], "name", self.features)
        elif kinds[0] == "alternate":
            a_types, b_types = ({side[m["type"]]["meta-type"] + side[m["type"]].get("json-type", "")
                                 for m in entry["members"]} for side, entry in ((self.a, a), (self.b, b)))
            if a_types != b_types:
                self.note(path, f"{a_types} in migmon, {b_types} in QEMU")
        elif kinds[0] == "object":
            self.object(path, a, b)

    def object(self, path, a, b):
        self.named(path, a["members"], b["members"], "name", self.member)
        if a.get("tag") != b.get("tag"):
            self.note(path, f"told apart by {a.get('tag')} in migmon, by {b.get('tag')} in QEMU")
        elif "tag" in a:
            self.named(f"{path}<{a['tag']}>", a["variants"], b["variants"], "case",
                       lambda where, x, y: self.type(where, x["type"], y["type"]))

    def command(self, name):
        a, b = self.a[name], self.b[name]
        if a.get("allow-oob", False) != b.get("allow-oob", False):
            self.note(name, f"out of band in {'migmon' if a.get('allow-oob') else 'QEMU'} only")
        self.features(name, a, b)
        self.type(name, a["arg-type"], b["arg-type"])
        self.type(name + " ->", a["ret-type"], b["ret-type"])

    def event(self, name):
        self.features(name, self.a[name], self.b[name])
        self.type(name, self.a[name]["arg-type"], self.b[name]["arg-type"])

    def run(self):
        every = re.compile(".*")
        for kind, part, each in (("command", COMMANDS, self.command), ("event", EVENTS, self.event)):
            ours = self.a.names(kind, every)
            theirs = self.b.names(kind, part)
            for name in sorted(ours ^ theirs):
                # What migmon has and QEMU has too is compared, whether it is in the list or not.
                if name in ours and name in self.b.entries:
                    each(name)
                else:
                    self.note(name, f"{kind} in {'migmon' if name in ours else 'QEMU'} only")
            for name in sorted(ours & theirs):
                each(name)
        return self.differences


def check(differences, version):
    """Every difference has a row, every row a difference."""
    rows = [(re.compile(pattern), reason) for versions, pattern, reason in EXPECTED if version in versions]
    unused = {pattern.pattern for pattern, _ in rows}
    unexplained = []
    for difference in differences:
        matching = [pattern.pattern for pattern, _ in rows if pattern.fullmatch(difference)]
        unused.difference_update(matching)
        if not matching:
            unexplained.append(difference)
    if unexplained or unused:
        raise harness.Failure(f"QEMU {version}: differences without a reason: {unexplained}; "
                              f"reasons without a difference: {sorted(unused)}")
    return f"{len(differences)} differences from QEMU {version}, each with its reason"


def compare(s, version, binary):
    ours = s.migmon("migmon", machine="none").execute("query-qmp-schema")
    theirs = s.qemu(binary, "qemu").execute("query-qmp-schema")
    comparison = Comparison(Schema(ours), Schema(theirs))
    return comparison.run(), len(comparison.compared)


def tests():
    for version, binary in harness.real_qemus().items():
        def test(s, version=version, binary=binary):
            if version not in ("7.2", "10.0"):
                return f"nobody has listed the differences from QEMU {version} yet"
            differences, types = compare(s, version, binary)
            return f"{types} places compared; {check(differences, version)}"
        test.__name__ = f"schema_beside_qemu_{version}"
        yield test


def listing():
    for version, binary in harness.real_qemus().items():
        with harness.scene() as s:
            for difference in compare(s, version, binary)[0]:
                print(f"{version}  {difference}")


OLD, NEW, BOTH = ("7.2",), ("10.0",), ("7.2", "10.0")
PARAMETERS = r"(migrate-set-parameters|query-migrate-parameters ->)\."
CAPABILITIES = r"(migrate-set-capabilities\.capabilities|query-migrate-capabilities ->)\[\]\.capability\."
EXPECTED = [
    # migmon's own.
    (BOTH, r"x-.*: command in migmon only", "what only migmon can do, or QEMU only at its human monitor"),
    (BOTH, r"cont\.x-force: in migmon only", "cont -f: the operator takes a guest back"),
    (BOTH, PARAMETERS + r"x-handover(-timeout)?: in migmon only", "the confirmed hand-over"),
    (BOTH, PARAMETERS + r"x-(switchover|stall)-timeout: in migmon only", "a peer that does nothing is not waited for without an end"),
    (BOTH, PARAMETERS + r"x-multifd-(sync|timeout|zero): in migmon only", "how a peer of any release is served"),
    (BOTH, CAPABILITIES + r"x-sparse-ram: in migmon only", "memory that was never touched is left out"),
    # What migmon leaves out.
    (BOTH, r"object-add\.qom-type\..*: in QEMU only", "objects of devices and back ends that migmon has not"),
    (BOTH, r"object-add: told apart by None in migmon, by qom-type in QEMU",
     "the members of an object are checked by who makes it"),
    (BOTH, r"human-monitor-command: savevm-monitor-nodes in QEMU only", "a note about disks: migmon has none"),
    (BOTH, r"(COLO_EXIT|JOB_STATUS_CHANGE|UNPLUG_PRIMARY): event in QEMU only",
     "migmon never sends it: no COLO, jobs or network cards that are unplugged"),
    # 8.2 has it and 7.2 had not.
    (OLD, r"query-migrationthreads: command in migmon only", "since 8.0"),
    (OLD, r"migrate(-incoming)?\.channels: in migmon only", "since 8.2"),
    (OLD, r"migrate(-incoming)?\.uri: optional in migmon only", "since 8.2: channels in its place"),
    (OLD, r"(calc-dirty-rate|query-dirty-rate|query-dirty-rate ->)\.calc-time-unit: in migmon only", "since 8.2"),
    (OLD, CAPABILITIES + r"(dirty-limit|switchover-ack): in migmon only", "since 8.1 and 8.2"),
    (OLD, PARAMETERS + r"(avail-switchover-bandwidth|mode|vcpu-dirty-limit|x-vcpu-dirty-limit-period): "
     r"in migmon only", "since 8.1 and 8.2"),
    (OLD, r"query-migrate ->\.dirty-limit-(ring-full-time|throttle-time-per-round): in migmon only", "since 8.1"),
    (OLD, r"migrate\.(blk|inc): deprecated in migmon only", "since 8.2"),
    (OLD, CAPABILITIES + r"(block|compress): deprecated in migmon only", "since 8.2"),
    (OLD, PARAMETERS + r"(block-incremental|(de)?compress-.*): deprecated in migmon only", "since 8.2"),
    (OLD, r"query-migrate ->\.(compression|(disk|ram)\.skipped|disk): deprecated in migmon only",
     "since 8.1 and 8.2"),
    (OLD, r"query-status ->\.singlestep: deprecated in migmon only", "since 8.1"),
    # 10.0 has it, and so has migmon.
    (OLD, CAPABILITIES + r"mapped-ram: in migmon only", "since 9.0"),
    (OLD, PARAMETERS + r"direct-io: in migmon only", "since 9.1"),
    # 8.2 has it and 10.0 has no more.
    (NEW, r"migrate\.(blk|inc): in migmon only", "removed in 9.1"),
    (NEW, CAPABILITIES + r"(block|compress): in migmon only", "removed in 9.1"),
    (NEW, PARAMETERS + r"(block-incremental|(de)?compress-.*): in migmon only", "removed in 9.1"),
    (NEW, r"query-migrate ->\.(compression|disk|ram\.skipped): in migmon only", "removed in 9.1"),
    (NEW, r"query-status ->\.singlestep: in migmon only", "removed in 9.0"),
    # 10.0 has it and 8.2 has not.
    (NEW, r"xen-event-(inject|list): command in QEMU only", "since 9.0; not about migration"),
    (NEW, r"migrate-incoming\.exit-on-error: in QEMU only", "since 9.1"),
    (NEW, r"migrate(-incoming)?\.channels\[\]\.channel-type\.cpr: in QEMU only", "since 10.0"),
    (NEW, r".*\.(state|status)\.postcopy-recover-setup: in QEMU only", "since 9.1"),
    (NEW, CAPABILITIES + r"zero-blocks: deprecated in QEMU only", "since 9.2"),
    (NEW, PARAMETERS + r"(multifd-qatzip-level|zero-page-detection|mode\.cpr-transfer): in QEMU only",
     "since 9.0 to 10.0"),
    (NEW, r"query-migrationthreads: deprecated in QEMU only", "since 9.2"),
]


if __name__ == "__main__":
    if sys.argv[1:] == ["list"]:
        listing()
    elif not harness.real_qemus():
        harness.skip("no QEMU is installed")
    else:
        harness.run(list(tests()))
