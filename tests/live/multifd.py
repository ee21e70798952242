"""Pages over several connections: a running guest moves, with every number of channels and every packing, and
proves on arrival that nothing was lost; and what happens when the channels are not as they should be."""

import contextlib
import socket
import struct

import harness
import pace

MEMORY = pace.SMALL
COMPRESSIONS = ("none", "zlib", "zstd")
# How long a destination waits for channels that do not come: the subject of two tests, and no bound for work.
SHORT_MS = 300


def workload():
    return pace.stress(pace.brisk(), "prefill=on", "seed=11", "zero=20", "compressible=40")


def pair(s, channels=2, compression="none", dst_channels=None, uri=None, fault=("", ""), **parameters):
    path = uri or f"unix:{s.path('m.sock')}"
    dst = s.migmon("dst", "--smp", "2", "--incoming", "defer", memory=MEMORY, machine=workload(), fault=fault[1])
    src = s.migmon("src", "--smp", "2", memory=MEMORY, machine=workload(), fault=fault[0])
    for side, n in ((src, channels), (dst, dst_channels or channels)):
        side.capability("multifd")
        side.set(multifd_channels=n, multifd_compression=compression)
    src.set(max_bandwidth=0, **parameters)
    dst.execute("migrate-incoming", uri=path)
    return src.written(), dst, path


def listening(dst, uri):
    if not uri.startswith("tcp:"):
        return uri
    address = dst.address()
    return f"tcp:{address['host']}:{address['port']}"


def arrived(src, dst, channels):
    ram = harness.arrived(src, dst)
    rows = src.execute("x-query-migrate-history")["channels"]
    if len(rows) != channels or sum(row["bytes"] for row in rows) != ram["multifd-bytes"]:
        raise harness.Failure(f"channels {rows}, multifd-bytes {ram['multifd-bytes']}")
    if ram["multifd-bytes"] > ram["transferred"] or ram["normal-bytes"] != ram["normal"] * 4096:
        raise harness.Failure(f"{ram}")
    if sum(row["normal-pages"] for row in rows) != ram["normal"]:
        raise harness.Failure(f"channels {rows}, {ram['normal']} normal pages")
    return f"{ram['normal']} pages, {ram['dirty-sync-count']} syncs, {ram['multifd-bytes'] >> 20} MiB"


def moves(channels, compression, uri=None, **parameters):
    def test(s):
        src, dst, path = pair(s, channels, compression, uri=uri, **parameters)
        src.execute("migrate", uri=listening(dst, path))
        return arrived(src, dst, channels)
    words = [f"{channels}_channels", compression, "tcp" if uri else "unix"]
    words += [f"{name[10:]}_{value}" for name, value in parameters.items() if name.startswith("x_multifd")]
    test.__name__ = "moves_" + "_".join(words)
    return test


def threads_have_names(s):
    src, dst, path = pair(s, 3)
    src.hold()
    src.execute("migrate", uri=path)
    for side, wanted in ((src, "multifdsend_"), (dst, "mig/dst/recv_")):
        harness.wait_for(f"{side.name} has its threads", lambda side=side, wanted=wanted: {
            f"{wanted}{i}" for i in range(3)} <= {t["name"] for t in side.execute("query-migrationthreads")})
    src.release()
    return arrived(src, dst, 3)


def cancel_and_again(s):
    src, dst, path = pair(s, 4)
    src.hold()
    src.execute("migrate", uri=path)
    dst.wait_status("active")
    src.execute("migrate_cancel")
    src.wait_status("cancelled")
    dst.wait_status("failed")
    src.release()
    src.execute("migrate", uri=path)
    return arrived(src, dst, 4)


def stays(src, dst, text=None):
    """The attempt failed on both sides and the guest runs at the source."""
    harness.stays(src)
    dst.wait_status("failed")
    if dst.run_state() != "inmigrate":
        raise harness.Failure(f"destination is {dst.run_state()}")
    src.verify()
    said = dst.execute("query-migrate")["error-desc"]
    if text is not None and text not in said:
        raise harness.Failure(f"'{said}' does not say '{text}'")
    return said


