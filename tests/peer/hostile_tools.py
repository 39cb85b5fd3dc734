"""What run_hostile_requests.py and run_hostile_replies.py share: running p2pchat, its state, what a
terminal obeys.
"""

import hashlib
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unicodedata

PATIENCE = 60  # seconds; far more than anything needs


class Wrong(Exception):
    """A case is not as it should be."""


def need(condition, what):
    if not condition:
        raise Wrong(what)


def environment():
    return {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        need(time.monotonic() < end, f"waited in vain: {what}")
        time.sleep(0.001)


def obeyed(octets):
    """What a terminal would obey, or what is no text, in the octets."""
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        return repr(error)
    found = [letter for letter in set(text) - {"\n"} if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp", "Cs")]
    return f"{found[0]!r} in {text[max(0, text.index(found[0]) - 40):][:80]!r}" if found else None


class Program:
    """p2pchat on a home."""

    def __init__(self, binary, home):
        self.binary, self.home = binary, home

    def command(self, *words):
        return [self.binary, "--home", self.home, *words]

    def run(self, *words, given=b"", seconds=None):
        """(exit status, stdout, stderr). seconds: how long it waits for others."""
        limit = {"P2PCHAT_SEND_TIMEOUT": str(seconds)} if seconds else {}
        ended = subprocess.run(self.command(*words), input=given, capture_output=True, timeout=PATIENCE,
                               env={**environment(), **limit}, check=False)
        return ended.returncode, ended.stdout, ended.stderr

    def do(self, *words, given=b"", status=0):
        got, said, complaint = self.run(*words, given=given)
        need(got == status, f"{' '.join(words)}: {got}, not {status}: {complaint.decode()}")
        return said


class Terminal:
    """A program whose terminal we are."""

    def __init__(self, command):
        self.master, slave = pty.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.OPOST  # the octets as they were written
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment(),
                                        start_new_session=True)
        os.close(slave)
        self.got = bytearray()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            try:
                piece = os.read(self.master, 65536)
            except OSError:
                return  # the other side is closed
            if not piece:
                return
            self.got += piece

    def end(self):
        """In order; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return status


# ---- state

class State:
    """All rows of a state.db."""

    def __init__(self, home):
        self.connection = sqlite3.connect(f"file:{home}/state.db?mode=ro", uri=True, isolation_level=None, timeout=PATIENCE)
        self.connection.row_factory = sqlite3.Row
        self.version, self.rows = None, None

    def read(self):
        """{(table, row id): {column: value}}. Nothing is read anew when nobody has committed anything."""
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self.version:
            self.version, self.rows = version, self.dump()
        return self.rows

    def dump(self):
        self.connection.execute("BEGIN")
        rows = {("schema", row[0]): {"sql": row[1]} for row in
                self.connection.execute("SELECT name, sql FROM sqlite_master")}
        for table in ("peers", "messages", "queue", "marks"):
            for row in self.connection.execute(f"SELECT rowid AS row, * FROM {table}"):
                rows[table, row["row"]] = dict(zip(row.keys()[1:], tuple(row)[1:]))
        self.connection.execute("COMMIT")
        return rows

    def is_printed(self):
        return not self.connection.execute("SELECT 1 FROM messages WHERE state = 'print'").fetchone()


def files(home):
    """A hash of everything in a home but its database and lock."""
    summed = {}
    for name in sorted(os.listdir(home)):
        if not name.startswith(("state.db", "lock")):
            with open(os.path.join(home, name), "rb") as file:
                summed[name] = hashlib.sha256(file.read()).hexdigest()
    return summed


def changes(before, after):
    """{(table, row id): columns that differ, or None for a row that is new or gone}"""
    changed = {}
    for row in before.keys() | after.keys():
        if before.get(row) != after.get(row):
            whole = row in before and row in after
            changed[row] = {name for name in after[row] if after[row][name] != before[row][name]} if whole else None
    return changed


def main(make):
    """make: of binary, home, keys and a folder, an object with run(), which returns what was done, and
    failed, a list of lines. The exit status."""
    binary, home, keys = (os.path.abspath(path) for path in sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        here = os.path.join(folder, "here")  # where a text that is taken for a command leaves its traces
        os.mkdir(here)
        os.chdir(here)
        run, said = make(binary, home, keys, folder), "not all"
        try:
            said = run.run()
        except Wrong as wrong:
            run.failed.append(str(wrong))
        if os.listdir(here):
            run.failed.append(f"somebody wrote {os.listdir(here)}")
        os.chdir("/")
    for line in run.failed:
        print(line)
    print(f"{said}; {len(run.failed)} wrong")
    return 1 if run.failed else 0
