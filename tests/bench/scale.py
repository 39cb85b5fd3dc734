#!/usr/bin/python3
"""Whether what is done costs the same however much is in the state: `send`, a received message, the
start of a listener, `peers show` and `log -n 20`; and `peers`, whose output grows, by its time alone.
Each in three states, filled by SQL; instructions by callgrind, and whole processes in turn.

The messages are of the last 80 days, both ways, handed out or acknowledged, a tenth of them and the
newest 20 with the one peer that is measured with, the others with all the peers there are. Each state
has those 20 in any case.

usage: scripts/bench scale [ROUNDS] [--state PEERS:MESSAGES]...
  ROUNDS   of the timing (default: 20)
  --state  the states (default: 0:0, 1000:10000 and 100000:1000000); the first is what the others are
           compared with
"""

import contextlib
import os
import random
import re
import sqlite3
import time

import common
from common import fail, run

DAYS = 80
DAY = 86_400
LIFE = 7 * DAY  # what `send` gives a message
NEWEST = 20  # messages that `log -n 20` shows, the same in each state
RECEIVED = 5  # messages, to tell what one costs
LISTED = 3  # times, of all peers
AT_ONCE = 20  # messages, each after the one before it, in a round


# ---- a state that is full


def random_id(size):
    return common.base64url(os.urandom(size))


