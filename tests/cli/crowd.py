#!/usr/bin/python3
"""Many runs of `p2pchat send` at once, each repeated under its id until it is acknowledged, while
connections are cut or processes killed. Standard library only. Every wait has an end.

  crowd.py cuts BIN SENDER PEER PORT --step N
      SENDER registers PEER, which listens at PORT, through a proxy that cuts each connection after
      another byte: every Nth of the request, then every Nth of the reply. Each 16th exchange, and
      all behind the last cut, pass.
  crowd.py kills BIN SENDER PEER PORT LISTENER --kills N --seed S
      Runs PEER's listener, on the home LISTENER, and kills it or one of the senders at N random
      moments; starts it again each time, and ends it in order.

Both print the texts of the messages, a line each, all of which were acknowledged; numbers go to
standard error. What must not happen ends them with 1 and a line that says so.
"""

import argparse
import collections
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

PATIENCE = 60  # seconds
WORKERS = 4
PASSING = 16


class Senders:
    """Threads that send one message after the other until they are told that it is enough."""

    def __init__(self, options, allowed):
        self.options, self.allowed = options, allowed
        self.lock = threading.Lock()
        self.texts, self.statuses, self.wrong = [], collections.Counter(), []
        self.running = set()
        self.enough = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(WORKERS)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def end(self):
        """Each message that has begun is acknowledged then, or self.wrong says why not."""
        self.enough.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        while not self.enough.is_set() and not self.wrong:
            with self.lock:
                text = f"message {len(self.texts):06}"
                self.texts.append(text)
            end = time.monotonic() + PATIENCE
            while not self.wrong and self.send(text) != 0:
                if time.monotonic() > end:
                    self.wrong.append(f"not acknowledged in time: {text}")

    def send(self, text):
        options = self.options
        with self.lock:
            process = subprocess.Popen(
                [options.bin, "--home", options.sender, "send", "-W", str(PATIENCE), "--id", text,
                 "-m", text, options.peer],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.running.add(process)
        said = process.communicate()[1]
        with self.lock:
            self.running.discard(process)
            self.statuses[process.returncode] += 1
            if process.returncode not in self.allowed or process.returncode == 0 and said:
                self.wrong.append(f"{text} ended with {process.returncode}: {said.decode()}")
        return process.returncode

    def kill_one(self, chance, number):
        """A sender that runs, if there is one."""
        with self.lock:
            if not self.running:
                return False
            chance.choice(sorted(self.running, key=lambda process: process.pid)).send_signal(number)
            return True


def tell(senders, *lines):
    print(*senders.texts, sep="\n", flush=True)
    statuses = ", ".join(f"{count} times {status}" for status, count in sorted(senders.statuses.items()))
    print(*lines, f"{len(senders.texts)} messages, {statuses}", sep="\n", file=sys.stderr)
    sys.exit("\n".join(senders.wrong) or 0)


# ---- cut connections


def read_some(connection, most):
    """Up to `most` bytes of a frame; fewer at its NUL, or when the other side closes."""
    received = b""
    while len(received) < most and not received.endswith(b"\0"):
        piece = connection.recv(most - len(received))
        if not piece:
            break
        received += piece
    return received


class Cuts:
    """A proxy. Connections pass until begin()."""

    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.left, self.exchanges, self.lengths = collections.deque(), 0, (0, 0)
        self.all_made = threading.Event()
        self.server = socket.create_server(("127.0.0.1", 0), backlog=256)
        threading.Thread(target=self.serve, daemon=True).start()

    def address(self):
        return f"127.0.0.1:{self.server.getsockname()[1]}"

    def begin(self, step):
        """Cuts from now on, by the lengths of the last exchange."""
        request, reply = self.lengths
        self.left.extend(("request", at) for at in range(0, request, step))
        self.left.extend(("reply", at) for at in range(0, reply, step))
        return len(self.left)

    def next_cut(self):
        with self.lock:
            self.exchanges += 1
            if not self.left or self.exchanges % PASSING == 0:
                return None, None
            cut = self.left.popleft()
            if not self.left:
                self.all_made.set()
            return cut

    def serve(self):
        while True:
            connection, _ = self.server.accept()
            connection.settimeout(PATIENCE)
            threading.Thread(target=self.pass_on, args=(connection,), daemon=True).start()

    def pass_on(self, client):
        part, at = self.next_cut()
        with client, socket.create_connection(("127.0.0.1", self.port), PATIENCE) as server:
            server.settimeout(PATIENCE)
            # What is not read when it is closed resets the connection; every other one is read.
            whole = part != "request" or at % 2 == 1
            request = read_some(client, 1 << 22 if whole else at)
            server.sendall(request[:at] if part == "request" else request)
            if part == "request":
                return
            reply = read_some(server, 1 << 22)
            client.sendall(reply[:at] if part == "reply" else reply)
            self.lengths = (len(request), len(reply))


def cuts(options):
    proxy = Cuts(options.port)
    subprocess.run([options.bin, "--home", options.sender, "register", options.peer, proxy.address()],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # 69 says that nothing has left: only when the connection is cut before the first byte.
    senders = Senders(options, {0, 69, 74})
    senders.send("message ------")  # for its lengths
    senders.texts.append("message ------")
    lengths = proxy.lengths
    count = proxy.begin(options.step)
    senders.start()
    end = time.monotonic() + 10 * PATIENCE
    while not proxy.all_made.wait(0.1) and not senders.wrong and time.monotonic() < end:
        pass
    senders.end()
    lost = senders.statuses[69] + senders.statuses[74]
    if not senders.wrong and (lost != count or senders.statuses[69] > 1):
        senders.wrong.append(f"{lost} of {count} cuts were noticed, {senders.statuses[69]} times 69")
    tell(senders, f"{count} cuts in a request of {lengths[0]} bytes and a reply of {lengths[1]} bytes")


# ---- killed processes


class Listener:
    """Its output goes to LISTENER.out and .err, behind what is there."""

    def __init__(self, options):
        self.command = [options.bin, "--home", options.listener, "listen", "-k", "-a", "127.0.0.1", "-p",
                        str(options.port)]
        self.out, self.err = (open(f"{options.listener}.{kind}", "ab") for kind in ("out", "err"))
        self.start()

    def start(self):
        heard = os.path.getsize(self.err.name)
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err)
        end = time.monotonic() + PATIENCE
        while not self.says_since(heard, b"listening on "):
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit("the listener does not begin")
            time.sleep(0.001)

    def says_since(self, heard, words):
        with open(self.err.name, "rb") as said:
            said.seek(heard)
            return words in said.read()

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

# Of `listen -k`: the end that SIGTERM brings is the one that is expected.
LISTENER_ENDS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 0, signal.SIGINT: -signal.SIGINT,
                 signal.SIGHUP: -signal.SIGHUP}


