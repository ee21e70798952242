"""migrate_check: every mismatch that is planted is named with its side, and good pairs raise no alarm."""

import os
import re
import shutil
import socket
import subprocess

import harness
import real_guest

OTHER_UUID = "99999999-2222-3333-4444-555555555555"


def address(process):
    return f"unix:{process.qmp_path}"


def check(s, src, dst, *lines, uri=None, there=()):
    """Output and exit code of migrate_check. @lines are for the source, @there for the destination, before."""
    argv = [harness.MIGMON, "--peer-timeout", "600", "--connect", address(src)]
    for line in lines:
        argv += ["-c", line]
    if there:
        argv += ["-c", f"connect {address(dst)}"]
        for line in there:
            argv += ["-c", line]
        argv += ["-c", f"connect {address(src)}"]
    argv += ["-c", f"peer {address(dst)}", "-c", "migrate_check" + (f" {uri}" if uri else "")]
    done = harness.run_program(argv, stderr=subprocess.STDOUT, text=True)
    return done.stdout, done.returncode


# What is planted: name, options of both (keywords of real_guest.start and "options"), lines for both, address, what
# has to be said. {dir} is the scene's folder.
PLANTED = [
    ("machine_type", {}, {"machine_type": "pc-q35-7.2"}, [], [], None,
     r"^error: destination: machine type: found pc-q35-7.2, needed pc-i440fx-7.2; start it with -M pc-i440fx-7.2"),
    ("ram_size", {}, {"memory": "128M"}, [], [], None,
     r"^error: destination: RAM size: found base-memory 128.0 MiB, needed 64.0 MiB; start it with -m 67108864B"),
    ("vcpus", {}, {"smp": 2}, [], [], None, r"^error: destination: vCPUs: found 2, needed 1; start it with -smp 1"),
    ("cpu_model", {}, {"options": ["-cpu", "max"]}, [], [], None,
     r"^error: destination: CPU model: found max-x86_64-cpu, needed qemu64-x86_64-cpu;"),
    ("device_missing", {"options": ["-device", "virtio-rng-pci,id=rng"]}, {}, [], [], None,
     r"^error: destination: devices: found there is no such device, needed virtio-rng-pci +'rng'"),
    ("device_too_many", {}, {"options": ["-device", "virtio-rng-pci,id=rng"]}, [], [], None,
     r"^error: source: devices: found there is no such device, needed virtio-rng-pci +'rng'"),
    ("device_of_another_type", {"options": ["-device", "virtio-rng-pci,id=d"]},
     {"options": ["-device", "virtio-balloon-pci,id=d"]}, [], [], None,
     r"^error: destination: devices: found child<virtio-balloon-pci>, needed child<virtio-rng-pci>"),
    ("ram_block", {}, {"machine_type": "pc-i440fx-7.2,memory-backend=m",
                       "options": ["-object", "memory-backend-ram,id=m,size=64M"]}, [], [], None,
     r"^error: destination: RAM blocks: found there is none of that id, needed memory backend 'pc.ram'"),
    ("destination_runs", {}, {"incoming": False}, [], [], None,
     r"^error: destination: state of the destination: found (running|prelaunch), needed inmigrate; start it with -incoming"),
    ("source_waits", {"options": ["-incoming", "defer"]}, {}, [], [], None,
     r"^error: source: state of the source: found inmigrate, needed a guest that is here"),
    ("blocker", {"options": ["-drive", "file=fat:rw:{dir},format=raw,if=none,id=v"]},
     {"options": ["-drive", "file=fat:{dir},format=raw,if=none,id=v"]}, [], [], None,
     r"^error: source: blockers: found .*vvfat.*, needed nothing that blocks migration"),
    ("uuid", {}, {"uuid": OTHER_UUID}, [], [], None,
     rf"^warning: destination: UUID: found {OTHER_UUID}, needed 1111.*; start it with -uuid 1111"),
    ("uuid_that_is_validated", {}, {"uuid": OTHER_UUID}, ["migrate_set_capability validate-uuid on"], [], None,
     rf"^error: destination: UUID: found {OTHER_UUID}"),
    ("capability_off_there", {}, {}, ["migrate_set_capability multifd on"], [], None,
     r"^warning: destination: capabilities: found multifd off, needed multifd on; migrate_to sets it"),
    ("capability_on_there", {}, {}, [], ["migrate_set_capability multifd on"], None,
     r"^warning: destination: capabilities: found multifd on, needed multifd off"),
    ("parameter", {}, {}, ["migrate_set_parameter multifd-channels 5"], [], None,
     r"^warning: destination: parameters: found multifd-channels 2, needed multifd-channels 5"),
    ("tls_on_one_side", {}, {}, ["migrate_set_parameter tls-creds creds0"], [], None,
     r"^error: destination: TLS: found tls-creds is empty"),
    ("multifd_through_a_child", {}, {}, ["migrate_set_capability multifd on"], ["migrate_set_capability multifd on"],
     "exec:cat", r"^error: source: way: found exec:cat, needed tcp: or unix: for multifd"),
    ("listens_elsewhere", {}, {"incoming": "unix:{dir}/here"}, [], [], "unix:{dir}/there",
     r"^error: destination: address: found it listens on unix:.*/here already"),
]
# Addresses that one pair of ends is asked about: name, address, what has to be said.
ADDRESSES = [
    ("no_folder", "unix:{dir}/none/such",
     r"^error: destination: address: found there is no folder .*/none,"),
    ("path_too_long", "unix:/" + "x" * 120, r"^error: destination: address: .*less than 108 bytes"),
    ("path_of_a_file", "unix:{dir}/a-file",
     r"^error: destination: address: found .*a-file exists and is no socket"),
    ("path_in_use", "unix:{dir}/src.qmp", r"^error: destination: address: found somebody listens on"),
    ("port_in_use", "tcp:127.0.0.1:{port}",
     r"^error: destination: address: found tcp:127.0.0.1:\d+: Address already in use"),
    ("address_of_nobody_here", "tcp:192.0.2.1:4444",
     r"^error: destination: address: found tcp:192.0.2.1:4444: Cannot assign"),
    ("address_without_sense", "tpc:1:2",
     r"^error: destination: address: found unknown migration protocol: tpc:1:2"),
]


