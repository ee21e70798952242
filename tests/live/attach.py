"""Driving real QEMUs: one batch from attaching to recovery, both versions, with guests that really run."""

import os
import re
import subprocess

import harness
import pace
import real_guest

# A guest that writes stays under way; and one on any machine comes to its end.
HOLD = [f"migrate_set_parameter max-bandwidth {pace.HELD}B"]
RELEASE = ["migrate_set_parameter max-bandwidth 1G", f"migrate_set_parameter downtime-limit {harness.LONG_PAUSE}"]


def batch(s, lines, *options, expect=0, env=None):
    """Runs a batch; returns its output (both streams in order)."""
    script = s.path("script.hmp")
    with open(script, "w") as file:
        file.write("\n".join(lines) + "\n")
    done = harness.run_program([harness.MIGMON, "--peer-timeout", "600", *options, "--batch", script], stderr=subprocess.STDOUT, text=True,
                               env={**os.environ, **(env or {})})
    if done.returncode != expect:
        raise harness.Failure(f"exit {done.returncode}, expected {expect}:\n{done.stdout}")
    return done.stdout


def need(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text, re.M):
            raise harness.Failure(f"/{pattern}/ is not in:\n{text}")


def address(process):
    return f"unix:{process.qmp_path}"


def one_batch_tunes_cancels_migrates_and_recovers(s, first, second):
    a = real_guest.start_writing(s, first, "a")
    b, c, d = (real_guest.start(s, second, name, "-incoming", "defer") for name in "bcd")
    monitor = harness.Monitor(s, "--connect", address(a), "--peer", address(b), "--peer-timeout", "600",
                              stop=True)
    monitor.run(
        "info target",
        f"migrate_check unix:{s.path('m1')}",
        "expect ^check: 0 errors, 0 warnings",
        *HOLD,
        f"migrate_to -d unix:{s.path('m1')}",
        "wait active",
        "assert owner == here",
        "migrate_cancel",
        "wait cancelled",
        "assert run-state == running",
        # The first destination may have ended with that; the next waits elsewhere.
        f"peer {address(c)}",
        *RELEASE,
        f"migrate_to unix:{s.path('m2')}",
        "assert status == completed",
        "assert owner == peer",
        # On from there, by post-copy that is cut and recovered.
        f"connect {address(c)}",
        f"peer {address(d)}",
        "migrate_set_capability postcopy-ram on",
        "migrate_set_parameter downtime-limit 300",
        *HOLD,
        f"migrate_set_parameter max-postcopy-bandwidth {pace.HELD}B",
        f"migrate_to -d unix:{s.path('m3')}",
        "wait active",
        "migrate_start_postcopy",
        "wait postcopy-active")
    # A pause before the guest has begun to run there fails the migration.
    harness.wait_for("the guest runs there", lambda: "running" in monitor.run("qemu -p info status"))
    monitor.run(
        "migrate_pause",
        "wait postcopy-paused",
        "migrate_set_parameter max-postcopy-bandwidth 0",
        f"migrate_to -r unix:{s.path('m4')}",
        "assert status == completed",
        "assert owner == peer",
        "info migrate")
    text = monitor.output()
    code = monitor.end()
    if code != 0:
        raise harness.Failure(f"exit {code}:\n{text}")
    need(text, r"^source: QEMU .* guest a running", r"^destination: QEMU .* guest b inmigrate",
         r"cancelled; guest running at the source", r"^outcome: migration to unix:.*m3.*completed|m4.*completed",
         r"^owner: peer \(confirmed\)")
    batch(s, ["info status", "expect ^VM status: running"], "--connect", address(d))
    for process in (a, b, c, d):
        process.kill()  # QEMU 10.0 trips over itself when it ends in good order after a recovery


