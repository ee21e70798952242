"""An attached QEMU that is killed, that stands still, whose monitor is cut: at each stage of a migration the message
says which end it is and what is known of the guest, the monitor goes on, and what comes back is found again."""

import json
import os
import re
import signal
import socket
import subprocess
import threading

import harness
import real_guest

STAGES = {
    "idle": [],
    "precopy": ["migrate_set_parameter max-bandwidth 1M", "migrate_to -d unix:{dir}/m", "wait active 30"],
    "postcopy": ["migrate_set_capability postcopy-ram on", "migrate_set_parameter max-bandwidth 1M",
                 "migrate_set_parameter max-postcopy-bandwidth 1M", "migrate_to -d unix:{dir}/m", "wait active 30",
                 "migrate_start_postcopy", "wait postcopy-active 30", "sleep 1"],
    "completed": ["migrate_set_parameter max-bandwidth 1G", "migrate_set_parameter downtime-limit 2000",
                  "migrate_to unix:{dir}/m"],
}


class Proxy:
    """Stands between migmon and a monitor; hears everything and can cut."""

    def __init__(self, s, name, target):
        self.path = s.path(f"{name}.proxy")
        self.target = target
        self.sent = b""
        self.pair = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            self.pair = [client, server]
            for source, sink, keep in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=(source, sink, keep), daemon=True).start()

    def _pump(self, source, sink, keep):
        try:
            while data := source.recv(65536):
                if keep:
                    self.sent += data
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for end in self.pair:
            end.shutdown(socket.SHUT_RDWR)


