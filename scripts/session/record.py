#!/usr/bin/python3
"""Types a conversation into two terminals and draws what was seen there.

  record.py record FILE  writes the picture: SVG, complete in itself, lines and letters appear when
                         they did; a pause of more than a second is shown as one
  record.py check FILE   whether the picture shows the conversation below

Standard library only.
"""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

# Who types what; then what has to be there before it goes on. {alice} and {bob}: their fingerprints.
PROMPT = r"\n\$ $"
INTERRUPT = "^C"
CONVERSATION = [
    ("alice", "p2pchat keygen", PROMPT),
    ("alice", "p2pchat listen", r"listening on .*\n$"),
    ("bob", "p2pchat keygen", PROMPT),
    ("bob", "p2pchat register alice localhost --as bob --expect {alice}", PROMPT),
    ("alice", "p2pchat peers accept {bob} --as bob", PROMPT),
    ("alice", "p2pchat listen -k --reply 'hello bob'", r"listening on .*\n$"),
    ("bob", "echo hi | p2pchat send alice", PROMPT),
    ("bob", "seq 3 | p2pchat send -q alice", PROMPT),
    ("bob", "p2pchat log", PROMPT),
    ("alice", INTERRUPT, PROMPT),
]
FINGERPRINT = r"SHA256:[A-Za-z0-9_-]{43}"

LONGEST_WAIT = 60  # seconds; only something broken takes that long
LONGEST_PAUSE = 1.0  # seconds, of those that are shown
KEY_PAUSE = 0.03  # between two keys
LOOK_PAUSE = 0.7  # before the next command is typed
COLUMNS = 88  # of the picture; the terminals are wider, so that their lines are whole
TERMINAL_COLUMNS = 1000
TICK = 0.1  # letters that come within it appear together


def fail(text):
    sys.exit("record: error: " + text)


