"""What happens when something breaks, at every named point of the protocol.

    point x {cut, kill source, kill destination, stall, cancel}

The result must be the written one. A fault is made at the point by name (MIGMON_FAULT), never by
timing. The table says for each point where the guest is afterwards:

    src      it runs at the source, the destination does not run
    dst      it runs at the destination; the source stands and does not claim it
    dst-unknown  it runs at the destination, which could not say so: the source stands, owner unknown
    unknown  the commit was sent, nobody confirmed: the source stands with owner unknown, the
             destination was killed
    gone     it died with the source's process; the destination does not run
    gone-dst it died with the destination's process, which had confirmed; the source stands
"""

import signal

import harness

WORKLOAD = "stress,rate=50M,prefill=on,seed=3"
MEMORY = "32M"

# A point of the source lies before the commit, or after it.
BEFORE = ["src-connected", "src-setup", "src-ram-setup", "src-pass-1", "src-pass-end", "src-stopped", "src-pre-switchover",
          "src-ram-end", "src-devices", "src-ping", "src-before-eof"]
# Points of the destination at which the source has not committed.
DST_BEFORE = ["dst-connected", "dst-setup", "dst-ram-setup", "dst-page", "dst-ram-end", "dst-devices",
              "dst-pong"]

FAULTS = ["cut", "kill-src", "kill-dst", "stall", "cancel"]


def expected():
    """{(point, fault): result}"""
    table = {}
    for point in BEFORE + DST_BEFORE:
        table[point, "cut"] = "src"
        table[point, "kill-src"] = "gone"
        table[point, "kill-dst"] = "src"
        table[point, "stall"] = "src"    # the operator ends the wait with migrate_cancel
        table[point, "cancel"] = "src"
    # PONG is on its way: the source may commit while the destination is held or cut. When the destination
    # stands still here, EOF lies unread in its socket.
    table["src-after-eof", "cut"] = "dst"       # EOF was sent before the cut: it arrives
    table["src-after-eof", "kill-src"] = "dst"
    table["src-after-eof", "kill-dst"] = "gone-dst"  # killed when it had confirmed
    table["src-after-eof", "stall"] = "dst"
    table["src-after-eof", "cancel"] = "dst"    # refused
    table["src-shut", "cut"] = "dst"
    table["src-shut", "kill-src"] = "dst"
    table["src-shut", "kill-dst"] = "gone-dst"
    table["src-shut", "stall"] = "dst"
    table["src-shut", "cancel"] = "dst"
    table["dst-eof", "cut"] = "dst-unknown"     # runs there, the source was not told
    table["dst-eof", "kill-src"] = "dst"
    table["dst-eof", "kill-dst"] = "unknown"
    table["dst-eof", "stall"] = "dst-unknown"
    table["dst-eof", "cancel"] = "dst"          # refused
    table["dst-started", "cut"] = "dst-unknown"
    table["dst-started", "kill-src"] = "dst"
    table["dst-started", "kill-dst"] = "unknown"
    table["dst-started", "stall"] = "dst-unknown"
    table["dst-started", "cancel"] = "dst"
    return table


def over(process):
    return process.status() in ("completed", "failed", "cancelled")


def refused_cancel(src):
    try:
        src.execute("migrate_cancel")
    except harness.QmpError as error:
        if "handed over" not in str(error):
            raise
        return
    raise harness.Failure("cancel after the commit was not refused")


def play(s, point, fault):
    """Makes the fault; returns (src, dst) with None for a killed process, everything at rest."""
    on_source = point.startswith("src")
    held = f"{point}=hold"
    action = f"{point}=cut" if fault == "cut" else held
    committed = point in ("src-after-eof", "src-shut", "dst-eof", "dst-started")
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=WORKLOAD,
                   fault="" if on_source else action)
    src = s.migmon("src", memory=MEMORY, machine=WORKLOAD, fault=action if on_source else "")
    # A wait for a verdict that never comes shall end within this test.
    src.set(max_bandwidth=0, x_handover_timeout=2000 if fault == "stall" else 0)
    src.capability("pause-before-switchover", point == "src-pre-switchover")
    src.execute("migrate", uri=f"unix:{path}")
    holder = src if on_source else dst
    if fault != "cut":
        holder.wait_log(f"fault: held at {point}")

    if fault == "kill-src":
        src.kill()
        if not on_source:
            dst.execute("x-fault-release")
        src = None
    elif fault == "kill-dst":
        if point in ("src-after-eof", "src-shut"):
            dst.wait_status("completed")
        dst.kill()
        if on_source:
            src.execute("x-fault-release")
        dst = None
    elif fault == "cancel":
        if committed:
            refused_cancel(src)
            holder.execute("x-fault-release")
        else:
            src.execute("migrate_cancel")
            src.wait_status("cancelled")
            if not on_source:
                dst.execute("x-fault-release")
    elif fault == "stall":
        if not committed:
            # Nothing moves; nobody but the operator knows that it never will.
            src.execute("migrate_cancel")
            src.wait_status("cancelled")
        elif not on_source:
            harness.wait_for("the source has given up waiting", lambda: over(src))
        holder.execute("x-fault-release")
    for side in (src, dst):
        # A connection on which nothing was said was no attempt for the destination.
        if side is not None and not (side is dst and point == "src-connected"):
            harness.wait_for(f"the attempt is over on {side.name}", lambda side=side: over(side))
    return src, dst


