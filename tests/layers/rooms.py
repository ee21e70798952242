"""The rooms of the tree and who may use whom: what the checks beside this file share."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]

BASE = ["backend/base"]
TABLES = BASE + ["backend/tables"]
# What front ends see of the backend: the headers of backend/ itself are the boundary.
CONTRACT = TABLES + ["backend/schema", "backend"]
BYTES = BASE + ["backend/guest", "backend/stream", "backend/transport"]
ATTEMPT = TABLES + BYTES + ["backend/engine/attempt"]

# Room -> the rooms it may use besides itself. A room ends where a deeper one of this table begins.
MAY_USE = {
    "backend/base": [],
    "backend/tables": BASE,
    "backend/schema": TABLES + ["backend/forecast"],  # the rows of its inputs
    "backend": TABLES + ["backend/schema"],
    "backend/guest": BASE,
    "backend/stream": BASE,
    "backend/forecast": BASE,
    "backend/transport": BASE,
    "backend/objects": BASE + ["backend/transport"],
    "backend/engine/attempt": TABLES + BYTES,
    "backend/engine/outgoing": ATTEMPT,
    "backend/engine/incoming": ATTEMPT,
    "backend/engine": CONTRACT + ATTEMPT + ["backend/forecast", "backend/objects", "backend/engine/outgoing",
                                            "backend/engine/incoming"],
    "backend/qmp": CONTRACT,
    "backend/attach": CONTRACT + ["backend/forecast", "backend/engine", "backend/qmp"],
    "commands": CONTRACT,
    "completion": CONTRACT + ["commands"],
    "tui": CONTRACT + ["commands", "completion"],
    "monitor": CONTRACT + ["commands", "completion", "tui"],
    "manual": CONTRACT + ["commands", "completion", "tui"],
}

# It makes the backend and puts the front ends before it.
PROGRAM = "monitor/main.c"


def files():
    """Every file of the source tree, without what builds and tools leave there."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in (".git", "__pycache__") and not name.startswith("build")]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(found)


def room(file):
    """The room that @file lies in, None outside the product."""
    folder = os.path.dirname(file)
    while folder and folder not in MAY_USE:
        folder = os.path.dirname(folder)
    return folder or None


def may_use(user, used):
    """Whether the order lets file @user use what file @used offers."""
    mine, theirs = room(user), room(used)
    return user == PROGRAM or mine == theirs or theirs in MAY_USE[mine]
