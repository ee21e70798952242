"""Requests grown from query-qmp-schema: any command, any arguments that it allows.

Each has its one reply, under its id, and the program lives. So the schema is true as well: what it
allows is understood, accepted or refused with a reason.
"""

import json
import random

import harness
from hostile import LITTLE, Memory, Raw

WORDS = ["", "x", "tcp:", "tcp:127.0.0.1:1", "unix:/nonexistent/s", "fd:nosuch", "vsock:1:1", "\u202e\U0001f427", "%n%s",
         "a" * 5000, "0", "-1", "defer", "10M", "events", "info migrate", "help", "\x7f", "job0"]
NUMBERS = [0, 1, -1, 2, 255, 256, 65536, 2**31, 2**32, 2**53, 2**63 - 1, -2**63, 2**63, 2**64 - 1]
# These end the program, or do what they are told on this machine.
UNSAFE = {"quit", "migrate", "migrate-incoming", "migrate-recover", "x-guest-plant", "xen-save-devices-state",
          "xen-load-devices-state", "snapshot-save", "snapshot-load", "object-add"}


class Generator:
    def __init__(self, schema, rng):
        self.types = {entry["name"]: entry for entry in schema}
        self.rng = rng
        self.commands = [e for e in schema if e["meta-type"] == "command" and e["name"] not in UNSAFE]

    def members(self, entry):
        value = {member["name"]: self.value(member["type"]) for member in entry["members"]
                 if "default" not in member or self.rng.random() < 0.4}
        for variant in entry.get("variants", ()):
            if variant["case"] == value[entry["tag"]]:
                value.update(self.value(variant["type"]))
        return value

    def value(self, name):
        entry = self.types[name]
        kind = entry["meta-type"]
        if kind == "object":
            return self.members(entry)
        if kind == "array":
            return [self.value(entry["element-type"]) for _ in range(self.rng.randrange(4))]
        if kind == "enum":
            return self.rng.choice(entry["values"])
        if kind == "alternate":
            return self.value(self.rng.choice(entry["members"])["type"])
        return self.builtin(entry["json-type"])

    def builtin(self, kind):
        if kind == "int":
            return self.rng.choice(NUMBERS)
        if kind == "boolean":
            return self.rng.random() < 0.5
        if kind == "number":
            return self.rng.choice([0.5, 1e300, -1.0])
        return None if kind == "null" else self.rng.choice(WORDS)

    def request(self):
        command = self.rng.choice(self.commands)
        return {"execute": command["name"], "arguments": self.value(command["arg-type"])}


def any_requests(s):
    process = s.migmon("any")
    generator = Generator(process.execute("query-qmp-schema"), random.Random(4))
    client = Raw(process.qmp_path)
    accepted = 0
    with Memory(process, LITTLE) as memory:
        for number in range(4000):
            client.send(json.dumps({**generator.request(), "id": number}).encode())
            answer = client.reply()
            if answer is None or answer.get("id") != number:
                raise harness.Failure(f"request {number}: {answer}")
            accepted += "return" in answer
    client.close()
    process.execute("query-status")
    return f"{accepted} of 4000 accepted, {memory.growth >> 20} MiB"


if __name__ == "__main__":
    harness.run([any_requests])
