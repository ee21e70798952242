"""A guest that really runs in a real QEMU: a boot sector that writes memory for ever.

Made here byte by byte: it enters protected mode, then writes one word into each page from 1 MiB up, pauses by
counting, and begins again. So every page of the range is written in each sweep and none is zero.
"""

import os
import re
import struct

import harness

MIB = 1 << 20


def boot_sector(last_mib, pause):
    """Sweeps over 1 MiB..@last_mib and counts to @pause in between."""
    code = bytes.fromhex("fa"                    # cli
                         "31c0 8ed8"             # ds = 0
                         "660f0116 607c"         # lgdt [0x7c60]
                         "0f20c0 0c01 0f22c0"    # cr0.PE = 1
                         "66ea 1b7c0000 0800"    # jump into 32 bits
                         "66b81000 8ed8"         # ds = flat data
                         "bf 00001000"           # sweep: edi = 1 MiB
                         "42 8917"               # page: count, write
                         "81c7 00100000")        # edi += 4096
    code += b"\x81\xff" + struct.pack("<I", last_mib * MIB)
    code += bytes.fromhex("72ef")                # below: page
    code += b"\xb9" + struct.pack("<I", pause)
    code += bytes.fromhex("49 75fd ebe0")        # count down, sweep
    tables = bytes.fromhex("0000000000000000 ffff0000009acf00 ffff00000092cf00" "1700 487c0000")
    return (code.ljust(0x48, b"\x00") + tables).ljust(510, b"\x00") + b"\x55\xaa"


# Interrupts off, and nothing to do any more.
IDLE = bytes.fromhex("fa f4 ebfd").ljust(510, b"\x00") + b"\x55\xaa"


def machine(version="7.2"):
    return f"pc-i440fx-{version}"


def is_listening(path):
    """Without connecting: the monitor serves one client."""
    with open("/proc/net/unix") as file:
        return any(line.rstrip().endswith(" " + path) and " 00010000 " in line for line in file)


def held(process, memory):
    """Bytes that a process holds of its guest's memory."""
    with open(f"/proc/{process.pid}/smaps") as file:
        sizes = re.findall(r"^Size: +(\d+) kB(?s:.*?)^Rss: +(\d+) kB", file.read(), re.M)
    return max((int(here) << 10 for size, here in sizes if int(size) << 10 == memory), default=0)


def start(scene, binary, name, *options, memory="64M", machine_type=None, last_mib=12, pause=1 << 24,
          idle=False, smp=1, uuid="11111111-2222-3333-4444-555555555555"):
    """A QEMU with that guest. Connect to its monitor only by migmon: QEMU
    serves one client at a time."""
    image = scene.path("idle.img" if idle else "guest.img")
    if not os.path.exists(image):
        with open(image, "wb") as file:
            file.write(IDLE if idle else boot_sector(last_mib, pause))
    # TCG, so that every machine has it; a nested KVM can be slower by far.
    accel = "kvm" if os.environ.get("MIGMON_TEST_KVM") else "tcg"
    argv = [binary, "-nodefaults", "-display", "none", "-no-user-config", "-accel", accel,
            "-M", machine_type or machine(), "-m", memory, "-smp", str(smp), "-name", name,
            "-drive", f"file={image},format=raw,if=floppy,snapshot=on", "-boot", "a",
            "-qmp", f"unix:{scene.path(name + '.qmp')},server=on,wait=off"]
    if uuid:
        argv += ["-uuid", uuid]
    process = harness.Process(scene, name, argv + list(options))
    scene.processes.append(process)
    harness.wait_for(f"{name} listens", lambda: is_listening(process.qmp_path)
                     or process.process.poll() is not None)
    if process.process.poll() is not None:
        raise harness.Failure(f"{name} ended: {process.output()}")
    return process


def start_writing(scene, binary, name, *options):
    """Likewise, once the guest has written all of its range: a slow link keeps its migration under way."""
    process = start(scene, binary, name, *options)
    harness.wait_for(f"the guest of {name} writes", lambda: held(process, 64 * MIB) >= 11 * MIB,
                     progress=lambda: held(process, 64 * MIB))
    return process