def peer_rows(count, statement, now):
    """Trusted ones; and strangers, as many as there may be."""
    strangers = min(1000, count // 100)
    for number in range(count):
        stranger = number < strangers
        yield (random_id(32), None if stranger else f"peer-{number:06}", "pending" if stranger else "trusted",
               statement, "" if stranger else f"peer-{number:06}.example:4040",
               f"192.0.2.{number % 250}:{1024 + number // 250}", f"host {number}",
               f"192.0.2.{number % 250}" if stranger else "", now - DAY, now - random.randrange(1, 20 * DAY), now)


def message_rows(count, own, friend, others, now):
    """In the order of their times, as they were stored."""
    count += NEWEST
    for number in range(count):
        other = friend if number % 10 == 0 or number >= count - NEWEST else random.choice(others)
        then = now - DAYS * DAY + number * DAYS * DAY // count
        incoming = number % 2 == 0
        yield ("in" if incoming else "out", other if incoming else own, own if incoming else other, random_id(16),
               os.urandom(32), f"message {number}: a line as people write them, not a long one".encode(), then,
               then + LIFE, "printed" if incoming else "acked", common.REPLY.encode())


def fill(home, friend, peers, messages):
    """`friend` has a name there and is who a tenth of the messages are exchanged with."""
    now = int(time.time())
    own = common.public_key(f"{home}/identity.pem")[1]
    with contextlib.closing(sqlite3.connect(f"{home}/state.db", isolation_level=None)) as state:
        state.execute("PRAGMA synchronous = OFF")
        state.execute("PRAGMA cache_size = -1000000")
        identity, statement = state.execute("SELECT identity, statement FROM peers WHERE name = ?",
                                            (friend,)).fetchone()
        state.execute("BEGIN IMMEDIATE")
        state.executemany(
            "INSERT INTO peers (identity, name, status, trust, statement, typed_address, announced_address, via, "
            "told, hint, source, registered, first_seen, last_seen) "
            "VALUES (?, ?, ?, 'accepted', ?, ?, ?, '', '', ?, ?, ?, ?, ?)", peer_rows(peers, statement, now))
        others = [row[0] for row in state.execute("SELECT identity FROM peers WHERE status = 'trusted'")]
        state.executemany(
            "INSERT INTO messages (direction, iss, aud, jti, hash, body, time, exp, state, reply, rc) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", message_rows(messages, own, identity, others, now))
        state.execute("COMMIT")
        state.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# ---- what is measured


class State:
    """Bob's home and alice's with so much in them."""

    def __init__(self, folder, friends, peers, messages):
        self.peers, self.messages, self.folder = peers, messages, f"{folder}/{peers}-{messages}"
        os.mkdir(self.folder)
        self.alice, self.bob = (common.copy_home(home, f"{self.folder}/{name}")
                                for home, name in ((friends.alice, "alice"), (friends.bob, "bob")))
        fill(self.alice, "bob", peers, messages)
        fill(self.bob, "alice", peers, messages)
        self.answered = 0  # requests that alice has had

    def words(self, measure):
        return [common.BIN, "--home", self.bob, *measure]


def instructions(folder, command, stdin=None):
    out = f"{folder}/callgrind.out"
    with open(stdin or os.devnull, "rb") as given:
        run("valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}", *command, stdin=given)
    return counted(out)


def counted(out):
    with open(out, encoding="utf-8", errors="replace") as file:
        return int(re.search(r"^(?:summary|totals): (\d+)", file.read(), re.MULTILINE)[1])


class Received:
    """Messages to alice, of those that bob has sealed."""

    def __init__(self, started, requests):
        self.started, self.requests = started, requests

    def send(self, state, listener, count):
        _, _, times = common.replay(listener, self.requests, state.answered, count, 1)
        state.answered += count
        return sorted(times)[len(times) // 2]

    def instructions(self, state, count):
        """Of a listener that ends after that many."""
        out = f"{state.folder}/callgrind.out"
        wrapper = ("valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}")
        listener = common.Listener(self.started, state.alice, wrapper=wrapper, options=("-n", str(count)))
        self.send(state, listener, count)
        if listener.process.wait(common.PATIENCE) != 0:
            fail(f"the listener ended with {listener.process.returncode}")
        self.started.remove(listener.process)
        return counted(out)


def main():
    parser = common.Parser(__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=20)
    parser.add_argument("--state", action="append")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("ROUNDS is 1 at least")
    try:
        sizes = [tuple(map(int, state.split(":"))) for state in options.state or ("0:0", "1000:10000",
                                                                                 "100000:1000000")]
        if any(len(size) != 2 or min(size) < 0 for size in sizes) or len(set(sizes)) != len(sizes):
            raise ValueError
    except ValueError:
        parser.error("--state takes PEERS:MESSAGES, each once")
    common.require_built(common.FLOOR, common.REPLAY)
    common.require_programs("valgrind", "openssl")
    common.print_machine()

    counts, times = {}, {}
    with common.scratch() as (folder, started):
        friends = common.Friends(folder, started)
        listener = common.Listener(started, common.copy_home(friends.alice, f"{folder}/answering"))
        friends.meet(listener.port)
        requests = f"{folder}/requests"
        friends.seal((options.rounds + 1) * AT_ONCE + 2 * (RECEIVED + 2), requests)
        states = []
        for size in sizes:
            states.append(State(folder, friends, *size))
            # What is still on its way to the disk would be waited for by those who sync there.
            os.sync()
            print(f"filled: {size[0]} peers, {size[1]} messages, "
                  f"{os.path.getsize(states[-1].bob + '/state.db') // 1024} KiB", flush=True)
        given = f"{folder}/message"
        with open(given, "w", encoding="ascii") as file:
            file.write(common.MESSAGE)
        commands = {"send": ("send", "-q", "alice"), "peers show": ("peers", "show", "alice"),
                    "log -n 20": ("log", "-n", "20")}
        received = Received(started, requests)

        for state in states:
            for name, words in commands.items():
                common.time_process(state.words(words), given, f"{folder}/out")  # what is done once only
                counts[name, state] = instructions(folder, state.words(words), given)
            # The least of two: what a listener does once a second, it does once more in some runs.
            few, many = (min(received.instructions(state, count) for _ in range(2))
                         for count in (1, 1 + RECEIVED))
            counts["received message", state] = (many - few) / RECEIVED
            counts["start of a listener", state] = few - counts["received message", state]

        contenders = {}
        for state in states:
            for name, words in commands.items():
                contenders[name, state] = (
                    lambda state=state, words=words: common.time_process(state.words(words), given,
                                                                         f"{folder}/out")[0])
            open_one = common.Listener(started, state.alice)
            contenders["received message", state] = (
                lambda state=state, open_one=open_one: received.send(state, open_one, AT_ONCE))
        times = common.in_turn(options.rounds, contenders)
        times.update(common.in_turn(min(options.rounds, LISTED), {
            ("peers", state): (lambda state=state: common.time_process(state.words(("peers",)), given,
                                                                       f"{folder}/out")[0])
            for state in states}))

    rows = [("measure", "peers", "messages", "instructions", "ratio", "ms", "ratio_ms")]
    base = states[0]
    for name in (*commands, "received message", "start of a listener", "peers"):
        for state in states:
            wall, count = times.get((name, state)), counts.get((name, state))
            rows.append((name, state.peers, state.messages, f"{count:.0f}" if count else "-",
                         f"{count / counts[name, base]:.3f}" if count else "-",
                         f"{common.quartiles(wall)[1]:.2f}" if wall else "-",
                         f"{common.ratio(wall, times[name, base]):.3f}" if wall else "-"))
    print(f"instructions of one run; medians of {options.rounds}; ratios to the first state; "
          "the output of `peers` grows with the peers")
    common.print_table(rows)
    common.write_results("scale", rows)


if __name__ == "__main__":
    main()
