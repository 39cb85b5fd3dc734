#!/usr/bin/python3
"""Runs the hostile corpus of replies against p2pchat: all of hostile_replies.py in answer to send, and
some to queue flush, register and peers ping.

  run_hostile_replies.py BIN HOME KEYS

As in run_hostile_requests.py.
"""

import concurrent.futures
import json
import os
import re
import resource
import shutil
import socket
import struct
import sys
import threading
import time

from cryptography.hazmat.primitives.asymmetric import rsa

import raw_jose as jose
from hostile_replies import CLOSE, RESET, SECRET, SILENCE, Asked, Replies, made
from hostile_requests import REGISTRATION, Requests
from hostile_tools import PATIENCE, Program, State, Terminal, Wrong, changes, files, main, need, obeyed
from raw_jose import Key

STATIONS = 24
MOST_KIB = 512 * 1024  # of memory that a client takes, whatever it is sent

# What a client makes of each kind of reply: the exit status, the state of the message, what
# `queue flush` says (its record's status and exit) and the exit status of `peers ping`.
KINDS = {
    "ok": (0, "acked", ("acked", 0), 0),
    "untaken": (75, "untaken", ("queued", 75), 75),
    "pending": (77, "untaken", ("queued", 75), 77),
    "conflict": (65, "failed", ("failed", 65), 65),
    "bad": (65, "unknown", ("queued", 65), 65),
    "foreign": (76, "unknown", ("queued", 76), 76),
    "long": (76, "unknown", ("queued", 76), 76),
    "distrusted": (77, "unknown", ("queued", 77), 77),
    "nothing": (74, "unknown", ("queued", 75), 69),
}


class Station:
    """A server that answers everything by the script of one case at a time."""

    def __init__(self, key, replies):
        self.key, self.replies, self.case, self.count = key, replies, None, 0
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        self.trouble = []
        threading.Thread(target=self.serve, daemon=True).start()

    def begin(self, case, asked=None):
        """asked: the type of request that gets the reply of the case; others get a right one."""
        self.case, self.asked, self.count = case, asked, 0

    def serve(self):
        while True:
            connection, _ = self.server.accept()
            connection.settimeout(PATIENCE)
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection:
            try:
                frame = b""
                while not frame.endswith(b"\0"):
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    frame += piece
                self.replies.identity.become(self.key)
                asked = Asked(frame[:-1], self.replies.ek)
                if self.asked in (None, asked.typ):
                    self.count += 1
                    reply = self.case.make(asked, self.count)
                else:
                    reply = self.right(asked)
                self.play(connection, reply)
            except (OSError, TimeoutError):
                pass  # the client went away: its business
            except Exception as error:
                self.trouble.append(f"{self.case.name}: {error!r}")

    def right(self, asked):
        if asked.typ == "keys":
            return self.replies.statement() + b"\0"
        return self.replies.sealed(asked, self.replies.ack(asked, None, b""))

    @staticmethod
    def play(connection, reply):
        if isinstance(reply, bytes):
            reply = (reply, None, b"")
        elif isinstance(reply, str):
            reply = (b"", reply, b"")
        begin, word, piece = reply
        connection.sendall(begin)
        if word == CLOSE:
            return
        if word == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        while word in ("endless", "slow"):
            connection.sendall(piece)
            if word == "slow":
                time.sleep(0.02)
        while connection.recv(65536):
            pass


