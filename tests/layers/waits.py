"""Checks that docs/waits.md has every place where a thread of the engine, the guest or a transport may wait.

A place is a function that calls one of the functions in WAITS. The table names it as `file` `function`; a place that
the table does not have, and a row whose place is gone, are errors. So are rows with an empty cell."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("backend/base", "backend/guest", "backend/transport", "backend/engine")
WAITS = re.compile(r"\b(pthread_cond_wait|pthread_cond_timedwait|pthread_cond_clockwait|mig_cond_wait_until|"
                   r"g_cond_wait|g_cond_wait_until|sem_wait|g_thread_join|pthread_join|waitpid|waitid|p?poll|select|"
                   r"epoll_wait|g_usleep|usleep|nanosleep|clock_nanosleep|fsync|fdatasync|flock|getaddrinfo|"
                   r"g_async_queue_pop|read|readv|write|writev|pread|preadv|pwrite|pwritev)\s*\(")
FUNCTION = re.compile(r"^(?:[A-Za-z_][\w\s*,()]*?[\s*])?([A-Za-z_]\w*)\([^;{]*\)\s*\{", re.M)
ROW = re.compile(r"^\| `([^`]+)` `(\w+)` \|(.*)\|$", re.M)
CELLS = 4


def without_comments(text):
    """Comments and strings are blanked; lines stay."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)


def functions(text):
    """The name and the body of each function: they begin in the first column and end with a brace there."""
    for match in FUNCTION.finditer(text):
        end = text.find("\n}", match.end())
        yield match.group(1), text[match.end():end if end >= 0 else len(text)]


def places():
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            for name, body in functions(without_comments(path.read_text())):
                calls = sorted(set(WAITS.findall(body)))
                if calls:
                    found[str(path.relative_to(ROOT / "backend")), name] = calls
    return found


def main():
    if sys.argv[1:] == ["--list"]:
        for (path, name), calls in places().items():
            print(path, name, ", ".join(calls))
        return 0
    found = places()
    table, problems = {}, []
    for path, name, rest in ROW.findall((ROOT / "docs/waits.md").read_text()):
        cells = [cell.strip() for cell in rest.split("|")]
        if (path, name) in table:
            problems.append(f"docs/waits.md has {path} {name} twice")
        if len(cells) != CELLS or not all(cells):
            problems.append(f"docs/waits.md: {path} {name} has not {CELLS} cells with something in each")
        table[path, name] = cells
    problems += [f"docs/waits.md lacks backend/{path} {name}, which calls {', '.join(calls)}"
                 for (path, name), calls in found.items() if (path, name) not in table]
    problems += [f"docs/waits.md has {path} {name}, which waits for nothing or is gone"
                 for path, name in table if (path, name) not in found]
    for problem in problems:
        print(problem)
    if not found:
        print("no place was found: the search is broken")
    return 1 if problems or not found else 0


sys.exit(main())