def start(s, binary, name, options, incoming):
    options = dict(options)
    incoming = options.pop("incoming", incoming)
    extra = [o.format(dir=s.dir) for o in options.pop("options", [])]
    if incoming:
        extra += ["-incoming", incoming.format(dir=s.dir)]
    return real_guest.start(s, binary, name, *extra, idle=True, **options)


def planted(row):
    name, here, there, lines, there_lines, uri, wanted = row

    def test(s, binary):
        src = start(s, binary, "src", here, None)
        dst = start(s, binary, "dst", there, "defer")
        text, code = check(s, src, dst, *lines, uri=uri and uri.format(dir=s.dir), there=there_lines)
        if not re.search(wanted, text, re.M):
            raise harness.Failure(f"/{wanted}/ is not in:\n{text}")
        expected = 3 if wanted.startswith("^error") else 0
        if code != expected:
            raise harness.Failure(f"exit {code}, expected {expected}:\n{text}")
        return next(line for line in text.splitlines() if re.search(wanted, line))
    test.__name__ = f"names_{name}"
    return test


def names_what_is_wrong_with_an_address(s, binary):
    src = start(s, binary, "src", {}, None)
    dst = start(s, binary, "dst", {}, "defer")
    with open(s.path("a-file"), "w"):
        pass
    chosen = harness.by_turns(ADDRESSES)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for name, uri, wanted in chosen:
            text, code = check(s, src, dst, uri=uri.format(dir=s.dir, port=taken.getsockname()[1]))
            if not re.search(wanted, text, re.M) or code != 3:
                raise harness.Failure(f"{name}: exit {code}, /{wanted}/ is not in:\n{text}")
    return f"{len(chosen)} addresses"


