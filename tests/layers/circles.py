"""Circles of files, found by symbols: an object that uses what another one defines leans on it, whatever the headers say.

    circles.py BUILD

The files of the libraries form no circle, and what one room uses of another keeps the order of rooms.py.
"""
import json
import pathlib
import subprocess
import sys

import rooms

SKIPPED = 77  # exit status by which meson knows it

# File -> file of another room: arrows against the order that no #include shows. The list may only become shorter.
EXCEPTIONS = {
    ("completion/sources.c", "backend/guest/run.c"),
    ("completion/sources.c", "backend/guest/stress/verify-report.c"),
}


def sources(build):
    """Object file -> source file, of the libraries."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if ".a.p/" in entry["output"]:
            if "-flto" in entry["command"]:
                print("the build has link-time optimisation: its objects hold no symbols")
                sys.exit(SKIPPED)
            path = pathlib.Path(entry["directory"], entry["file"]).resolve()
            found[entry["output"]] = str(path.relative_to(rooms.ROOT))
    return found


def arrows(build):
    """File -> {file that it uses: a symbol}."""
    objects = sources(build)
    table = subprocess.run(["nm", "-A", "-g", *objects], cwd=build, capture_output=True, text=True, check=True).stdout
    defined, used = {}, []
    for line in table.splitlines():
        name, _, rest = line.partition(":")
        kind, symbol = rest.split()[-2:]
        if kind == "U":
            used.append((objects[name], symbol))
        else:
            defined[symbol] = objects[name]
    graph = {file: {} for file in objects.values()}
    for file, symbol in used:
        other = defined.get(symbol, file)
        if other != file:
            graph[file].setdefault(other, symbol)
    return graph


def circles(graph):
    """The strongly connected sets of more than one file (Tarjan)."""
    order, low, stack, found = {}, {}, [], []

    def visit(file):
        order[file] = low[file] = len(order)
        stack.append(file)
        for other in graph[file]:
            if other not in order:
                visit(other)
                low[file] = min(low[file], low[other])
            elif other in stack:
                low[file] = min(low[file], order[other])
        if low[file] == order[file]:
            place = stack.index(file)
            if len(stack) - place > 1:
                found.append(set(stack[place:]))
            del stack[place:]

    sys.setrecursionlimit(10000)
    for file in graph:
        if file not in order:
            visit(file)
    return found


def main():
    graph = arrows(pathlib.Path(sys.argv[1]))
    bad = []
    for circle in circles(graph):
        bad.append(f"a circle of {len(circle)} files:")
        bad += [f"    {file} uses {symbol} of {other}" for file in sorted(circle)
                for other, symbol in sorted(graph[file].items()) if other in circle]
    against = {(file, other) for file in graph for other in graph[file] if not rooms.may_use(file, other)}
    bad += [f"{file} must not use {graph[file][other]} of {other}" for file, other in sorted(against - EXCEPTIONS)]
    bad += [f"{file} does not use {other} any more: take it off the list in tests/layers/circles.py"
            for file, other in sorted(EXCEPTIONS - against)]
    print("\n".join(bad), end="\n" if bad else "")
    print(f"{len(graph)} files")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
