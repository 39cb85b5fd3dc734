#!/usr/bin/python3
"""Which folder may include which, which foreign headers it may see, and who may start processes.

  layers.py [ROOT]       checks pkg/ and cmd/ of the repository; one line for each violation
  layers.py --self-test  plants every violation the tables know and checks that each is found

Exit status 0 without and 1 with violations. Standard library only.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

# Our own folders; each may include itself as well. cmd/ is beside pkg/, all others are in it.
ALLOWED = {
    "base": set(),
    "crypto": {"base"},
    "frame": {"base"},
    "store": {"base"},
    "jose": {"base", "crypto"},
    "net": {"base", "frame"},
    "protocol": {"base", "crypto", "jose"},
    "node": {"base", "crypto", "frame", "jose", "net", "protocol", "store"},
    "cmd": {"base", "node"},
}

PAGE = Path("pkg/README.md")  # no code

# Foreign headers and who may include them: a folder, a pair of files (without suffix) or one file.
# The first pattern that matches the whole name counts; a name that none matches is refused.
FOREIGN = [
    (r"cxxopts\.hpp", ["cmd/options"]),
    (r"nlohmann/.*", ["jose", "cmd/output"]),
    (r"openssl/.*", ["crypto/evp.cpp"]),
    (r"SQLiteCpp/.*|sqlite3\.h", ["store"]),
    (r"Poco/Net/.*", ["net"]),
    (r"Poco/Crypto/.*", ["crypto"]),
    (r"Poco/Util/.*", ["node/config"]),
    (r"Poco/(Process|Pipe)\w*\.h", []),
    (r"Poco/\w+\.h", ["net", "crypto", "node/config"]),
    (r"spawn\.h", ["base/process"]),
]
SYSTEM = re.compile(
    r"[a-z_]+"  # the standard library
    r"|(dirent|fcntl|malloc|netdb|poll|pwd|signal|termios|unistd)\.h"
    r"|(arpa|linux|netinet|sys)/\w+\.h|net/if\.h"
)

STARTING = re.compile(
    r"(?<![\w.])(?<!->)"
    r"(v?fork|fexecve|execveat|execl[pe]?|execvp?e?|execvpe|posix_spawnp?|(system|popen)(?=\s*\())"
    r"(?!\w)"
)
STARTERS = ["base/process"]

INCLUDE = re.compile(r"\s*#\s*include\b\s*(.*)")
COMMENT_OR_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
    re.DOTALL,
)


def without(text, literals):
    """The text without comments and, if wanted, without literals; every line stays where it was."""

    def blank(match):
        piece = match.group()
        if not literals and not piece.startswith(("//", "/*")):
            return piece
        return " " + "\n" * piece.count("\n")

    # A digit separator is not the beginning of a character.
    return COMMENT_OR_LITERAL.sub(blank, re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "", text))


def is_at(file, places):
    return any(
        place in (file.parts[0], file.as_posix(), file.with_suffix("").as_posix())
        for place in places
    )


def own_include(file, target):
    """Why this file may not include "target"; None if it may."""
    folder = file.parts[0]
    first, slash, _ = target.partition("/")
    if folder == "cmd" and not slash:
        return None
    if not slash or "." in first or ".." in target.split("/"):
        return f'"{target}": not a path from the root of pkg/'
    if first not in ALLOWED or first == "cmd":
        return f'"{target}": no folder of pkg/'
    if first != folder and first not in ALLOWED[folder]:
        return f'"{target}": {folder} may not include {first}'
    return None


def foreign_include(root, file, target):
    """Why this file may not include <target>; None if it may."""
    if (root / "pkg" / target).exists():
        return f"<{target}>: our own headers stand in quotes"
    for pattern, places in FOREIGN:
        if re.fullmatch(pattern, target):
            return None if is_at(file, places) else f"<{target}>: only in {say(places)}"
    return None if SYSTEM.fullmatch(target) else f"<{target}>: in no table of tests/layers.py"


def say(places):
    return " and ".join(places) or "no file"


def refusals_in(root, path, file):
    """(line, why) for each violation in one file; file is its path without pkg/."""
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(without(text, literals=False).split("\n"), 1):
        include = INCLUDE.match(line)
        if not include:
            continue
        target = re.fullmatch(r'"([^"]+)"\s*|<([^>]+)>\s*', include[1])
        if not target:
            yield number, f"cannot tell what is included: {include[1].strip()}"
        elif target[1]:
            yield number, own_include(file, target[1])
        else:
            yield number, foreign_include(root, file, target[2])
    if is_at(file, STARTERS):
        return
    for number, line in enumerate(without(text, literals=True).split("\n"), 1):
        for call in STARTING.finditer(line):
            yield number, f"{call[1]}: only in {say(STARTERS)}"


def violations(root):
    """A line of text for each violation in the tree."""
    found = []
    sources = sorted(path for top in ("pkg", "cmd") for path in (root / top).rglob("*"))
    for path in sources:
        place = path.relative_to(root)
        if path.is_dir() or place == PAGE:
            continue
        file = place.relative_to("pkg") if place.parts[0] == "pkg" else place
        folder = file.parts[0]
        if len(file.parts) != 2 or folder not in ALLOWED or (folder == "cmd") != (file == place):
            found.append(f"{place}:1: not in a folder that the table knows")
        elif path.suffix not in (".h", ".cpp"):
            found.append(f"{place}:1: neither .h nor .cpp")
        else:
            found += [f"{place}:{line}: {why}" for line, why in refusals_in(root, path, file) if why]
    if not sources:
        found.append(f"{root}: neither pkg nor cmd here")
    return found


# ---- the self-test


def self_test():
    """Plants one line at a time in an otherwise clean tree; the number of wrong verdicts."""
    checks = wrong = 0

    def expect(count, place, line):
        nonlocal checks, wrong
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for clean in ("pkg/base/text.h", "pkg/net/loop.h", "cmd/main.cpp", place):
                (root / clean).parent.mkdir(parents=True, exist_ok=True)
                (root / clean).write_text("#include <string>\n")
            (root / place).write_text(f"#include <string>\n{line}\n", encoding="utf-8")
            found = violations(root)
        checks += 1
        if len(found) != count or not all(one.startswith(f"{place}:") for one in found):
            wrong += 1
            print(f"self-test: {place}: {line}: {count} expected, found {found}")

    def home(folder):
        return "cmd" if folder == "cmd" else f"pkg/{folder}"

    for folder, allowed in ALLOWED.items():
        for other in ALLOWED:
            fine = other != "cmd" and (other == folder or other in allowed)
            expect(0 if fine else 1, f"{home(folder)}/a.cpp", f'#include "{other}/b.h"')
    expect(0, "cmd/a.cpp", '#include "output.h"')
    expect(1, "pkg/base/a.cpp", '#include "error.h"')
    expect(1, "pkg/protocol/a.cpp", '#include "jose/../net/loop.h"')
    expect(1, "pkg/base/a.cpp", '#include "../net/loop.h"')
    expect(1, "pkg/base/a.cpp", '#include "unknown/b.h"')
    expect(1, "pkg/node/a.cpp", "#include <net/loop.h>")
    expect(1, "pkg/base/a.h", "#include HEADER")
    expect(1, "pkg/base/a.h", '  #  include /* why */ "net/loop.h" // because')
    expect(0, "pkg/base/a.h", '// #include "net/loop.h"')
    expect(0, "pkg/base/a.h", '/*\n#include "net/loop.h"\n*/')
    for stray in ("pkg/unknown/a.cpp", "pkg/a.cpp", "pkg/base/deep/a.cpp", "pkg/cmd/a.cpp"):
        expect(1, stray, "")
    expect(1, "cmd/deep/a.cpp", "")
    expect(1, "pkg/base/a.cc", "")

    files = [f"{home(folder)}/a.cpp" for folder in ALLOWED]
    files += ["cmd/options.cpp", "cmd/output.cpp", "pkg/crypto/evp.cpp", "pkg/crypto/evp.h"]
    files += ["pkg/node/config.cpp", "pkg/base/process.cpp"]
    headers = {
        "cxxopts.hpp": {"cmd/options.cpp"},
        "nlohmann/json.hpp": {"pkg/jose/a.cpp", "cmd/output.cpp"},
        "openssl/evp.h": {"pkg/crypto/evp.cpp"},
        "SQLiteCpp/Database.h": {"pkg/store/a.cpp"},
        "sqlite3.h": {"pkg/store/a.cpp"},
        "Poco/Net/PollSet.h": {"pkg/net/a.cpp"},
        "Poco/Crypto/RSAKey.h": {"pkg/crypto/a.cpp", "pkg/crypto/evp.cpp", "pkg/crypto/evp.h"},
        "Poco/Util/IniFileConfiguration.h": {"pkg/node/config.cpp"},
        "Poco/Exception.h": {
            *("pkg/net/a.cpp", "pkg/crypto/a.cpp", "pkg/crypto/evp.cpp", "pkg/crypto/evp.h"),
            "pkg/node/config.cpp",
        },
        "Poco/Process.h": set(),
        "Poco/Data/Session.h": set(),
        "boost/asio.hpp": set(),
        "spawn.h": {"pkg/base/process.cpp"},
        "string_view": set(files),
        "sys/socket.h": set(files),
        "unistd.h": set(files),
    }
    for header, places in headers.items():
        for file in files:
            expect(0 if file in places else 1, file, f"#include <{header}>")

    for call in (
        *("fork()", "::vfork()", 'execl("a", "a")', "execve(a, b, c)", "start = fork"),
        *("std::system(text)", 'popen("a", "r")', "posix_spawnp(&pid, a)"),
    ):
        expect(1, "pkg/node/a.cpp", f"  {call};")
        expect(1, "pkg/base/a.cpp", f"  {call};")
        expect(0, "pkg/base/process.cpp", f"  {call};")
    for harmless in (
        *("// fork() here", '"fork() here"', 'R"(fork())"', "1'000; // fork()'s"),
        *("database.execv(a)", "forked()", "exec(a)", "std::system_error(a)"),
    ):
        expect(0, "pkg/node/a.cpp", harmless)

    print(f"self-test: {checks} checks, {wrong} wrong")
    return wrong


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("root", nargs="?", default=Path(__file__).resolve().parents[1])
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return 1 if self_test() else 0
    found = violations(Path(options.root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
