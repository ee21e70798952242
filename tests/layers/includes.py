"""Every #include of the product keeps the order of the rooms (rooms.py)."""
import re
import sys

import rooms

# What breaks the order today, file -> header. The list may only become shorter.
EXCEPTIONS = {
    ("completion/sources.c", "backend/guest/guest.h"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def main():
    files = [file for file in rooms.files() if file.endswith((".c", ".h", ".def")) and not file.startswith("tests/")]
    bad = [f"{file}: its folder is no room of tests/layers/rooms.py" for file in files if not rooms.room(file)]
    found = {(file, header) for file in files if rooms.room(file)
             for header in INCLUDE.findall((rooms.ROOT / file).read_text()) if not rooms.may_use(file, header)}
    bad += [f"{file}: must not include {header}" for file, header in sorted(found - EXCEPTIONS)]
    bad += [f"{file} does not include {header} any more: take it off the list in tests/layers/includes.py"
            for file, header in sorted(EXCEPTIONS - found)]
    print("\n".join(bad), end="\n" if bad else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