def names_what_an_older_qemu_lacks(s, old, new):
    """10.0 to 7.2: the machine, the version, a capability."""
    src = real_guest.start(s, new, "src", machine_type="pc-i440fx-10.0", idle=True)
    dst = real_guest.start(s, old, "dst", "-incoming", "defer", idle=True)
    text, code = check(s, src, dst, "migrate_set_capability return-path on",
                       "migrate_set_capability switchover-ack on")
    for wanted in (r"^warning: destination: version: found QEMU 7\.2\.\d+, needed QEMU 10\.0\.\d+ or newer",
                   r"^error: destination: machine type: found pc-i440fx-7.2; it does not know pc-i440fx-10.0",
                   r"^error: destination: capabilities: found QEMU 7\.2\.\d+ does not know it, needed switchover-ack on"):
        if not re.search(wanted, text, re.M):
            raise harness.Failure(f"/{wanted}/ is not in:\n{text}")
    if code != 3:
        raise harness.Failure(f"exit {code}")


def names_missing_permission_for_userfaultfd(s, binary):
    with open("/proc/sys/vm/unprivileged_userfaultfd") as file:
        allowed = file.read().strip() == "1"
    if allowed or os.geteuid() != 0 or not shutil.which("setpriv"):
        return "not tried: this machine gives it to everybody, this user cannot take it away, or setpriv is missing"
    src = real_guest.start(s, binary, "src", idle=True)
    wrapper = s.path("qemu-without-ptrace")
    with open(wrapper, "w") as file:
        file.write(f"#!/bin/sh\nexec setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace {binary} \"$@\"\n")
    os.chmod(wrapper, 0o755)
    dst = real_guest.start(s, wrapper, "dst", "-incoming", "defer", idle=True)
    text, code = check(s, src, dst, "migrate_set_capability postcopy-ram on")
    if "error: destination: userfaultfd: found process" not in text or code != 3:
        raise harness.Failure(text)
    return None


def good_pairs_raise_no_alarm(s, first, second):
    """With devices, settings on both sides and several ways."""
    devices = ["-device", "virtio-rng-pci,id=rng", "-device", "virtio-balloon-pci,id=balloon"]
    src = real_guest.start(s, first, "src", *devices, smp=2, idle=True)
    dst = real_guest.start(s, second, "dst", *devices, "-incoming", "defer", smp=2, idle=True)
    both = ["migrate_set_capability multifd on", "migrate_set_parameter multifd-channels 4"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for uri in (None, f"unix:{s.path('m')}", "tcp:127.0.0.1:0", f"tcp:127.0.0.1:{port}"):
        text, code = check(s, src, dst, *both, uri=uri, there=both)
        if code != 0 or not re.search(r"^check: 0 errors, 0 warnings$", text, re.M):
            raise harness.Failure(f"{uri}: exit {code}\n{text}")


def main():
    qemus = harness.real_qemus()
    if not qemus:
        harness.skip("no qemu-system-x86_64 is installed")
    tests = []

    def add(function, name, *binaries):
        def test(s):
            return function(s, *binaries)
        test.__name__ = name
        tests.append(test)

    version, binary = next(iter(qemus.items()))
    for row in PLANTED:
        function = planted(row)
        add(function, function.__name__, binary)
    add(names_what_is_wrong_with_an_address, "names_what_is_wrong_with_an_address", binary)
    add(names_missing_permission_for_userfaultfd, "names_missing_permission_for_userfaultfd", binary)
    if "7.2" in qemus and "10.0" in qemus:
        add(names_what_an_older_qemu_lacks, "names_what_an_older_qemu_lacks", qemus["7.2"], qemus["10.0"])
        add(good_pairs_raise_no_alarm, "good_pairs_raise_no_alarm_7.2_to_10.0", qemus["7.2"], qemus["10.0"])
    else:
        print(f"only {version} is here: other pairs are not tried")
    for version, binary in qemus.items():
        add(good_pairs_raise_no_alarm, f"good_pairs_raise_no_alarm_{version}", binary, binary)
    harness.run(tests)


main()