def kills(options):
    chance = random.Random(options.seed)
    listener = Listener(options)
    senders = Senders(options, {0, 69, 74, *(-number for number in options.signals)})
    senders.start()
    killed = collections.Counter()
    while sum(killed.values()) < options.kills and not senders.wrong:
        time.sleep(chance.uniform(0, options.between))
        number = chance.choice(options.signals)
        if chance.random() < 0.5:
            status = listener.end(number)
            if status != LISTENER_ENDS[number]:
                senders.wrong.append(f"after {number.name} the listener ended with {status}")
            listener.start()
            killed["listener"] += 1
        elif senders.kill_one(chance, number):
            killed["senders"] += 1
    senders.end()
    status = listener.end(signal.SIGTERM)
    if status != 0:
        senders.wrong.append(f"the listener ended with {status}")
    tell(senders, f"killed: listener {killed['listener']}, senders {killed['senders']}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    tools = parser.add_subparsers(required=True)
    for name, run, signals in (
        ("cuts", cuts, []),
        ("kills", kills, [signal.SIGKILL]),
        ("signals", kills, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]),
    ):
        tool = tools.add_parser(name)
        tool.set_defaults(run=run, signals=signals)
        tool.add_argument("bin")
        tool.add_argument("sender")
        tool.add_argument("peer")
        tool.add_argument("port", type=int)
        if run is cuts:
            tool.add_argument("--step", type=int, default=1)
        else:
            tool.add_argument("listener")
            tool.add_argument("--kills", type=int, required=True)
            tool.add_argument("--seed", type=int, required=True)
            tool.add_argument("--between", type=float, default=0.06)
    return parser.parse_args()


if __name__ == "__main__":
    parsed = arguments()
    parsed.run(parsed)
