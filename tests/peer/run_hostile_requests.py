#!/usr/bin/python3
"""Runs the hostile corpus of requests against p2pchat: all of hostile_requests.py to one listener on a
terminal, and those that it takes to another with --json.

  run_hostile_requests.py BIN HOME KEYS

HOME is a node that knows nobody, and is left as it was; KEYS the folder of the published keys, whose
owners are its peers. What is not as it should be is said, a line each; the last line counts.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import raw_jose as jose
from hostile_requests import MESSAGE, REGISTRATION, Requests
from hostile_tools import PATIENCE, Program, State, Terminal, Wrong, changes, environment, files, main, need, obeyed, until
from raw_jose import Key

# What a request may change, by its type and what it is told; everything else changes nothing at all,
# nor does a case that says so.
#   ok       the message is stored, and its sender was seen
#   dup      the stored expiry becomes a later one (DESIGN 7.1)
#   trusted, pending   a registration brings keys, address, name and time, and was seen; a stranger's
#            is a new row
REGISTERED = {"grows": "registered", "peers": {"statement", "announced_address", "hint", "registered", "last_seen"}}
MAY_CHANGE = {
    (MESSAGE, "ok"): {"new": {"messages": 1}, "peers": {"last_seen"}},
    (MESSAGE, "dup"): {"grows": "exp", "messages": {"exp"}},
    (REGISTRATION, "trusted"): REGISTERED,
    (REGISTRATION, "pending"): REGISTERED,
    ("stranger", "pending"): {"new": {"peers": 1}},
}


def check_changes(case, kind, before, after):
    allowed = {} if case.unchanged else MAY_CHANGE.get((kind, case.expect), {})
    grows, new, grown = allowed.get("grows"), {}, 0
    for (table, row), columns in ({} if before is after else changes(before, after)).items():
        if columns is None:
            need((table, row) in after, f"a row of {table} has gone")
            new[table] = new.get(table, 0) + 1
            continue
        need(columns <= allowed.get(table, set()), f"{table} changed: {sorted(columns)}")
        if table == "peers":
            need(after[table, row]["identity"] == case.sender.id, "another's row changed")
        grown += grows in columns and after[table, row][grows] > before[table, row][grows]
    need(grown == (grows is not None), f"{grown} rows whose {grows} grew")
    need(new == allowed.get("new", {}), f"new rows: {new}")


# ---- a listener

class Piped:
    """A listener that writes to two files, in the place of a terminal."""

    def __init__(self, command, folder):
        self.paths = [os.path.join(folder, name) for name in ("listener.out", "listener.err")]
        with open(self.paths[0], "wb") as out, open(self.paths[1], "wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment())

    @property
    def got(self):
        with open(self.paths[1], "rb") as file:
            return file.read()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def written(self):
        with open(self.paths[0], "rb") as file:
            return file.read()


def port_of(running):
    until(lambda: re.search(rb"listening on \S+:[0-9]+\n", bytes(running.got)) or running.process.poll() is not None,
          "listening")
    match = re.search(rb"listening on \S+:([0-9]+)\n", bytes(running.got))
    need(match, f"it does not listen: {bytes(running.got).decode(errors='replace')}")
    return int(match.group(1))


def ask(port, octets, half_close=False):
    """The reply without its NUL; None when it was closed without one."""
    reply = b""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.settimeout(PATIENCE)
            connection.sendall(octets)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while not reply.endswith(b"\0"):
                piece = connection.recv(65536)
                if not piece:
                    break
                reply += piece
    except (ConnectionError, BrokenPipeError):
        pass  # closed while we were writing
    except TimeoutError as error:
        raise Wrong("neither an answer nor a close") from error
    need(not reply or reply.endswith(b"\0") and reply.count(b"\0") == 1, "not one frame")
    return reply[:-1] if reply else None


def check_ack(case, reply, cast):
    need(reply is not None, "no reply")
    need(reply != cast.statement, "the key statement")
    try:
        text = jose.open_direct(reply, case.rk)
    except Exception as error:
        raise Wrong(f"an ack that does not open: {error!r}") from error
    ack = json.loads(text)
    pad, iat = ack.pop("pad", "x"), ack.pop("iat", None)
    need(not pad.strip(" ") and isinstance(iat, int), "pad, iat")
    need(ack["st"] == case.expect, f"{ack['st']}, not {case.expect}")
    wanted = {"v": 1, "iss": cast.victim.id, "aud": case.sender.id, "irt": case.jti, "st": case.expect, "body": "", "rc": 0,
              "rh": jose.b64(hashlib.sha256(case.frame).digest()).decode(),
              "keys": cast.statement.decode() if case.keys else ""}
    need(ack == wanted, f"another ack: {ack}")


def check_reply(case, reply, cast):
    fixed = {"statement": cast.statement, "pem": cast.victim.pem, "none": None}
    if case.expect not in fixed:
        return check_ack(case, reply, cast)
    got = next((name for name, octets in fixed.items() if octets == reply), f"{(reply or b'')[:60]!r}...")
    return need(reply == fixed[case.expect], f"{got}, not {case.expect}")


def ahead(cases):
    """The same, each of them made while the listener works on the one before."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, cases, None)
        while case := coming.result():
            coming = pool.submit(next, cases, None)
            yield case


