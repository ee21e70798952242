"""An attached QEMU that is killed, that stands still, whose monitor is cut: at each stage of a migration the message
says which end it is and what is known of the guest, the monitor goes on, and what comes back is found again."""

import json
import os
import re
import signal
import socket
import threading

import harness
import pace
import real_guest

HOLD = [f"migrate_set_parameter max-bandwidth {pace.HELD}B"]
STAGES = {
    "idle": [],
    "precopy": [*HOLD, "migrate_to -d unix:{dir}/m", "wait active"],
    "postcopy": ["migrate_set_capability postcopy-ram on", *HOLD,
                 f"migrate_set_parameter max-postcopy-bandwidth {pace.HELD}B", "migrate_to -d unix:{dir}/m",
                 "wait active", "migrate_start_postcopy", "wait postcopy-active"],
    "completed": ["migrate_set_parameter max-bandwidth 1G",
                  f"migrate_set_parameter downtime-limit {harness.LONG_PAUSE}", "migrate_to unix:{dir}/m"],
}
# Seconds: an answer that a busy machine makes late is not taken for none.
PATIENT = "600"
# Seconds after which an end counts as not answering, where a test waits for that. It grows as the machine needs it.
no_answer = 1


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


def pair(s, binary, stage="idle"):
    if stage in ("idle", "completed"):
        src = real_guest.start(s, binary, "src", idle=True)
    else:
        src = real_guest.start_writing(s, binary, "src")
    dst = real_guest.start(s, binary, "dst", "-incoming", "defer")
    return src, dst


def attach(s, src_path, dst_path, stage="idle", timeout=PATIENT, options=()):
    """A monitor that has brought both ends to this stage; None when one of them did not answer in time."""
    monitor = harness.Monitor(s, "--connect", f"unix:{src_path}", "--peer", f"unix:{dst_path}", "--peer-timeout", timeout,
                              *options, stop=True)
    try:
        for line in ["on-error continue", *STAGES[stage]]:
            if "has not answered" in monitor.run(line.format(dir=s.dir)):
                return None
    except harness.Failure:
        if "has not answered" in monitor.output():
            return None
        raise
    if stage == "postcopy":
        def runs_there():
            return "running" in monitor.run("qemu -p info status")
        harness.wait_for("the guest runs there", runs_there, progress=lambda: "has not answered" in monitor.output())
    return monitor


def standing_still(s, binary, stage):
    """SIGSTOP, then SIGCONT, first the one end, then the other."""
    global no_answer
    monitor = None
    while monitor is None:
        src, dst = pair(s, binary, stage)
        monitor = attach(s, src.qmp_path, dst.qmp_path, stage, str(no_answer))
        if monitor is None:
            for process in s.processes[:]:
                process.kill()
                s.drop(process)
                for path in filter(os.path.exists, (process.qmp_path, process.log, s.path("m"))):
                    os.unlink(path)
            no_answer *= 4
    for side, victim, ask in (("source", src, "qemu info status"), ("destination", dst, "qemu -p info status")):
        victim.signal(signal.SIGSTOP)
        try:
            said = monitor.run(ask, "info target", "echo the monitor is alive")
            for wanted in (rf"the {side} \(QEMU [\d.]+ at unix:.*\) has not answered '.*' for \d+\.\d s",
                           r"its process \d+ is stopped \(SIGSTOP",
                           r"last known, \d+\.\d s ago: guest \S+, migration \S+", r"^the monitor is alive"):
                if not re.search(wanted, said, re.M):
                    raise harness.Failure(f"/{wanted}/ is not in:\n{said}")
        finally:
            victim.signal(signal.SIGCONT)
        monitor.says(rf"the {side} .* answers again, '.*' took \d")
        harness.wait_for("it answers in time again", lambda ask=ask: "VM status" in monitor.run(ask),
                         progress=monitor.output)
    monitor.kill()