def settings_are_put_back_after_a_cancel(s, first, second):
    """What migrate_to set on both sides is as before."""
    a = real_guest.start_writing(s, first, "a")
    b = real_guest.start(s, second, "b", "-incoming", "defer")
    text = batch(s, [
        "migrate_set_capability xbzrle on",
        *HOLD,
        "echo BEFORE", "info migrate_capabilities",
        f"migrate_to -d unix:{s.path('m')}",
        "wait active",
        # Neither forgets what is to be put back, nor lets go of what is attached.
        "on-error continue", "migrate_to", "connect nosuch:/monitor", "on-error stop",
        "echo WHILE", "info migrate_capabilities",
        "qemu -p info migrate_capabilities",
        "migrate_cancel", "wait cancelled", "info migrate",
        "echo AFTER", "info migrate_capabilities",
    ], "--connect", address(a), "--peer", address(b), expect=3)
    before, rest = text.split("BEFORE\n")[1].split("WHILE\n")
    during, after = rest.split("AFTER\n")
    need(during, r"^events: on", r"^return-path: on", r"(?s)xbzrle: on.*xbzrle: on")
    need(before, r"^events: off", r"^xbzrle: on")
    after = after.split("dirty-limit", maxsplit=1)[0]
    if not before.startswith(after):
        raise harness.Failure(f"before:\n{before}\nafter:\n{after}")


def migmons_are_driven_like_qemus(s):
    """Two of them attached by a third; then the guest of the third itself, with one attached destination."""
    workload = pace.stress(pace.calm(), "prefill=on")
    a = s.migmon("a", machine=workload)
    b, c = (s.migmon(name, "--incoming", "defer", machine=workload) for name in "bc")
    for process in (a, b, c):
        process.qmp.close()
    text = batch(s, [f"migrate_check unix:{s.path('m1')}", f"migrate_to unix:{s.path('m1')}", "assert owner == peer",
                     "info migrate", f"connect {address(b)}", "guest_verify", "info status"],
                 "--connect", address(a), "--peer", address(b))
    need(text, r"^check: 0 errors, 0 warnings", r"^pause: .*load", r"^verify: ok", r"^VM status: running")
    text = batch(s, [f"peer {address(c)}", f"migrate_to unix:{s.path('m2')}", "assert owner == peer",
                     "qemu -p info name"],
                 "--memory", pace.SMALL, "--machine", workload)
    need(text, r"^destination: migmon .* guest c inmigrate", r"^c$")
    c.connect()
    c.wait_run_state("running")


def settings_that_a_release_lacks_or_adds(s, first, second):
    """Refused with the name and version of the QEMU; what only it knows is set and explained from its schema."""
    src = real_guest.start(s, first, "src", idle=True)
    lacks = [("parameter", "x-handover", "off"), ("capability", "x-nothing", "on")]
    adds = []
    version = batch(s, ["info version"], "--connect", address(src))
    if version.startswith("7."):
        lacks += [("parameter", "mode", "normal"), ("capability", "switchover-ack", "on")]
    else:
        lacks += [("parameter", "compress-level", "3"), ("capability", "compress", "on")]
        adds += [("multifd-qatzip-level", "2"), ("zero-page-detection", "legacy")]
    for kind, name, value in lacks:
        text = batch(s, [f"migrate_set_{kind} {name} {value}"], "--connect", address(src),
                     expect=3 if kind == "capability" and name != "x-nothing" else 1)
        known = name != "x-nothing"
        need(text, rf"^Error: the source \(QEMU [\d.]+ at unix:.*\) does not know the migration {kind} '{name}'"
             if known else "^Error: invalid parameter value: x-nothing")
    for name, value in adds:
        text = batch(s, [f"help {name}", f"migrate_set_parameter {name} {value}", "info migrate_parameters"],
                     "--connect", address(src))
        need(text, rf"^{name} \(migration parameter of QEMU [\d.]+\) -- (int|enum; one of: none)",
             rf"^{name}: (true|{value}) \(of QEMU [\d.]+\)")
    need(batch(s, ["info migrate_capabilities", "info migrate_parameters"], "--connect", address(src)),
         r"^\S+: not known to QEMU [\d.]+$", r"^x-handover: not known to QEMU")
    return f"{len(lacks)} refused, {len(adds)} set"