class ClientRun:
    def __init__(self, binary, home, keys, folder):
        self.binary, self.home, self.folder, self.failed = binary, home, folder, []
        names = ["alice", "bob", "carol", "dave"]
        identities = [Key.load(f"{keys}/{name}-{part}.pem") for part in ("identity", "encryption") for name in names]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            identities += pool.map(lambda _: Key(rsa.generate_private_key(65537, 2048)), range(len(identities), STATIONS + 1))
        other, ek = identities.pop(), Key.load(f"{keys}/bob-old-encryption.pem")
        name = next(name for name in os.listdir(home) if name.startswith("encryption-"))
        with open(f"{home}/{name}", "rb") as file:
            statement = file.readline().split()[1]
        requests = Requests(int(time.time()), victim=Key.load(f"{home}/identity.pem"), ek=ek, old_ek=ek, trusted=other, pending=other,
                            blocked=other, stranger=other, other=ek, statement=statement, old_statement=statement)
        self.replies = Replies(ek, requests)
        self.stations = [Station(key, self.replies) for key in identities]
        self.replies.identity.become(identities[0])
        self.cases = made(list(self.replies.to_requests()))

    def fresh(self, base):
        path = os.path.join(self.folder, f"{base}-{threading.get_ident()}")
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(os.path.join(self.folder, base), path)
        return Program(self.binary, path)

    def prepare(self):
        """Homes: known, which has a card of each station; queued, with a message for each as well."""
        self.names = [f"p{number}" for number in range(len(self.stations))]
        shutil.copytree(self.home, os.path.join(self.folder, "stranger"))
        shutil.copytree(self.home, os.path.join(self.folder, "known"))
        known = Program(self.binary, os.path.join(self.folder, "known"))
        for name, station in zip(self.names, self.stations):
            self.replies.identity.become(station.key)
            known.do("register", name, station.address, "--card", "-", given=self.replies.statement())
        shutil.copytree(known.home, os.path.join(self.folder, "queued"))
        queued = Program(self.binary, os.path.join(self.folder, "queued"))
        for station in self.stations:
            station.begin(next(case for case in self.cases if case.name == "word busy"))
        queued.do("send", "--queue", "-m", "hello", *self.names, status=75)
        self.before = {base: State(os.path.join(self.folder, base)).read() for base in ("known", "queued")}

    def run(self):
        self.prepare()
        count = {"send": self.side_by_side(self.send, self.numbers(1)), "flush": self.side_by_side(self.flush, self.numbers(13)),
                 "register": self.one_by_one(self.both(self.register, False, 61)),
                 "ping": self.one_by_one(self.both(self.ping, True, 67)), "send on a terminal": self.one_by_one(self.on_terminals())}
        for station in self.stations:
            self.failed += station.trouble
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        if most > MOST_KIB:
            self.failed.append(f"a client took {most} KiB of memory")
        said = ", ".join(f"{number} to {name}" for name, number in count.items())
        return f"replies: {said}; at most {most // 1024} MiB of memory"

    # ---- many peers in one process

    def numbers(self, step):
        """Indices of cases, in rounds of as many as there are stations; of acks and statements only every
        step-th. Those that wait until their time is over have rounds of their own. Who is left over in a
        round is busy."""
        cases, width = self.cases, len(self.stations)
        busy = next(index for index, case in enumerate(cases) if case.name == "word busy")
        chosen = [index for index, case in enumerate(cases)
                  if index % step == 0 or not case.name.startswith(("ack ", "statement "))]
        for indices in ([index for index in chosen if not cases[index].seconds], [index for index in chosen if cases[index].seconds]):
            for at in range(0, len(indices), width):
                part = indices[at:at + width]
                yield part + [busy] * (width - len(part))

    def side_by_side(self, run, rounds):
        count = 0
        for indices in rounds:
            cases = [self.cases[index] for index in indices]
            for station, case in zip(self.stations, cases):
                station.begin(case)
            count += len(set(indices))
            try:
                run(cases)
            except (Wrong, ValueError, KeyError) as wrong:
                self.failed.append(f"{run.__name__} {[case.name for case in cases]}: {wrong!r}")
        return count

    def compare(self, what, case, got, wanted):
        if got != wanted:
            self.failed.append(f"{what} {case.name}: {got}, not {wanted}")

    def check_streams(self, what, cases, out, complaint):
        """Nothing that a terminal obeys; nothing of what did not verify."""
        for stream in (out, complaint):
            if obeyed(stream):
                self.failed.append(f"{what} {[case.name for case in cases]}: {obeyed(stream)}")
        lines = complaint.decode(errors="replace").split("\n")[:-1]
        strange = [line[:300] for line in lines if not re.match(r"p2pchat [a-z ]+: (error|hint): ", line)]
        if strange:
            self.failed.append(f"{what} {[case.name for case in cases]}: {strange}")
        if SECRET in complaint:
            self.failed.append(f"{what} {[case.name for case in cases]}: the body of an ack that does not count was shown")

    def records(self, what, cases, program, words):
        status, out, complaint = program.run(*words)
        self.check_streams(what, cases, out, complaint)
        records = {record["peer"]: record for record in (json.loads(line) for line in out.split(b"\n")[:-1])}
        need(len(records) == len(cases), f"{len(records)} records: {out[-500:]} {complaint[-500:]}")
        return status, records

    def body_of(self, record):
        return jose.base64.b64decode(record["data"]) if "data" in record else (record["body"] or "").encode()

    def check_state(self, what, case, number, before, after, state):
        """The message is in that state, and of its peer only a newer statement was stored."""
        identity = self.stations[number].key.id
        for (table, row), columns in changes(before, after).items():
            gone = after.get((table, row)) or before[table, row]
            if table == "peers" and gone["identity"] == identity:
                self.compare(f"{what} (columns)", case, columns, {"statement"} if case.kind.startswith("newer") else None)
        messages = [values for (table, _), values in after.items() if table == "messages" and values["aud"] == identity]
        self.compare(f"{what} (state)", case, [message["state"] for message in messages], [state])
        kept = messages[0]["reply"] if messages else b""
        self.compare(f"{what} (reply kept)", case, kept, case.body if state == "acked" else b"")

    def send(self, cases):
        program = self.fresh("known")
        before, untouched = self.before["known"], files(program.home)
        status, records = self.records("send", cases, program, ["send", "--json", "-m", "hello", *self.time(cases), *self.names])
        after, exits = State(program.home).read(), []
        for number, case in enumerate(cases):
            exit_status, state, _, _ = KINDS[case.kind.removeprefix("newer-")]
            exits.append(79 if case.rc else exit_status)
            record = records[self.names[number]]
            self.compare("send", case, (record["exit"], record["status"]), (exits[-1], state))
            self.compare("send (body)", case, self.body_of(record), case.body if state == "acked" else b"")
            self.compare("send (connections)", case, self.stations[number].count, case.connections)
            self.check_state("send", case, number, before, after, state)
        first = next((exit_status for exit_status in exits if exit_status), 0)
        need(status == first, f"exit status {status}, not {first}")
        need(files(program.home) == untouched, "another file of the home has changed")

    @staticmethod
    def time(cases):
        return ["-W", str(cases[0].seconds)] if cases[0].seconds else []

    def flush(self, cases):
        program, before = self.fresh("queued"), self.before["queued"]
        status, records = self.records("flush", cases, program, ["queue", "flush", "--now", "--json", *self.time(cases)])
        after, exits = State(program.home).read(), set()
        for number, case in enumerate(cases):
            _, state, wanted, _ = KINDS[case.kind.removeprefix("newer-")]
            wanted = ("acked", 79) if case.rc else wanted
            exits.add(wanted[1])
            record = records[self.names[number]]
            self.compare("flush", case, (record["status"], record["exit"]), wanted)
            self.compare("flush (connections)", case, self.stations[number].count, case.connections)
            self.check_state("flush", case, number, before, after, "queued" if state == "untaken" else state)
            identity = self.stations[number].key.id
            entries = [values["failed"] for (table, _), values in after.items() if table == "queue" and values["peer"] == identity]
            self.compare("flush (entry)", case, entries, {"acked": [], "failed": [1]}.get(state, [0]))
        # Which one is the first depends on who is faster; 75 gives way to all others.
        need(status in (exits - {0, 75} or exits - {0} or {0}), f"exit status {status}, of {exits}")

    # ---- one process a case

    def one_by_one(self, jobs):
        """jobs: each is called with the number of a station that nobody else uses meanwhile."""
        free, taken, jobs = list(range(len(self.stations))), threading.Lock(), list(jobs)

        def one(job):
            with taken:
                number = free.pop()
            try:
                job(number)
            except (Wrong, ValueError, KeyError) as wrong:
                self.failed.append(repr(wrong))
            finally:
                with taken:
                    free.append(number)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(one, jobs))
        return len(jobs)

    def both(self, run, pinned, step):
        """run(number, case, asked) for replies to keys, and to the registration: every step-th, and
        those that every client must know."""
        for asked, cases in (("keys", made(list(self.replies.to_keys(pinned)))), (REGISTRATION, self.cases)):
            for index, case in enumerate(cases):
                known = case.name.startswith("word ") and "(" not in case.name or "newer" in case.kind or case.seconds
                if index % step == 0 or known:
                    yield lambda number, case=case, asked=asked: run(number, case, asked)

    def register(self, number, case, asked):
        station, program = self.stations[number], self.fresh("stranger")
        station.begin(case, asked)
        status = KINDS[case.registration.removeprefix("newer-")][0]
        status = 0 if case.registration == "pending" else status
        got, out, complaint = program.run("register", "friend", station.address, seconds=case.seconds)
        self.compare(f"register, {asked}", case, got, status)
        self.check_streams("register", [case], out, complaint if got else b"")
        self.compare("register (connections)", case, station.count, case.connections)
        peers = [values["identity"] for (table, _), values in State(program.home).read().items() if table == "peers"]
        self.compare("register (peers)", case, peers, [] if status else [station.key.id])

    def ping(self, number, case, asked):
        """Asks once, so that a newer statement is as any other."""
        station, program = self.stations[number], self.fresh("known")
        station.begin(case, asked)
        kind = "distrusted" if "newe" in case.name and case.kind != "ok" else case.registration
        got, out, complaint = program.run("peers", "ping", self.names[number], seconds=case.seconds)
        self.compare(f"ping, {asked}", case, got, KINDS[kind][3])
        self.check_streams("ping", [case], out, complaint)
        self.compare("ping (connections)", case, station.count, 1)
        self.compare("ping (state)", case, changes(self.before["known"], State(program.home).read()), {})

    def on_terminals(self):
        """Replies with text in them, whatever becomes of it."""
        for case in self.cases:
            if case.name in ("word ok", "word ok, rc 64", "word '\\x1b[2J' (4)", "frame escapes", "frame bidi", "frame html", "frame smtp",
                             "endless banner", "endless garbage", "statement of another"):
                yield lambda number, case=case: self.on_terminal(number, case)

    def on_terminal(self, number, case):
        station, program = self.stations[number], self.fresh("known")
        station.begin(case)
        terminal = Terminal(program.command("send", "-m", "hello", self.names[number]))
        self.compare("terminal", case, terminal.wait(), 79 if case.rc else KINDS[case.kind][0])
        self.compare("terminal (obeys)", case, obeyed(bytes(terminal.got)), None)
        need(bytes(terminal.got), f"terminal {case.name}: silence")


if __name__ == "__main__":
    sys.exit(main(ClientRun))
