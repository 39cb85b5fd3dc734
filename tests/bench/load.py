#!/usr/bin/python3
"""What strangers cost friends: 10,000 connections that say nothing, 1,000 that send a byte every 5
seconds and 1,000 that ask and never read, all at once; and how long `send` takes with them and
without. Standard library only.

The answer that the deaf ones do not read fits into the kernel's buffers, so their connections stay
until their time is over. Two listeners run side by side, on homes of their own, one of them with the
strangers; messages go to the one and the other in turn, so that whatever else the machine does meets
both. A connection has 10 seconds for its frame, so the strangers come again whenever they are closed.

usage: scripts/bench load [--idle N] [--slow N] [--deaf N] [--messages N]
"""

import argparse
import os
import platform
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BIN = os.environ["P2PCHAT_BIN"]
OWN = 200  # descriptors of a process beside its connections


def run(home, *words):
    return subprocess.run([BIN, "--home", home, *words], check=True, capture_output=True, text=True).stdout.strip()


class Listener:
    def __init__(self, home):
        self.process = subprocess.Popen(
            [BIN, "--home", home, "listen", "-k", "-p", "0", "-a", "127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stderr.readline().rsplit(":", 1)[1])

    def memory(self):
        """Resident, in bytes."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def processor_time(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.terminate()
        self.process.wait()


class Strangers:
    """In a process of their own, which comes again wherever it is closed."""

    def __init__(self, port, counts):
        self.port, self.counts = port, counts
        self.poll, self.open = select.epoll(), {}

    def connect(self, kind):
        connection = socket.socket()
        connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        connection.bind(("127.0.0.2", 0))
        connection.connect(("127.0.0.1", self.port))
        connection.setblocking(False)
        if kind == "deaf":
            connection.sendall(b"keys\0")
        # The deaf ones notice the end of a connection alone.
        events = select.EPOLLRDHUP if kind == "deaf" else select.EPOLLIN
        self.poll.register(connection, events)
        self.open[connection.fileno()] = (kind, connection)

    def serve(self, until):
        """Replaces those that were closed, and sends what the slow ones have to."""
        next_bytes = time.monotonic()
        while not until():
            for descriptor, _ in self.poll.poll(0.1):
                kind, connection = self.open.pop(descriptor)
                connection.close()
                self.connect(kind)
            if time.monotonic() >= next_bytes:
                next_bytes += 5
                for kind, connection in self.open.values():
                    if kind == "slow":
                        try:
                            connection.send(b"k")
                        except OSError:
                            pass  # closed: the next poll tells

    def start(self):
        """Returns the process once all are connected."""
        ready, told = os.pipe()
        child = os.fork()
        if child == 0:
            # Whatever happens, what belongs to the parent is not the child's to end.
            try:
                parent = os.getppid()
                for kind, count in self.counts.items():
                    for _ in range(count):
                        self.connect(kind)
                os.write(told, b".")
                self.serve(lambda: os.getppid() != parent)
            finally:
                os._exit(1)
        os.close(told)
        if os.read(ready, 1) != b".":
            sys.exit("the strangers did not all connect")
        return child


def send(home, name, text):
    began = time.perf_counter()
    run(home, "send", "-q", "-m", text, name)
    return (time.perf_counter() - began) * 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", type=int, default=10000)
    parser.add_argument("--slow", type=int, default=1000)
    parser.add_argument("--deaf", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=200)
    options = parser.parse_args()

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = min(hard, 16384) - OWN
    counts, wanted = {}, {"slow": options.slow, "deaf": options.deaf, "idle": options.idle}
    for kind, count in wanted.items():  # a few of each, where there is not room for all
        counts[kind] = min(count, room - sum(counts.values()) if kind == "idle" else room // 4)
    print(f"{os.cpu_count()} processors, {platform.system()} {platform.release()}, "
          f"{run('/', '--version')}, Python {platform.python_version()}, {hard} descriptors allowed")
    print("strangers:", ", ".join(f"{count} {kind}" for kind, count in counts.items()))

    folder = tempfile.mkdtemp(prefix="p2pchat-bench-")
    started, strangers = [], None
    try:
        home, friend, other = (f"{folder}/{name}" for name in ("loaded", "friend", "quiet"))
        for who in (home, friend):
            run(who, "keygen")
        # Two nodes have two keys: the second listener has a home of its own.
        run(other, "keygen")
        listeners = {}
        for name, where in (("loaded", home), ("quiet", other)):
            listeners[name] = Listener(where)
            started.append(listeners[name])
            run(friend, "register", name, f"127.0.0.1:{listeners[name].port}")
            run(where, "peers", "accept", run(friend, "keygen", "--fingerprint"), "--as", "friend")
        for name in listeners:
            for i in range(10):
                send(friend, name, f"warm {i}")
        alone = statistics.median(send(friend, "loaded", f"alone {i}") for i in range(options.messages))

        loaded = listeners["loaded"]
        before, own = loaded.memory(), loaded.descriptors()
        strangers = Strangers(loaded.port, counts).start()
        began, spent = time.monotonic(), loaded.processor_time()
        times = {name: [] for name in listeners}
        memory, connections = before, 1
        for i in range(options.messages):
            for name in listeners:
                times[name].append(send(friend, name, f"message {i}"))
            if i % 10 == 0 and loaded.memory() > memory:
                memory, connections = loaded.memory(), loaded.descriptors() - own
        share = (loaded.processor_time() - spent) / (time.monotonic() - began)

        medians = {name: statistics.median(of) for name, of in times.items()}
        for name, of in times.items():
            print(f"{name}: {len(of)} messages, median {medians[name]:.2f} ms, "
                  f"95 % within {sorted(of)[len(of) * 95 // 100]:.2f} ms")
        print(f"ratio of the medians: {medians['loaded'] / medians['quiet']:.3f}")
        print(f"before the strangers came: median {alone:.2f} ms, to which the ratio is "
              f"{medians['loaded'] / alone:.3f}")
        print(f"memory: {before // 1024} KiB before, {memory // 1024} KiB with {connections} connections: "
              f"{(memory - before) / max(1, connections):.0f} bytes each")
        print(f"processor time of the listener: {share * 100:.1f} % of one")
    finally:
        if strangers:
            os.kill(strangers, signal.SIGKILL)
            os.waitpid(strangers, 0)
        for listener in started:
            listener.end()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