def cut_monitor(s, binary, stage):
    """The connection to the monitor of one end is lost and comes back, then the other's; the QEMUs themselves are
    well."""
    src, dst = pair(s, binary, stage)
    proxies = {"source": Proxy(s, "source", src.qmp_path), "destination": Proxy(s, "destination", dst.qmp_path)}
    monitor = attach(s, proxies["source"].path, proxies["destination"].path, stage)
    for side, proxy in proxies.items():
        proxy.cut()
        monitor.says(rf"the {side} \(QEMU .*\) is lost: .*; last known, .* guest \S+, migration \S+; it is looked for "
                     "again")
        monitor.run("info target", "echo the monitor is alive")
        monitor.says(rf"the {side} \(QEMU .*\) is connected again: guest \S+, migration \S+")
        said = monitor.run("info target")
        if "is not connected" in said:
            raise harness.Failure(said)
    monitor.kill()


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
    src, dst = pair(s, binary, stage)
    monitor = attach(s, src.qmp_path, dst.qmp_path, stage)
    (src if side == "source" else dst).kill()
    code, wanted = KILLED[stage, side]
    monitor.says(wanted)
    said = monitor.run("info target", "info migrate", "echo the monitor is alive")
    if "the monitor is alive" not in said:
        raise harness.Failure(said)
    if stage == "precopy" and side == "source" and "Error: the source" not in said:
        raise harness.Failure(said)
    found = monitor.end()
    for process in (src, dst):
        process.kill()  # one that is paused in post-copy does not end on SIGTERM
    if found != code:
        raise harness.Failure(f"exit {found}, expected {code}:\n{monitor.output()}")


def ended_in_good_order(s, binary):
    """A QEMU that ends says SHUTDOWN, which is not for migmon; a line that waits for it ends."""
    src, dst = pair(s, binary)
    monitor = attach(s, src.qmp_path, dst.qmp_path)
    monitor.run("info target")
    monitor.send("wait completed", "echo it ended")
    src.signal(signal.SIGTERM)
    monitor.says(r"Error: the source \(QEMU .*\)(:| is not connected)")
    said = monitor.run("info target", "echo the monitor is alive")
    if "the monitor is alive" not in said or "destination: QEMU" not in said:
        raise harness.Failure(said)
    monitor.end()


def cancelled_while_it_is_prepared(s, binary):
    """The destination stands still meanwhile: nothing may begin once it goes on."""
    src, dst = pair(s, binary)
    monitor = harness.Process(s, "m", [harness.MIGMON, "--connect", f"unix:{src.qmp_path}", "--peer",
                                       f"unix:{dst.qmp_path}", "--peer-timeout", PATIENT,
                                       "--qmp", f"unix:{s.path('m.qmp')}"])
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
    monitor = attach(s, here.path, there.path, options=["--observe"])
    said = monitor.run("info migrate", "info migrate_parameters", "info migrate_capabilities", "info status", "info guest",
                       "info target", "info name", "info uuid", "info version", "migrate_check tcp:127.0.0.1:0")
    nowhere = s.path("nowhere")
    refused = monitor.run("stop", "cont", f"migrate -d unix:{nowhere}", f"migrate_to unix:{nowhere}", "migrate_cancel",
                          "migrate_set_parameter max-bandwidth 1", "migrate_set_capability events on",
                          "qemu info status", "migrate_pause", "migrate_start_postcopy", "savevm x", "getfd x",
                          "qemu stop", f"migrate_incoming unix:{nowhere}", f"migrate_recover unix:{nowhere}")
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
    src, dst = pair(s, binary, "precopy")
    here, there = Proxy(s, "source", src.qmp_path), Proxy(s, "destination", dst.qmp_path)
    monitor = attach(s, here.path, there.path)
    version = monitor.run("info version")
    monitor.run(*HOLD, f"migrate_to -d unix:{s.path('m')}", "wait active", "migrate_cancel", "wait cancelled",
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
    src = real_guest.start(s, binary, "src", idle=True)
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
    monitor = harness.Monitor(s, "--connect", f"unix:{proxy.path}", "--peer-timeout", PATIENT)
    clients = []
    for _ in range(4):
        client = socket.socket(socket.AF_UNIX)
        client.connect(monitor.qmp_path)
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

    for stage in STAGES:
        add(standing_still, stage)
        add(cut_monitor, stage)
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