def no_second_copy_and_no_wrong_peer(s, first, second):
    """Nothing leaves for where nobody attached waits, and a source without its guest neither leaves nor runs again."""
    a = real_guest.start(s, first, "a", idle=True)
    b = real_guest.start(s, second, "b", "-incoming", f"unix:{s.path('here')}")
    c = real_guest.start(s, second, "c", "-incoming", "defer", uuid="99999999-2222-3333-4444-555555555555")
    text = batch(s, [
        "on-error continue",
        *RELEASE,
        f"migrate_to unix:{s.path('elsewhere')}",
        "assert status == none", "assert owner == here",
        "migrate_to",
        "assert status == completed", "assert owner == peer",
        "cont",
        "assert run-state == postmigrate",
        f"peer {address(c)}",
        f"migrate_to unix:{s.path('again')}",
        f"migrate_to -r unix:{s.path('again')}",
        "qemu -p info migrate_capabilities",
    ], "--connect", address(a), "--peer", address(b), expect=3)
    need(text, r"^Error: the destination listens on unix:\S+here already, not on unix:\S+elsewhere",
         r"^Error: the guest may run elsewhere: owner is peer \(confirmed\)",
         r"^Error: the source \(QEMU .*\) does not have the guest: it is postmigrate",
         r"^Error: these are not the two ends of one migration: the source .* has the UUID 1111.* has 9999",
         r"^events: off")
    if "assert:" in text:
        raise harness.Failure(text)


def monitors_that_cannot_be_attached(s, first, second):
    """At the start and by a line: exit status 2, and why."""
    src = real_guest.start(s, first, "src", idle=True)
    nobody = f"unix:{s.path('nobody')}"
    holder = harness.Monitor(s, "--connect", address(src), name="holder")
    need(batch(s, ["echo never"], "--connect", nobody, expect=2), "the source could not be attached: cannot connect to",
         "^hint: nothing listens there")
    need(batch(s, [f"connect {nobody}", "echo never"], expect=2), "^Error: the source could not be attached")
    need(batch(s, [f"connect {address(src)}", "echo never"], "--peer-timeout", "0.3", expect=2),
         "connected, but no greeting for", "serves one client at a time")
    need(batch(s, ["connect exec:cat"], expect=2), "is no address of a monitor")
    holder.end()
    # What was here before is here again afterwards.
    text = batch(s, ["info name", f"connect {address(src)}", "info name", "guest_verify", "disconnect",
                     "info name", "guest_verify"], "--name", "own", "--memory", pace.SMALL, expect=3)
    need(text, r"(?s)^own\n.*^src\n.*is for the guest of migmon itself")
    text = batch(s, ["info name", f"connect {address(src)}", "info name", "disconnect", "info name", "guest_verify"],
                 "--name", "own", "--memory", pace.SMALL)
    need(text, r"(?s)^own\n.*^src\n.*^own\n.*verify: ok")


def main():
    qemus = harness.real_qemus()
    if not qemus:
        harness.skip("no qemu-system-x86_64 is installed")
    pairs = [(v, v) for v in qemus] + [("7.2", "10.0")]
    tests = []
    for function in (one_batch_tunes_cancels_migrates_and_recovers, settings_are_put_back_after_a_cancel,
                     no_second_copy_and_no_wrong_peer):
        for first, second in pairs:
            if first not in qemus or second not in qemus:
                print(f"{first} -> {second} is not tried: not both are here")
                continue

            def test(s, function=function, first=first, second=second):
                return function(s, qemus[first], qemus[second])
            test.__name__ = f"{function.__name__}_{first}_to_{second}"
            tests.append(test)
    for version, binary in qemus.items():
        def settings(s, binary=binary):
            return settings_that_a_release_lacks_or_adds(s, binary, binary)
        settings.__name__ = f"settings_that_a_release_lacks_or_adds_{version}"
        tests.append(settings)
    version, binary = next(iter(qemus.items()))

    def nobody(s):
        return monitors_that_cannot_be_attached(s, binary, binary)
    nobody.__name__ = f"monitors_that_cannot_be_attached_{version}"
    harness.run([migmons_are_driven_like_qemus, *tests, nobody])


if __name__ == "__main__":
    main()