def where(process):
    return "dead" if process is None else process.run_state()


def check(src, dst, result):
    """Raises unless the two processes are in the state that @result names."""
    states = f"source {where(src)}, destination {where(dst)}"
    if src is not None and dst is not None and src.run_state() == dst.run_state() == "running":
        raise harness.Failure("IT RUNS ON BOTH SIDES")
    owner = src.owner() if src is not None else None
    ok = {
        "src": lambda: where(src) == "running" and owner == "here" and where(dst) in ("inmigrate", "dead"),
        "dst": lambda: where(dst) == "running" and where(src) in ("postmigrate", "dead")
               and owner in ("peer (confirmed)", "unknown (commit sent)", None),
        "dst-unknown": lambda: where(dst) == "running" and where(src) == "postmigrate"
                       and owner == "unknown (commit sent)",
        "unknown": lambda: where(dst) == "dead" and where(src) == "postmigrate"
                   and owner == "unknown (commit sent)",
        "gone": lambda: src is None and where(dst) == "inmigrate",
        "gone-dst": lambda: dst is None and where(src) == "postmigrate" and owner == "peer (confirmed)",
    }[result]()
    if not ok:
        raise harness.Failure(f"expected {result}: {states}, owner {owner}")
    for side in (src, dst):
        if where(side) in ("running", "postmigrate"):
            side.verify()
    if src is not None:
        text = src.hmp("info migrate")
        if "owner: " not in text or "outcome: " not in text:
            raise harness.Failure(f"info migrate does not say what happened:\n{text}")
    # The operator takes an unknown guest back, and it is still whole.
    if result == "unknown":
        src.hmp("cont -f")
        if src.run_state() != "running" or src.owner() != "here":
            raise harness.Failure("cont -f did not take the guest back")
        src.verify()


def table(_):
    results = expected()
    failures = []
    width = max(len(point) for point, _ in results)
    print(f"{'point':{width}}  " + "  ".join(f"{fault:11}" for fault in FAULTS))
    for point in dict.fromkeys(point for point, _ in results):
        row = []
        for fault in FAULTS:
            want = results[point, fault]
            with harness.scene() as s:
                try:
                    src, dst = play(s, point, fault)
                    check(src, dst, want)
                    row.append(want)
                except harness.Failure as failure:
                    failures.append(f"{point} x {fault}: {failure}")
                    row.append("FAIL")
        print(f"{point:{width}}  " + "  ".join(f"{cell:11}" for cell in row), flush=True)
    if failures:
        raise harness.Failure("\n".join(failures))
    return f"{len(results)} faults"


def source_that_fails_by_itself(s):
    """An error of the source's own at any point before the commit: it runs on."""
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=WORKLOAD)
    for i, point in enumerate(BEFORE):
        src = s.migmon(f"src{i}", memory=MEMORY, machine=WORKLOAD, fault=f"{point}=fail")
        src.set(max_bandwidth=0)
        src.capability("pause-before-switchover", point == "src-pre-switchover")
        src.execute("migrate", uri=f"unix:{path}")
        src.wait_status("failed")
        if src.run_state() != "running" or src.owner() != "here":
            raise harness.Failure(f"{point}: {src.run_state()}, owner {src.owner()}")
        # The same destination takes the next attempt.
        harness.wait_for("the destination is free", lambda: dst.status() in ("failed", "setup"))
        src.verify()
        if i + 1 < len(BEFORE):
            s.drop(src)
    src.execute("migrate", uri=f"unix:{path}")
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()


def stopped_destination_process(s):
    """SIGSTOP: the whole peer stands still; cancel works, the guest runs at the source."""
    path = s.path("m.sock")
    dst = s.migmon("dst", "--incoming", f"unix:{path}", memory=MEMORY, machine=WORKLOAD)
    src = s.migmon("src", memory=MEMORY, machine=WORKLOAD)
    dst.signal(signal.SIGSTOP)
    try:
        src.set(max_bandwidth=0)
        src.execute("migrate", uri=f"unix:{path}")
        harness.wait_for("something was sent", lambda: src.status() in ("active", "setup"))
        src.execute("migrate_cancel")
        src.wait_status("cancelled")
    finally:
        dst.signal(signal.SIGCONT)
    if src.run_state() != "running":
        raise harness.Failure(src.run_state())


if __name__ == "__main__":
    harness.run([table, source_that_fails_by_itself, stopped_destination_process])
