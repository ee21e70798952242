"""A shell script for QEMU's human monitor (hmp_script.sh), against real QEMUs and, with nothing changed but the
prompt that it waits for, against migmon."""

import os
import shutil

import harness
import pace

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hmp_script.sh")


def run_script(s, prompt):
    result = harness.run_program([SCRIPT, s.path("monitor"), prompt, f"unix:{s.path('m.sock')}"], text=True)
    if result.returncode != 0:
        raise harness.Failure(f"the script: {result.returncode}\n{result.stdout}{result.stderr}")
    return [line for line in result.stdout.splitlines() if line.startswith("total")][0]


def migmon(s):
    dst = s.migmon("dst", "--incoming", f"unix:{s.path('m.sock')}")
    s.migmon("src", "--monitor", f"unix:{s.path('monitor')}", machine=pace.stress(pace.calm(), "prefill=on"))
    line = run_script(s, "(migmon) ")
    dst.wait_run_state("running")
    return f"{line}; {dst.verify()} steps verified"


def qemu(version, binary):
    def test(s):
        s.qemu(binary, "dst", "-incoming", f"unix:{s.path('m.sock')}")
        s.qemu(binary, "src", "-monitor", f"unix:{s.path('monitor')},server=on,wait=off")
        return run_script(s, "(qemu) ")
    test.__name__ = f"qemu_{version}"
    return test


if __name__ == "__main__":
    if shutil.which("socat") is None:
        harness.skip("socat is not installed")
    harness.run([migmon] + [qemu(*found) for found in harness.real_qemus().items()])