def kind_of(case, cast):
    """A row of MAY_CHANGE."""
    introduces = case.expect == "pending" and case.sender not in (cast.pending, cast.blocked)
    return "stranger" if introduces else case.typ


class ListenerRun:
    def __init__(self, binary, home, keys, folder):
        self.folder, self.program = folder, Program(binary, os.path.join(folder, "home"))
        shutil.copytree(home, self.program.home)
        self.program.do("keygen", "--rotate")
        self.names = {name: Key.load(f"{keys}/{name}.pem") for name in (
            "alice-identity", "bob-identity", "carol-identity", "dave-identity", "carol-encryption")}
        self.failed = []

    def prepare(self):
        """Peers of every standing, two encryption keys, and a message of the listener's own node."""
        home, names = self.program.home, self.names
        made = sorted(name for name in os.listdir(home) if name.startswith("encryption-"))
        need(len(made) == 2, "two encryption keys")
        statements = []
        for name in made:
            with open(f"{home}/{name}", "rb") as file:
                statements.append(file.readline().split()[1])
        old, new = (Key.load(f"{home}/{name}") for name in made)
        self.cast = Requests(
            int(time.time()), victim=Key.load(f"{home}/identity.pem"), ek=new, old_ek=old, statement=statements[1],
            old_statement=statements[0], trusted=names["alice-identity"], pending=names["dave-identity"],
            blocked=names["carol-identity"], stranger=names["bob-identity"], other=names["carol-encryption"])
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            for name, key in (("eve", self.cast.trusted), ("mallory", self.cast.blocked)):
                self.program.do("register", name, address, "--card", "-",
                                given=jose.statement(key, self.cast.statement_of(key)))
            self.program.do("peers", "block", "mallory")
            sender = subprocess.Popen(self.program.command("send", "-m", "reflected", "eve"), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            connection = server.accept()[0]
            with connection:
                frame = b""
                while not frame.endswith(b"\0"):
                    frame += connection.recv(65536)
            need(sender.wait(PATIENCE) == 74, "the sender's end")
        self.cast.own_frame = frame[:-1]
        self.cast.own_token = jose.open_sealed(frame[:-1], self.cast.other)

    def listen(self, *options):
        return self.program.command("listen", "-p", "0", "-a", "127.0.0.1", "-k", *options)

    def run(self):
        self.prepare()
        terminal = Terminal(self.listen())
        self.port = port_of(terminal)
        first = self.cast.registration("first", "pending")
        need(ask(self.port, first.octets) not in (None, self.cast.statement), "the first registration")
        cast, state = self.cast, State(self.program.home)
        shutil.copytree(self.program.home, os.path.join(self.folder, "copy"))
        untouched, before = files(self.program.home), state.read()
        lines, taken, count = 2, [], 0  # lines: "listening" and the notice of the first
        for case in ahead(cast.all()):
            count += 1
            after = before
            try:
                check_reply(case, ask(self.port, case.octets, case.half_close), cast)
                if case.expect in ("ok", "trusted", "pending"):
                    taken.append(case)
                if case.expect == "ok":
                    until(state.is_printed, "the printer")
                after = state.read()
                check_changes(case, kind_of(case, cast), before, after)
                if case.expect == "none" or count % 50 == 0:
                    need(ask(self.port, b"keys\0") == cast.statement, "it is not there any more")
            except Wrong as wrong:
                self.failed.append(f"{case.name}: {wrong}")
                after = state.read()  # what this one has done is not the next one's
                need(terminal.process.poll() is None, f"{case.name}: the listener has ended: {bytes(terminal.got[-3000:]).decode(errors='replace')}")
            lines += case.expect == "ok"
            if kind_of(case, cast) == "stranger":
                self.program.do("peers", "reject", "SHA256:" + case.sender.id)
                lines += 1
                after = state.read()
            before = after
        self.expect(ask(self.port, cast.message("last", "ok").octets) not in (None, cast.statement), "last: not taken")
        until(state.is_printed, "the printer")  # what is not, is left for the next listener
        self.expect(terminal.end() == 0, "the listener's end")
        self.expect(files(self.program.home) == untouched, "another file of the home has changed")
        self.check_terminal(bytes(terminal.got), lines + 1)
        again = self.again(taken)
        return f"{count} requests, {again} of them again with --json"

    def expect(self, holds, what):
        if not holds:
            self.failed.append(what)

    def check_terminal(self, got, lines):
        """A record a line; the lines of a message behind its first are set in."""
        self.expect(not obeyed(got), f"the terminal got {obeyed(got)}")
        records = [line for line in got.decode(errors="replace").split("\n")[:-1] if not line.startswith("  ")]
        forms = (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ eve: .*", r"listening on 127\.0\.0\.1:[0-9]+",
                 r'pending: SHA256:[A-Za-z0-9_-]{43} calls itself ".*"; accept with: p2pchat --home \S+ peers accept SHA256:\S+ --as \S+')
        strange = [line[:200] for line in records if not any(re.fullmatch(form, line) for form in forms)]
        self.expect(not strange, f"lines that are no record: {strange}")
        self.expect(len(records) == lines, f"{len(records)} records on the terminal, not {lines}")

    def again(self, taken):
        """On the home as it was, with records for programs."""
        self.program = Program(self.program.binary, os.path.join(self.folder, "copy"))
        running = Piped(self.listen("--json"), self.folder)
        port = port_of(running)
        bodies = []
        for case in taken:
            try:
                check_ack(case, ask(port, case.octets), self.cast)
                if case.expect == "ok":
                    bodies.append(case)
            except Wrong as wrong:
                self.failed.append(f"{case.name}, again: {wrong}")
            if kind_of(case, self.cast) == "stranger":
                self.program.do("peers", "reject", "SHA256:" + case.sender.id)
        until(State(self.program.home).is_printed, "the printer")
        self.expect(running.end() == 0, "the listener's end with --json")
        for got in (running.written(), running.got):
            self.expect(not obeyed(got), f"with --json: {obeyed(got)}")
        records = [json.loads(line) for line in running.written().split(b"\n")[:-1]]
        ids = [(record["id"], record["peer"], set(record) - {"text", "data"}) for record in records]
        members = {"id", "peer", "fingerprint", "time"}
        self.expect(ids == [(case.jti, "eve", members) for case in bodies], "other records with --json")
        return len(taken)


if __name__ == "__main__":
    sys.exit(main(ListenerRun))
