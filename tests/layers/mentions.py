"""A file that a comment or a page of the documentation names exists.

Looked at: comments of C, tables, Python, shell and meson, and all text of *.md. A name with a folder must be the end of a
file's path; "*" stands for anything. Names of files that are not in this tree are written as such: <stdio.h>.
"""
import fnmatch
import pathlib
import re
import sys

import rooms

NAME = re.compile(r"(?<![\w/.<@$*-])((?:[\w.*-]+/)*[\w*-]+\.(?:c|h|def|py|sh))(?![\w/-])")
C_COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
HASH_COMMENT = re.compile(r'"""(.*?)"""|(?:^|(?<=\s))#[^\n]*', re.S | re.M)


def comments(path, text):
    """(offset, text) of what a person is told."""
    if path.suffix in (".c", ".h", ".def"):
        return [(m.start(), m.group()) for m in C_COMMENT.finditer(text) if m.group()[0] == "/"]
    if path.suffix == ".md":
        return [(0, text)]
    return [(m.start(), m.group()) for m in HASH_COMMENT.finditer(text)]


def main():
    files = rooms.files()
    bases = {pathlib.PurePath(file).name for file in files}
    bad = 0
    for file in files:
        path = pathlib.PurePath(file)
        script = file.startswith("script/") or path.name == "run" or path.name == "meson.build"
        if path.suffix not in (".c", ".h", ".def", ".md", ".py", ".sh") and not script:
            continue
        text = (rooms.ROOT / file).read_text(errors="replace")
        for start, comment in comments(path, text):
            for name in NAME.finditer(comment):
                word = name.group(1)
                if word in bases:
                    continue
                if any(fnmatch.fnmatch("/" + known, "*/" + word) for known in files):
                    continue
                line = text.count("\n", 0, start + name.start()) + 1
                print(f"{file}:{line}: there is no {word}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