class Monitor:
    """A migmon that is given lines one after another."""

    def __init__(self, *options):
        self.process = subprocess.Popen([harness.MIGMON, *options, "--batch", "-"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.text = ""
        self.at = 0
        self.marks = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.run("on-error continue")

    def _read(self):
        for line in self.process.stdout:
            self.text += line

    def run(self, *lines):
        """Until all of them are done; what was said meanwhile."""
        before = self.at
        for line in lines:
            self.process.stdin.write(line + "\n")
        self.marks += 1
        mark = f"mark-{self.marks}-reached"
        self.process.stdin.write(f"echo {mark}\n")
        self.process.stdin.flush()
        harness.wait_for(f"the monitor has done {lines}:\n{self.text[before:]}", lambda: mark in self.text)
        self.at = len(self.text)
        return self.text[before:]

    def wait(self, pattern, since=0):
        harness.wait_for(f"the monitor says /{pattern}/:\n{self.text}",
                         lambda: re.search(pattern, self.text[since:], re.M))

    def end(self):
        self.process.stdin.close()
        return self.process.wait(harness.PATIENCE)


def pair(s, binary):
    src = real_guest.start(s, binary, "src")
    dst = real_guest.start(s, binary, "dst", "-incoming", "defer")
    return src, dst


def attach(s, src_path, dst_path, stage):
    monitor = Monitor("--connect", f"unix:{src_path}", "--peer", f"unix:{dst_path}", "--peer-timeout", "1")
    for line in STAGES[stage]:
        monitor.run(line.format(dir=s.dir))
    return monitor


def standing_still(s, binary, stage, side):
    """SIGSTOP, then SIGCONT."""
    src, dst = pair(s, binary)
    monitor = attach(s, src.qmp_path, dst.qmp_path, stage)
    victim = src if side == "source" else dst
    victim.signal(signal.SIGSTOP)
    try:
        said = monitor.run("qemu info status" if side == "source" else "qemu -p info status",
                           "info target", "echo the monitor is alive")
        for wanted in (rf"the {side} \(QEMU [\d.]+ at unix:.*\) has not answered '.*' for \d+\.\d s",
                       r"its process \d+ is stopped \(SIGSTOP", r"last known, \d+\.\d s ago: guest \S+, migration \S+",
                       r"^the monitor is alive"):
            if not re.search(wanted, said, re.M):
                raise harness.Failure(f"/{wanted}/ is not in:\n{said}")
    finally:
        victim.signal(signal.SIGCONT)
    monitor.wait(rf"the {side} .* answers again, '.*' took \d")
    said = monitor.run("qemu info status" if side == "source" else "qemu -p info status")
    if "VM status" not in said:
        raise harness.Failure(said)
    monitor.process.kill()
    monitor.process.wait()


def cut_monitor(s, binary, stage, side):
    """The connection to the monitor is lost and comes back; the QEMU itself is well."""
    src, dst = pair(s, binary)
    proxy = Proxy(s, side, (src if side == "source" else dst).qmp_path)
    paths = (proxy.path, dst.qmp_path) if side == "source" else (src.qmp_path, proxy.path)
    monitor = attach(s, *paths, stage)
    proxy.cut()
    monitor.wait(rf"the {side} \(QEMU .*\) is lost: .*; last known, .* guest \S+, migration \S+; it is looked for again")
    monitor.run("info target", "echo the monitor is alive")
    monitor.wait(rf"the {side} \(QEMU .*\) is connected again: guest \S+, migration \S+")
    said = monitor.run("info target")
    if "is not connected" in said:
        raise harness.Failure(said)
    monitor.process.kill()
    monitor.process.wait()


# What exit status a killed end leads to, and what has to be said.
KILLED = {
    ("idle", "source"): (7, r"the source \(QEMU .*\) is lost: .*its process \d+ has ended"),
    ("precopy", "source"): (7, r"the source \(QEMU .*\) is lost: .*its process \d+ has ended"),
    ("precopy", "destination"): (4, r"migration to unix:.* failed: .*guest running at the source; the destination \(QEMU"
                                    r" .*\) (is not connected; its process \d+ has ended|says)"),
    ("completed", "source"): (3, r"the source \(QEMU .*\) is lost: .*guest postmigrate, migration completed"),
    ("postcopy", "source"): (7, r"the source \(QEMU .*\) is lost: .*migration postcopy-active"),
    ("postcopy", "destination"): (6, r"the destination \(QEMU .*\) is lost: .*its process \d+ has ended"),
}


def killed(s, binary, stage, side):
    src, dst = pair(s, binary)
    monitor = attach(s, src.qmp_path, dst.qmp_path, stage)
    (src if side == "source" else dst).kill()
    code, wanted = KILLED[stage, side]
    monitor.wait(wanted)
    said = monitor.run("info target", "info migrate", "echo the monitor is alive")
    if "the monitor is alive" not in said:
        raise harness.Failure(said)
    if stage == "precopy" and side == "source" and "Error: the source" not in said:
        raise harness.Failure(said)
    found = monitor.end()
    for process in (src, dst):
        process.kill()  # one that is paused in post-copy does not end on SIGTERM
    if found != code:
        raise harness.Failure(f"exit {found}, expected {code}:\n{monitor.text}")


def ended_in_good_order(s, binary):
    """A QEMU that ends says SHUTDOWN, which is not for migmon; a line that waits for it ends."""
    src, dst = pair(s, binary)
    monitor = Monitor("--connect", f"unix:{src.qmp_path}", "--peer", f"unix:{dst.qmp_path}")
    monitor.run("info target")
    monitor.process.stdin.write("wait completed\necho it ended\n")
    monitor.process.stdin.flush()
    src.signal(signal.SIGTERM)
    monitor.wait(r"Error: the source \(QEMU .*\)(:| is not connected)")
    said = monitor.run("info target", "echo the monitor is alive")
    if "the monitor is alive" not in said or "destination: QEMU" not in said:
        raise harness.Failure(said)
    monitor.end()


def cancelled_while_it_is_prepared(s, binary):
    """The destination stands still meanwhile: nothing may begin once it goes on."""
    src, dst = pair(s, binary)
    monitor = harness.Process(s, "m", [harness.MIGMON, "--connect", f"unix:{src.qmp_path}", "--peer",
                                       f"unix:{dst.qmp_path}", "--qmp", f"unix:{s.path('m.qmp')}"])
    s.processes.append(monitor)
    monitor.connect()
    other = harness.Qmp(monitor.qmp_path, monitor)

    def sent():
        return [end["commands-sent"] for end in other.execute("x-query-target")["ends"] if end["answers"]]

    harness.wait_for("both are attached", lambda: len(sent()) == 2 and min(sent()) >= 8)
    dst.signal(signal.SIGSTOP)
    try:
        before = sent()
        monitor.qmp.socket.sendall(json.dumps({"execute": "x-migrate-to", "arguments": {
            "uri": f"unix:{s.path('m')}"}}).encode())
        harness.wait_for("migrate_to has begun to ask", lambda: sent()[0] >= before[0] + 4)
        other.execute("migrate_cancel")
    finally:
        dst.signal(signal.SIGCONT)
    try:
        monitor.qmp.execute("query-status")
    except harness.QmpError as error:
        if "it was cancelled before it began" not in str(error):
            raise
    else:
        raise harness.Failure("migrate_to went well")
    if other.execute("query-migrate").get("status", "none") != "none":
        raise harness.Failure("it has begun")


def observe_sends_only_queries(s, binary):
    """Everything that migmon sent is recorded on the way."""
    src, dst = pair(s, binary)
    here, there = Proxy(s, "source", src.qmp_path), Proxy(s, "destination", dst.qmp_path)
    monitor = Monitor("--connect", f"unix:{here.path}", "--peer", f"unix:{there.path}", "--observe")
    said = monitor.run("info migrate", "info migrate_parameters", "info migrate_capabilities", "info status", "info guest",
                       "info target", "info name", "info uuid", "info version", "migrate_check tcp:127.0.0.1:0")
    refused = monitor.run("stop", "cont", "migrate -d unix:/tmp/nowhere", "migrate_to unix:/tmp/nowhere", "migrate_cancel",
                          "migrate_set_parameter max-bandwidth 1", "migrate_set_capability events on",
                          "qemu info status", "migrate_pause", "migrate_start_postcopy", "savevm x", "getfd x",
                          "qemu stop", "migrate_incoming unix:/tmp/nowhere", "migrate_recover unix:/tmp/nowhere")
    if refused.count("is not sent: --observe sends nothing but queries") < 14:
        raise harness.Failure(refused)
    monitor.end()
    sent = set()
    for proxy in (here, there):
        sent |= set(re.findall(rb'"exec[^"]*":\s*"([^"]*)"', proxy.sent))
    other = {name for name in sent if not name.startswith(b"query-")} - {b"qmp_capabilities"}
    if other or b"query-migrate" not in sent:
        raise harness.Failure(f"sent {other}")
    if "check: 0 errors" not in said:
        raise harness.Failure(said)
    return f"{len(sent)} different commands, all of them queries"


def address_in_the_shape_that_the_schema_has(s, binary):
    """channels where query-qmp-schema has it, uri elsewhere."""
    src, dst = pair(s, binary)
    here, there = Proxy(s, "source", src.qmp_path), Proxy(s, "destination", dst.qmp_path)
    monitor = Monitor("--connect", f"unix:{here.path}", "--peer", f"unix:{there.path}")
    version = monitor.run("info version")
    monitor.run(f"migrate_to -d unix:{s.path('m')}", "wait active 30", "migrate_cancel", "wait cancelled 30",
                f"migrate -d unix:{s.path('n')}")
    monitor.end()
    old = version.startswith("7.")
    for proxy, command in ((here, b"migrate"), (there, b"migrate-incoming")):
        requests = [line for line in proxy.sent.splitlines() if b'"execute":"' + command + b'"' in line]
        if not requests or any((b'"uri"' in r) != old or (b'"channels"' in r) == old for r in requests):
            raise harness.Failure(f"{version}: {requests}")
    return f"{'uri' if old else 'channels'} for {version.splitlines()[0]}"


def one_request_is_in_flight(s, binary):
    """Several monitors of one migmon ask at the same time; the QEMU never has two to answer."""
    src = real_guest.start(s, binary, "src")
    worst = [0, 0]

    class Counting(Proxy):
        def _pump(self, source, sink, keep):
            try:
                while data := source.recv(65536):
                    sign = b'"execute"' if keep else b'"id"'
                    worst[0] += data.count(sign) * (1 if keep else -1)
                    worst[1] = max(worst[1], worst[0])
                    sink.sendall(data)
            except OSError:
                pass

    proxy = Counting(s, "source", src.qmp_path)
    socket_path = s.path("own.qmp")
    monitor = Monitor("--connect", f"unix:{proxy.path}", "--qmp", f"unix:{socket_path}")
    clients = []
    for _ in range(4):
        client = socket.socket(socket.AF_UNIX)
        client.connect(socket_path)
        client.sendall(b'{"execute":"qmp_capabilities"}' + b'{"execute":"query-migrate"}{"execute":"query-status"}' * 20)
        clients.append(client)
    for client in clients:
        answers = b""
        while answers.count(b'"return"') < 41:
            answers += client.recv(65536)
        client.close()
    monitor.end()
    # The negotiation has no id; its reply is the one that is not counted down.
    if worst[1] > 2:
        raise harness.Failure(f"{worst[1]} requests in flight")


def main():
    qemus = harness.real_qemus()
    if not qemus:
        harness.skip("no qemu-system-x86_64 is installed")
    tests = []

    def add(function, *arguments, version=next(iter(qemus))):
        binary = qemus[version]

        def test(s):
            return function(s, binary, *arguments)
        test.__name__ = "_".join([function.__name__, *arguments, version])
        tests.append(test)

    for side in ("source", "destination"):
        for stage in STAGES:
            add(standing_still, stage, side)
            add(cut_monitor, stage, side)
    for stage, side in KILLED:
        add(killed, stage, side)
    add(ended_in_good_order)
    add(cancelled_while_it_is_prepared)
    add(observe_sends_only_queries)
    add(one_request_is_in_flight)
    for version in qemus:
        add(address_in_the_shape_that_the_schema_has, version=version)
    harness.run(tests)


main()