def too_few_channels(s):
    src, dst, path = pair(s, 2, dst_channels=3)
    dst.set(x_multifd_timeout=SHORT_MS)
    src.execute("migrate", uri=path)
    # How many of the two have come by then is up to the machine.
    return stays(src, dst, f" of 3 multifd channels came within {SHORT_MS} ms")


def too_many_channels(s):
    src, dst, path = pair(s, 4, dst_channels=2)
    src.execute("migrate", uri=path)
    return stays(src, dst, "multifd")


def different_compression(s):
    src, dst, path = pair(s, 2, "zlib")
    dst.set(multifd_compression="zstd")
    src.execute("migrate", uri=path)
    return stays(src, dst, "pages are packed by zlib, expected zstd")


def off_at_the_destination(s):
    src, dst, path = pair(s, 2)
    dst.capability("multifd", False)
    src.execute("migrate", uri=path)
    return harness.stays(src)


def off_at_the_source(s):
    src, dst, path = pair(s, 2)
    src.capability("multifd", False)
    src.execute("migrate", uri=path)
    src.wait_status("completed")
    dst.wait_status("completed")
    dst.verify()


def one_connection_only_is_refused(s):
    src = s.migmon("src", memory=MEMORY, machine="none")
    src.capability("multifd")
    for uri in ("exec:cat >/dev/null", f"file:{s.path('f')}"):
        try:
            src.execute("migrate", uri=uri)
        except harness.QmpError as error:
            if not str(error).startswith("Migration requires multi-channel URIs (e.g. tcp)"):
                raise
        else:
            raise harness.Failure(f"{uri} was taken")


def dies(point, side, action):
    def test(s):
        src, dst, path = pair(s, 4, fault=(f"{point}={action}", "") if side == "src" else ("", f"{point}={action}"))
        src.execute("migrate", uri=path)
        stays(src, dst)
        src.execute("migrate", uri=path)  # the fault fires once
        arrived(src, dst, 4)
    test.__name__ = f"{action}_at_{point.replace('-', '_')}_leaves_the_guest_at_the_source"
    return test


# ---- a source that is none of ours ----

MAGIC = 0x11223344


def init_packet(channel, uuid=bytes(16)):
    return struct.pack(">II16sB39x", MAGIC, 1, uuid, channel)


def packet(flags=0, allocated=128, normal=0, size=0, zero=0, block=b"ram", offsets=()):
    return struct.pack(">6IQI28x256s128Q", MAGIC, 1, flags, allocated, normal, size, 0, zero, block,
                       *offsets, *([0] * (128 - len(offsets))))


def start(memory):
    """The main channel up to the first sync point."""
    return (b"QEVM" + struct.pack(">IBI", 3, 7, 4) + b"none" +
            struct.pack(">BIB3sII", 1, 2, 3, b"ram", 0, 4) +
            struct.pack(">QB3sQ", memory | 4, 3, b"ram", memory) +
            struct.pack(">QQBI", 0x200, 0x10, 0x7e, 2))


def part(n=1):
    """A part of the main channel with @n sync points."""
    return struct.pack(">BI", 2, 2) + struct.pack(">Q", 0x200) * n + struct.pack(">QBI", 0x10, 0x7e, 2)


