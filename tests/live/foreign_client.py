"""A QMP client that someone else wrote moves a guest: Ganeti 3.0's, as Debian packages it, unchanged.

Ganeti manages clusters of KVM hosts and migrates their guests over QMP. Its client wants the end of a line as
QEMU writes it, asks query-commands for what it may use, passes descriptors beside a lone blank. The
same program runs against real QEMUs too: what it takes for granted is QEMU's behaviour, not ours.
"""

import json
import os

import harness
import pace

PATH = os.environ.get("MIGMON_GANETI")
PYTHON = "/usr/bin/python3"


def migrate(source, destination, *capabilities):
    """Runs the client between two processes; what it saw."""
    address = destination.execute("query-migrate")["socket-address"][0]
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ganeti_migrate.py")
    result = harness.run_program([PYTHON, program, source.qmp_path, destination.qmp_path, address["host"],
                                  address["port"], *capabilities], text=True, env={**os.environ, "PYTHONPATH": PATH})
    if result.returncode != 0:
        raise harness.Failure(f"the client: {result.stdout}{result.stderr}")
    seen = json.loads(result.stdout)
    expected = {"source": "postmigrate", "destination": "running", "fdsets": []}
    if {key: seen[key] for key in expected} != expected or seen["statuses"][-1] != "completed":
        raise harness.Failure(f"the client saw {seen}")
    return seen


def migmon_to_migmon(s):
    dst = s.migmon("dst", "--incoming", "tcp:127.0.0.1:0", machine="stress")
    src = s.migmon("src", machine=pace.stress(pace.calm() // 4, "prefill=on", "zero=0"))
    # One that manages a QEMU has its monitor to itself; migmon takes both clients at once.
    seen = migrate(src, dst, "events", "return-path")
    steps = dst.verify()
    if seen["transferred"] < 16 << 20:
        raise harness.Failure(f"the client saw {seen}")
    return f"Ganeti saw {'/'.join(seen['statuses'])}, {seen['transferred'] >> 20} MiB; {steps} steps verified"


def beside_qemu(version, binary):
    def test(s):
        # QEMU serves one client on a socket: ours must be gone before Ganeti comes.
        dst = s.qemu(binary, "dst", "-incoming", "tcp:127.0.0.1:0")
        src = s.qemu(binary, "src")
        address = dst.execute("query-migrate")
        for side in (src, dst):
            side.qmp.close()
        dst.execute = lambda command: address
        # No events: QEMU may send those that come meanwhile before its greeting, and Ganeti fails when they are four.
        return f"and from QEMU {version}: {'/'.join(migrate(src, dst, 'return-path')['statuses'])}"
    test.__name__ = f"qemu_{version}_to_itself"
    return test


if __name__ == "__main__":
    if not PATH:
        harness.skip("Ganeti is not here (script/fetch-ganeti says where it is; MIGMON_GANETI names it)")
    harness.run([migmon_to_migmon] + [beside_qemu(*found) for found in harness.real_qemus().items()])
