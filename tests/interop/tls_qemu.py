"""TLS with a real QEMU at the other end: certificates, keys and anonymous, over every kind of channel, both ways; RAM
compared byte for byte."""

import os

import certificates
import harness
import pace
from qemu import MEMORY, UNLIMITED, fill, same
from qemu_postcopy import begin, content, finish, interrupt, prepare, ram_file, save, SIZE

KINDS = ("x509", "x509_no_client", "psk", "anon")
MODES = ("plain", "multifd", "postcopy", "preempt", "recover")


def credentials(s, kind, src, dst):
    folder = certificates.complete(s.path("certificates"))
    if kind == "x509_no_client":
        os.remove(f"{folder}/client-cert.pem")
        os.remove(f"{folder}/client-key.pem")
        certificates.add(dst, "x509", folder, "server", verify_peer=False)
    else:
        certificates.add(dst, kind, folder, "server")
    certificates.add(src, kind.split("_")[0], folder, "client")
    src.set(tls_hostname="localhost")


def precopy(s, src, dst, uri, a, b):
    src.set(max_bandwidth=UNLIMITED)
    src.execute("migrate", uri=uri)
    dst.wait_status("completed")
    src.wait_status("completed")
    same(a, b)


def pages(s, src, dst, uri, data, mode, read):
    prepare((src, dst), mode == "preempt")
    dst.execute("migrate-incoming", uri=uri)
    begin(src, dst, uri)
    if mode == "recover":
        read(SIZE // 2 - 4096, 4096)
        interrupt(s, src, dst, 0)
    finish(src, dst)


def cell(version, binary, to_qemu, kind, mode):
    def test(s):
        uri, a, b = f"unix:{s.path('m.sock')}", s.memory_path("a"), s.memory_path("b")
        late = mode in ("postcopy", "preempt", "recover")
        data = content(5)
        if late:
            a = ram_file(s, data)
        else:
            fill(a, 5)
        ours = {"memory": MEMORY, "machine": "none"}
        if to_qemu:
            dst = s.qemu(binary, "dst", "-incoming", "defer", memory=MEMORY, **({"shared": True} if late else {"ram_file": b}))
            src = s.migmon("src", "--ram-file", a, "--ram-id", "ram0", **ours)
        else:
            dst = s.migmon("dst", "--ram-file", b, "--ram-id", "ram0", "--incoming", "defer", **ours)
            src = s.qemu(binary, "src", memory=MEMORY, ram_file=a)
        credentials(s, kind, src, dst)
        if late:
            def read(at, size):
                return save(s, dst, at, size) if to_qemu else None
            pages(s, src, dst, uri, data, mode, read)
            if to_qemu and save(s, dst, 0, SIZE) != data:
                raise harness.Failure("RAM differs")
            if not to_qemu:
                same(a, b)
            return None
        if mode == "multifd":
            for process in (src, dst):
                process.capability("multifd")
                process.set(multifd_channels=4)
            if to_qemu and version == "7.2":
                src.set(x_multifd_sync="section")
        dst.execute("migrate-incoming", uri=uri)
        precopy(s, src, dst, uri, a, b)
        return None
    test.__name__ = f"{kind}_{mode}_{'to' if to_qemu else 'from'}_{version.replace('.', '_')}"
    return test


if __name__ == "__main__":
    certificates.needed()
    qemus = harness.real_qemus()
    if not qemus:
        harness.skip("no qemu-system-x86_64 here")
    cells = [cell(version, binary, to_qemu, kind, mode) for mode in MODES for kind in KINDS
             for version, binary in qemus.items() for to_qemu in (True, False)]
    harness.run(cells)
