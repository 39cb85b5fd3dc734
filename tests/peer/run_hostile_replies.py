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

STATIONS = 28  # no more than p2pchat serves side by side, and as many as all that waits needs
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
                asked = Asked(frame[:-1], self.replies.keys)
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
                time.sleep(0.1)
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
        self.busy = next(case for case in self.cases if case.name == "word busy")

    def fresh(self, base):
        path = os.path.join(self.folder, f"{base}-{threading.get_ident()}")
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(os.path.join(self.folder, base), path)
        return Program(self.binary, path)

    def prepare(self):
        """Homes: known, which has a card of each station; queued, with a message for each as well, and
        waiting, with one for those alone that let `queue flush` wait."""
        self.names = [f"p{number}" for number in range(len(self.stations))]
        shutil.copytree(self.home, os.path.join(self.folder, "stranger"))
        shutil.copytree(self.home, os.path.join(self.folder, "known"))
        known = Program(self.binary, os.path.join(self.folder, "known"))
        for name, station in zip(self.names, self.stations):
            self.replies.identity.become(station.key)
            known.do("register", name, station.address, "--card", "-", given=self.replies.statement())
        for station in self.stations:
            station.begin(self.busy)
        waits = sum(case.seconds is not None for case in self.cases)
        for base, names in (("queued", self.names), ("waiting", self.names[:waits])):
            queued = Program(self.binary, shutil.copytree(known.home, os.path.join(self.folder, base)))
            queued.do("send", "--queue", "-m", "hello", *names, status=75)
        self.before = {base: State(os.path.join(self.folder, base)).read() for base in ("known", "queued", "waiting")}

    def run(self):
        self.prepare()
        cases = {"send": self.some(1), "flush": self.some(13), "register": self.both(False, 61),
                 "ping": self.both(True, 67), "send on a terminal": self.texts()}
        self.waits(*([pair for pair in cases[name] if pair[0].seconds]
                     for name in ("flush", "send", "register", "ping")))
        quick = {name: [pair for pair in pairs if not pair[0].seconds] for name, pairs in cases.items()}
        for name, run in (("send", self.send), ("flush", self.flush)):
            self.side_by_side(run, quick[name])
        for name, run in (("register", self.register), ("ping", self.ping), ("send on a terminal", self.on_terminal)):
            self.one_by_one(run, quick[name], range(4))
        for station in self.stations:
            self.failed += station.trouble
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        if most > MOST_KIB:
            self.failed.append(f"a client took {most} KiB of memory")
        said = ", ".join(f"{len(pairs)} to {name}" for name, pairs in cases.items())
        return f"replies: {said}; at most {most // 1024} MiB of memory"

    def waits(self, flush, send, register, ping):
        """Those that wait until their time is over, all at once: each has a station of its own, those of
        flush the first."""
        numbers = iter(range(STATIONS))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            running = [pool.submit(self.round, run, {next(numbers): case for case, _ in pairs})
                       for run, pairs in ((self.flush, flush), (self.send, send))]
            running += [pool.submit(self.one_by_one, run, pairs, [next(numbers) for _ in pairs])
                        for run, pairs in ((self.register, register), (self.ping, ping))]
        for ended in running:
            ended.result()

    # ---- which cases: each with the type of the request that gets its reply, None for any

    def some(self, step):
        """Of acks and statements only every step-th, and those that wait."""
        return [(case, None) for index, case in enumerate(self.cases)
                if index % step == 0 or case.seconds or not case.name.startswith(("ack ", "statement "))]

    def both(self, pinned, step):
        """Replies to keys, and to the registration: every step-th, and those that every client must know."""
        pairs = []
        for asked, cases in (("keys", made(list(self.replies.to_keys(pinned)))), (REGISTRATION, self.cases)):
            for index, case in enumerate(cases):
                word = case.name.startswith("word ") and "(" not in case.name
                if index % step == 0 or word or "newer" in case.kind or "4096" in case.name or case.seconds:
                    pairs.append((case, asked))
        return pairs

    def texts(self):
        """Replies with text in them, whatever becomes of it."""
        return [(case, None) for case in self.cases if case.name in (
            "word ok", "word ok, rc 64", "word '\\x1b[2J' (4)", "frame escapes", "frame bidi", "frame html",
            "frame smtp", "endless banner", "endless garbage", "statement of another")]

    # ---- many peers in one process

    def side_by_side(self, run, pairs):
        """In rounds of as many as there are stations; who is left over in the last one is busy."""
        cases = [case for case, _ in pairs]
        cases += [self.busy] * (-len(cases) % STATIONS)
        for at in range(0, len(cases), STATIONS):
            self.round(run, dict(enumerate(cases[at:at + STATIONS])))

    def round(self, run, cases):
        """cases: by the numbers of their stations."""
        for number, case in cases.items():
            self.stations[number].begin(case)
        try:
            run(cases)
        except (Wrong, ValueError, KeyError) as wrong:
            self.failed.append(f"{run.__name__} {[case.name for case in cases.values()]}: {wrong!r}")

    def compare(self, what, case, got, wanted):
        if got != wanted:
            self.failed.append(f"{what} {case.name}: {got}, not {wanted}")

    def check_streams(self, what, cases, out, complaint):
        """Nothing that a terminal obeys; nothing of what did not verify."""
        names = [case.name for case in cases]
        for stream in (out, complaint):
            if obeyed(stream):
                self.failed.append(f"{what} {names}: {obeyed(stream)}")
        lines = complaint.decode(errors="replace").split("\n")[:-1]
        strange = [line[:300] for line in lines if not re.match(r"p2pchat [a-z ]+: (error|hint): ", line)]
        if strange:
            self.failed.append(f"{what} {names}: {strange}")
        if SECRET in complaint:
            self.failed.append(f"{what} {names}: the body of an ack that does not count was shown")

    def records(self, what, cases, program, words):
        status, out, complaint = program.run(*words)
        self.check_streams(what, cases.values(), out, complaint)
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
        words = ["send", "--json", "-m", "hello", *self.time(cases), *(self.names[number] for number in cases)]
        status, records = self.records("send", cases, program, words)
        after, exits = State(program.home).read(), []
        for number, case in cases.items():
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
        """Either all of a round wait, or none."""
        seconds = next(iter(cases.values())).seconds
        return ["-W", str(seconds)] if seconds else []

    def flush(self, cases):
        base = "waiting" if self.time(cases) else "queued"
        program, before = self.fresh(base), self.before[base]
        status, records = self.records("flush", cases, program, ["queue", "flush", "--now", "--json", *self.time(cases)])
        after, exits = State(program.home).read(), set()
        for number, case in cases.items():
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

    def one_by_one(self, run, pairs, stations):
        """run: called with the number of a station that nobody else uses meanwhile, and a pair."""
        free, taken = list(stations), threading.Lock()

        def one(pair):
            with taken:
                number = free.pop()
            try:
                run(number, *pair)
            except (Wrong, ValueError, KeyError) as wrong:
                self.failed.append(repr(wrong))
            finally:
                with taken:
                    free.append(number)

        with concurrent.futures.ThreadPoolExecutor(len(free)) as pool:
            list(pool.map(one, pairs))

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

    def on_terminal(self, number, case, asked):
        station, program = self.stations[number], self.fresh("known")
        station.begin(case, asked)
        terminal = Terminal(program.command("send", "-m", "hello", self.names[number]))
        self.compare("terminal", case, terminal.wait(), 79 if case.rc else KINDS[case.kind][0])
        self.compare("terminal (obeys)", case, obeyed(bytes(terminal.got)), None)
        need(bytes(terminal.got), f"terminal {case.name}: silence")


if __name__ == "__main__":
    sys.exit(main(ClientRun))