HOSTILE = {
    "an id that is too big": ([init_packet(2)], "channel id 2 is greater"),
    "an id twice": ([init_packet(0), init_packet(0)], "already setup"),
    "another uuid": ([init_packet(0, b"x" * 16)], "uuid"),
    "another version": ([struct.pack(">II56x", MAGIC, 2)], "version 2"),
    "a packet that is none": ([init_packet(0) + b"y" * 1344], "magic"),
    "a page behind the end": ([init_packet(0) + packet(normal=1, size=4096, offsets=[1 << 40])], "offset too long"),
    "a page right behind the end": ([init_packet(0) + packet(zero=1, offsets=[8 << 20])], "offset too long"),
    "an unknown block": ([init_packet(0) + packet(zero=1, block=b"rom")], "unknown ram block rom"),
    "too many pages": ([init_packet(0) + packet(normal=128, zero=1, size=128 * 4096)], "128 normal and 1 zero"),
    "the wrong size": ([init_packet(0) + packet(normal=1, size=4095)], "1 pages in 4095 bytes"),
    "an end in a header": ([init_packet(0) + packet()[:100]], "in the middle of a packet"),
    "an end in the data": ([init_packet(0) + packet(normal=1, size=4096) + b"z" * 99], "in the middle of a packet"),
    "an end before SYNC": ([init_packet(0), init_packet(1)], "ended in the middle of a pass"),
    "packed pages": ([init_packet(0) + packet(flags=2, normal=1, size=9) + b"z" * 9], "packed by zlib"),
    "an end in the first packet": ([init_packet(0)[:20]], "in the middle of a packet"),
}


def hostile_channels(s):
    uri = f"unix:{s.path('h.sock')}"
    dst = s.migmon("dst", "--incoming", "defer", memory="8M", machine="none")
    dst.capability("multifd")
    dst.execute("migrate-incoming", uri=uri)
    for what, (channels, text) in HOSTILE.items():
        with contextlib.ExitStack() as stack:
            def connect(data):
                end = stack.enter_context(socket.socket(socket.AF_UNIX))
                end.connect(uri[5:])
                end.sendall(data)
                return end
            connect(start(8 << 20))
            dst.wait_status("active", "failed")
            ends = [connect(data) for data in channels]
            if "middle" in text:  # else they stay: an end would be an error of its own
                for end in ends:
                    end.close()
            dst.wait_status("failed")
        said = dst.execute("query-migrate")["error-desc"]
        if text not in said:
            raise harness.Failure(f"{what}: '{said}' does not say '{text}'")
        harness.wait_for("the destination waits again", lambda: not dst.execute("query-migrationthreads"))
    return f"{len(HOSTILE)} of them"


def more_syncs_than_sync_points(s):
    uri = f"unix:{s.path('h.sock')}"
    dst = s.migmon("dst", "--incoming", "defer", memory="8M", machine="none")
    dst.capability("multifd")
    dst.set(multifd_channels=1)
    dst.execute("migrate-incoming", uri=uri)
    with socket.socket(socket.AF_UNIX) as channel, socket.socket(socket.AF_UNIX) as stream:
        channel.connect(uri[5:])  # before the main channel
        channel.sendall(init_packet(0))
        pages = [packet(zero=128, offsets=range(i << 12, (i + 128) << 12, 4096)) for i in range(0, 2048, 128)]
        channel.sendall(packet(flags=1) + b"".join(pages) + 2 * packet(flags=1))
        stream.connect(uri[5:])
        stream.sendall(start(8 << 20) + struct.pack(">BIQQBI", 3, 2, 0x200, 0x10, 0x7e, 2))
        harness.wait_for("the channel is a sync ahead", lambda: [row["state"] for row in dst.execute(
            "x-query-migrate-history")["channels"]] == ["sync"] and dst.execute(
                "x-query-migrate-history")["channels"][0]["bytes"] == 64 + 19 * 1344)
        stream.sendall(b"\0")
        dst.wait_status("failed")
    return dst.execute("query-migrate")["error-desc"]


TESTS = [moves(n, c) for n in (1, 2, 8) for c in COMPRESSIONS]
TESTS += [moves(64, "none")]
TESTS += [moves(2, c, "tcp:127.0.0.1:0") for c in COMPRESSIONS]
TESTS += [moves(2, "none", x_multifd_sync=sync, x_multifd_zero=zero)
          for sync in ("section", "round") for zero in ("main", "packets")]
TESTS += [threads_have_names, cancel_and_again, too_few_channels, too_many_channels, different_compression,
          off_at_the_destination, off_at_the_source, one_connection_only_is_refused, hostile_channels,
          more_syncs_than_sync_points]
TESTS += [dies(f"{side}-channel-packet", side, action) for side in ("src", "dst") for action in ("cut", "fail")]

harness.run(TESTS)