class Terminal:
    """A shell on a terminal, and what is on the screen: cells of (letter, when)."""

    def __init__(self, home, stage, programs):
        self.lines = [[]]
        self.column = 0
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            environment = {
                "HOME": stage,
                "PATH": programs + ":/usr/bin:/bin",
                "P2PCHAT_HOME": os.path.join(stage, home),
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
                "TERM": "dumb",
                "PS1": "$ ",
            }
            os.chdir(stage)
            shell = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
            os.execvpe(shell[0], shell, environment)
        size = struct.pack("HHHH", 50, TERMINAL_COLUMNS, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def text(self):
        return "\n".join("".join(cell[0] for cell in line) for line in self.lines)

    def show(self, data):
        now = time.monotonic()
        for letter in data.decode():
            if letter == "\n":
                self.lines.append([])
                self.column = 0
            elif letter == "\r":
                self.column = 0
            elif letter == "\b":
                self.column = max(self.column - 1, 0)
            elif letter >= " ":
                line = self.lines[-1]
                line[self.column : self.column + 1] = [(letter, now)]
                self.column += 1

    def press(self, keys):
        os.write(self.master, keys.encode())


def watch(terminals, until):
    """Reads what they show until it is so."""
    end = time.monotonic() + LONGEST_WAIT
    while not until():
        if time.monotonic() > end:
            fail("waited in vain; on the screens:\n" + "\n---\n".join(t.text() for t in terminals))
        ready = select.select([t.master for t in terminals], [], [], 0.01)[0]
        for terminal in terminals:
            if terminal.master not in ready:
                continue
            try:
                terminal.show(os.read(terminal.master, 65536))
            except OSError:
                fail("a terminal has closed:\n" + terminal.text())


def pause(terminals, seconds):
    end = time.monotonic() + seconds
    watch(terminals, lambda: time.monotonic() >= end)


def converse(terminals):
    everybody = list(terminals.values())
    known = {}
    watch(everybody, lambda: all(t.text() == "$ " for t in everybody))
    for who, command, seen in CONVERSATION:
        terminal = terminals[who]
        pause(everybody, LOOK_PAUSE)
        if command == INTERRUPT:
            terminal.press("\x03")
        else:
            for letter in command.format(**known):
                terminal.press(letter)
                pause(everybody, KEY_PAUSE)
            terminal.press("\n")
        before = len(terminal.lines)
        watch(
            everybody,
            lambda: len(terminal.lines) > before and re.search(seen, terminal.text()) is not None,
        )
        shown = re.findall(FINGERPRINT, terminal.text())
        if shown:
            known.setdefault(who, shown[0])
    pause(everybody, LOOK_PAUSE)


def record(file):
    program = os.path.realpath(os.environ["P2PCHAT_BIN"])
    if not os.access(program, os.X_OK):
        fail(program + " is not there: cmake --build build")
    stage = tempfile.mkdtemp()
    programs = os.path.join(stage, "bin")
    os.mkdir(programs)
    os.symlink(program, os.path.join(programs, "p2pchat"))
    terminals = {}
    try:
        for who in ("alice", "bob"):
            terminals[who] = Terminal(who, stage, programs)
        converse(terminals)
    finally:
        for terminal in terminals.values():
            os.kill(terminal.pid, signal.SIGKILL)
            os.close(terminal.master)  # hangs up what still runs there
            os.waitpid(terminal.pid, 0)
        shutil.rmtree(stage)
    picture = draw({who: t.lines for who, t in terminals.items()}, stage)
    with open(file, "w", encoding="utf-8") as out:
        out.write(picture)
    check(file)


# ---- the picture

STYLE = """
  svg { color-scheme: light dark; }
  .window { fill: #ffffff; stroke: #c8c8c8; }
  .title { fill: #707070; font: bold 13px sans-serif; }
  text { fill: #202020; font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
         white-space: pre; }
  .typed { fill: #0550ae; font-weight: bold; }
  @media (prefers-color-scheme: dark) {
    .window { fill: #16181d; stroke: #444a55; }
    .title { fill: #9aa0aa; }
    text { fill: #e0e0e0; }
    .typed { fill: #79b8ff; }
  }
  @media (prefers-reduced-motion: no-preference) {
    tspan { animation: show 1ms step-end backwards; }
    @keyframes show { from { visibility: hidden; } }
  }
"""
LETTER, ROW, MARGIN = 7.83, 18, 14  # pixels


def delays(screens):
    """From the time of a letter to when it is shown, in ticks: without long pauses."""
    times = sorted({when for lines in screens.values() for line in lines for _, when in line})
    shown, at, last = {}, 0.0, times[0] if times else 0.0
    for when in times:
        at += min(when - last, LONGEST_PAUSE)
        last = when
        shown[when] = round(at / TICK)
    return shown


def rows_of(line):
    return [line[i : i + COLUMNS] for i in range(0, len(line), COLUMNS)] or [[]]


def row_text(row, shown, y, is_typed, is_continued):
    spans, begin = [], 0
    for i in range(1, len(row) + 1):
        if i < len(row) and shown[row[i][1]] == shown[row[begin][1]]:
            continue
        text = escape("".join(letter for letter, _ in row[begin:i]))
        delay = shown[row[begin][1]] * TICK
        spans.append(f'<tspan style="animation-delay:{delay:.1f}s">{text}</tspan>')
        begin = i
    names = " ".join(["typed"] * is_typed + ["continued"] * is_continued)
    attribute = f' class="{names}"' if names else ""
    return f'<text{attribute} x="{MARGIN * 2}" y="{y}">{"".join(spans)}</text>'


def draw(screens, stage):
    shown = delays(screens)
    body, top = [], MARGIN
    width = round(COLUMNS * LETTER) + 4 * MARGIN
    for who, lines in screens.items():
        while lines and "".join(letter for letter, _ in lines[-1]).strip() in ("", "$"):
            lines = lines[:-1]
        texts, y = [], top + 2 * ROW + MARGIN // 2
        for line in lines:
            plain = "".join(letter for letter, _ in line)
            if not plain.strip():
                continue
            for number, row in enumerate(rows_of(line)):
                texts.append(row_text(row, shown, y, plain.startswith("$ "), number > 0))
                y += ROW
        height = y - top - ROW + MARGIN
        body.append(f'<g id="{who}">')
        body.append(
            f'<rect class="window" x="{MARGIN}" y="{top}" width="{width - 2 * MARGIN}" '
            f'height="{height}" rx="6"/>'
        )
        body.append(f'<text class="title" x="{MARGIN * 2}" y="{top + ROW}">{who}</text>')
        body += texts + ["</g>"]
        top += height + MARGIN
    text = "\n".join(body).replace(stage, "/tmp")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width} {top}" '
        f'width="{width}" height="{top}">\n<title>p2pchat: a conversation, recorded by scripts/record</title>\n'
        f"<style>{STYLE}</style>\n{text}\n</svg>\n"
    )


def check(file):
    """Ends with 1 unless the picture is XML, needs nothing else, and shows the conversation."""
    with open(file, encoding="utf-8") as picture:
        source = picture.read()
    try:
        root = ElementTree.fromstring(source)
    except ElementTree.ParseError as error:
        fail(f"{file} is no XML: {error}")
    if re.search(r"href|url\(|@import|<script|<image|<foreignObject", source):
        fail(f"{file} needs something else")
    space = "{http://www.w3.org/2000/svg}"
    typed, known = {}, {}
    for pane in root.iter(space + "g"):
        who = pane.get("id")
        typed[who] = []
        for text in pane.iter(space + "text"):
            names = (text.get("class") or "").split()
            line = "".join(text.itertext())
            found = re.search(FINGERPRINT, line)
            if found and "typed" not in names:
                known.setdefault(who, found[0])
            if "typed" in names and "continued" in names:
                typed[who][-1] += line
            elif "typed" in names:
                typed[who].append(line)
    for who, lines in typed.items():
        wanted = [
            "$ " + command.format(**known)
            for name, command, _ in CONVERSATION
            if name == who and command != INTERRUPT
        ]
        if lines != wanted:
            fail("\n  ".join([f"{file}: {who} types", *lines]) +
                 "\n  ".join(["\nand has to type", *wanted]))
    if set(typed) != {"alice", "bob"}:
        fail(f"{file}: not a terminal of alice and one of bob")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("record", "check"):
        sys.exit(__doc__)
    {"record": record, "check": check}[sys.argv[1]](sys.argv[2])
