"""A monitor that answers anything: migmon that is attached to it ends with an error or goes on, and never crashes."""

import json
import os
import random
import socket
import subprocess
import threading

import harness

LINES = ["info status", "info name", "info uuid", "info version", "info guest", "info migrate", "info target",
         "info migrate_parameters", "info migrate_capabilities", "info dirty_rate", "info vcpu_dirty_limit",
         "info snapshots", "migrate_set_parameter max-bandwidth 1M", "migrate_set_capability events on",
         "migrate_set_parameter nosuch 1", "help nosuch", "migrate_check unix:/nowhere/m", "migrate_to -d unix:/nowhere/m",
         "migrate_to -r unix:/nowhere/m", "migrate -d unix:/nowhere/m", "migrate_cancel", "assert status == none",
         "assert downtime < 1s", "qemu info status", "calc_dirty_rate 1", "migrate_pause", "cont", "stop", "savevm x",
         "info target", "report"]


def thing(rng, depth=0):
    """Any JSON value."""
    kind = rng.randrange(9 if depth < 3 else 6)
    words = ("status", "active", "completed", "none", "running", "inmigrate", "postmigrate", "capability", "state",
             "name", "members", "values", "ram", "total", "dirty-sync-count", "socket-address", "type", "str", "id")
    if kind == 0:
        return None
    if kind == 1:
        return rng.choice([0, -1, 7, 2 ** 63 - 1, 2 ** 64 - 1, 10 ** 30])
    if kind == 2:
        return rng.choice([True, False])
    if kind == 3:
        return rng.choice([0.5, -1e300, 1e-300])
    if kind in (4, 5):
        return rng.choice(words + ("", "\u00e9\u0000x".replace("\u0000", ""), "x" * 5000))
    if kind == 6:
        return [thing(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(words): thing(rng, depth + 1) for _ in range(rng.randrange(6))}


SCHEMA = [{"name": name, "meta-type": "command", "arg-type": "a", "ret-type": "b"} for name in (
    "query-migrate", "query-status", "query-name", "query-uuid", "query-version", "query-migrate-parameters",
    "query-migrate-capabilities", "migrate", "migrate-incoming", "migrate-set-parameters", "migrate-set-capabilities",
    "migrate_cancel", "cont", "stop", "human-monitor-command", "query-memdev", "query-machines", "query-cpus-fast",
    "query-memory-size-summary", "query-kvm", "qom-get", "qom-list", "query-dirty-rate", "query-vcpu-dirty-limit",
    "calc-dirty-rate", "migrate-pause", "migrate-recover", "query-qmp-schema")]
SCHEMA += [{"name": "a", "meta-type": "object", "members": [
    {"name": n, "type": "str"} for n in ("uri", "channels", "resume", "max-bandwidth", "capabilities", "calc-time", "mode")]}]


def serve(listener, seed):
    rng = random.Random(seed)
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        try:
            client.sendall(json.dumps({"QMP": {"version": thing(rng), "capabilities": ["oob"]}}).encode() + b"\r\n")
            data = b""
            while True:
                while b"\n" not in data:
                    more = client.recv(65536)
                    if not more:
                        raise OSError
                    data += more
                line, data = data.split(b"\n", 1)
                request = json.loads(line)
                name = request.get("execute") or request.get("exec-oob")
                answer = {"id": request["id"]} if "id" in request else {}
                if name == "qmp_capabilities":
                    answer["return"] = {}
                elif name == "query-qmp-schema" and rng.random() < 0.8:
                    answer["return"] = SCHEMA
                elif rng.random() < 0.1:
                    answer["error"] = thing(rng)
                else:
                    answer["return"] = thing(rng)
                if rng.random() < 0.2:
                    event = {"event": rng.choice(["MIGRATION", "STOP", "RESUME", "X", "SHUTDOWN", "X_NOTICE",
                                                  "X_INCOMING_FAILED", None, {}]),
                             "data": {"status": thing(rng)} if rng.random() < 0.5 else thing(rng),
                             "timestamp": thing(rng)}
                    client.sendall(json.dumps(event).encode())
                client.sendall(json.dumps(answer).encode() + b"\r\n")
                if rng.random() < 0.01:
                    raise OSError
        except (OSError, ValueError):
            client.close()


def any_answer_is_survived(s):
    seeds = int(os.environ.get("MIGMON_HOSTILE_SEEDS", "25"))
    codes = {}
    for seed in harness.by_turns(range(seeds)):
        paths = []
        for side in ("a", "b"):
            path = s.path(f"{side}{seed}")
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen()
            threading.Thread(target=serve, args=(listener, seed * 2 + len(paths)), daemon=True).start()
            paths.append((path, listener))
        rng = random.Random(seed)
        lines = ["on-error continue"] + rng.sample(LINES, len(LINES)) + ["echo alive", "quit"]
        script = s.path("script")
        with open(script, "w") as file:
            file.write("\n".join(lines) + "\n")
        done = harness.run_program([harness.MIGMON, "--connect", f"unix:{paths[0][0]}", "--peer",
                                    f"unix:{paths[1][0]}", "--peer-timeout", "1", "--batch", script],
                                   stderr=subprocess.STDOUT)
        text = done.stdout.decode(errors="replace")
        if done.returncode < 0 or done.returncode > 130 or "CRITICAL" in text or "Sanitizer" in text:
            raise harness.Failure(f"seed {seed}: exit {done.returncode}\n{text[-3000:]}")
        if done.returncode != 2 and "alive" not in text:
            raise harness.Failure(f"seed {seed}: exit {done.returncode}, the script did not come to its end\n{text[-3000:]}")
        codes[done.returncode] = codes.get(done.returncode, 0) + 1
        for _, listener in paths:
            listener.close()
    return f"{sum(codes.values())} monitors, exit status: {codes}"


harness.run([any_answer_is_survived])
