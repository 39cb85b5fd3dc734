#!/usr/bin/python3
"""Strangers, for tests of a listener under load. Standard library only. Every wait has an end.

  load.py hold PORT COUNT [--request FILE] [--bytes B] [--until N]
      COUNT connections that stay open, each with B bytes of a frame that does not end: of a message
      of any length, by the header of the request in FILE. Prints "holding", and how many were not
      closed on us, when all is sent and no more than N are open; then waits to be ended.
  load.py flood PORT COUNT --request FILE [--junk] [--stop PID]
      COUNT connections at a time on each of which the request is sent and its answer read; with
      --junk it is another one each time, that does not open; with --stop that process is stopped
      until COUNT have been sent, which then come to it at once. Prints "flooding" once a hundred
      have come to an end; when it is ended, how many were answered and how many closed without.
  load.py deaf PORT COUNT --request FILE
      COUNT connections, one after another, that ask and never read; prints "deaf" when an answer has
      begun on each, and waits.
  load.py leave PORT --request FILE
      Goes away in every way from every state of a connection.
  load.py ask PORT --request FILE
      One exchange; prints how many bytes came back.
  load.py storm [--pid PID]... COMMAND...
      Runs it, while signals interrupt the system calls of all these and of the command; exits with
      its status and says how many they were.

--from ADDRESS: where the connections come from. The descriptor limit is raised as far as allowed.
"""

import argparse
import os
import random
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

PATIENCE = 30  # seconds
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def connect(options, receive_buffer=None):
    connection = socket.socket()
    connection.settimeout(PATIENCE)
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        # With segments as long as those of the loopback the listener's kernel would take 2 MiB.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Without this a bound source would take a port of its own, for all destinations.
    connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    connection.bind((options.source, 0))
    connection.connect(("127.0.0.1", options.port))
    return connection


def read_request(options):
    with open(options.request, "rb") as file:
        return file.read()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_reply(connection):
    received = b""
    while not received.endswith(b"\0"):
        piece = connection.recv(65536)
        if not piece:
            break
        received += piece
    return received


def wait_for_the_end():
    signal.sigtimedwait([signal.SIGTERM], 20 * PATIENCE)


# ---- many connections


def hold(options):
    frame = b""
    if options.bytes:
        header = read_request(options).partition(b".")[0] + b"." if options.request else b""
        frame = header + b"A" * (options.bytes - len(header))
    connections = []
    for _ in range(options.count):
        connections.append(connect(options))
        try:
            connections[-1].sendall(frame)
        except OSError:
            pass  # closed on us
    # select.select() knows no descriptors beyond 1023.
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN)
    end = time.monotonic() + PATIENCE
    while len(connections) - len(poll.poll(0)) > options.until and time.monotonic() < end:
        time.sleep(0.02)
    print("holding", len(connections) - len(poll.poll(0)), flush=True)
    wait_for_the_end()


def junk(request):
    """The request with another encrypted key, as long as before."""
    parts = request.split(b".")
    parts[1] = bytes(random.choices(ALPHABET, k=len(parts[1]) - 1)) + b"A"
    return b".".join(parts)


def flood(options):
    request = read_request(options)
    lock = threading.Lock()
    counts = {True: 0, False: 0}
    still_to_send = options.count

    def sent():
        nonlocal still_to_send
        with lock:
            still_to_send -= 1
            if still_to_send == 0 and options.stop:
                os.kill(options.stop, signal.SIGCONT)

    def run():
        while True:
            try:
                with connect(options) as connection:
                    connection.sendall(junk(request) if options.junk else request)
                    sent()
                    answered = read_reply(connection).endswith(b"\0")
            except ConnectionError:
                answered = False
            with lock:
                counts[answered] += 1
                if sum(counts.values()) == 100:
                    print("flooding", flush=True)

    if options.stop:
        os.kill(options.stop, signal.SIGSTOP)
    for _ in range(options.count):
        threading.Thread(target=run, daemon=True).start()
    wait_for_the_end()
    with lock:
        print("answered", counts[True], "closed", counts[False], flush=True)
        os._exit(0)


def deaf(options):
    request = read_request(options)
    connections = []
    for _ in range(options.count):
        connections.append(connect(options, receive_buffer=4096))
        connections[-1].sendall(request)
        connections[-1].recv(1, socket.MSG_PEEK)
    print("deaf", flush=True)
    wait_for_the_end()


# ---- goodbyes


def half_close(connection):
    connection.shutdown(socket.SHUT_WR)


def shut_down(connection):
    connection.shutdown(socket.SHUT_RDWR)


def leave(options):
    request = read_request(options)

    def connected(connection):
        pass

    def begun(connection):
        connection.sendall(request[:1000])

    def asked(connection):
        connection.sendall(request)

    def being_answered(connection):
        connection.sendall(request)
        connection.recv(1)

    def answered(connection):
        connection.sendall(request)
        read_reply(connection)

    kept = []
    for state in (connected, begun, asked, being_answered, answered):
        for way in (half_close, shut_down, reset, socket.socket.close):
            for _ in range(options.times):
                kept.append(connect(options, receive_buffer=4096))
                try:
                    state(kept[-1])
                    way(kept[-1])
                except OSError:
                    pass  # the listener was faster
    print("left", len(kept), flush=True)
    wait_for_the_end()


# ---- the rest


def ask(options):
    with connect(options) as connection:
        connection.sendall(read_request(options))
        print(len(read_reply(connection)))


def storm(options):
    command = subprocess.Popen(options.command)
    targets = [*options.pid, command.pid]
    # Those that stop and go on interrupt some calls without a handler.
    signals = (signal.SIGWINCH, signal.SIGSTOP, signal.SIGCONT, signal.SIGURG, signal.SIGCHLD)
    sent = 0
    end = time.monotonic() + 2 * PATIENCE
    while command.poll() is None and time.monotonic() < end:
        for number in signals:
            for pid in targets:
                os.kill(pid, number)
                sent += 1
    print("signals", sent, file=sys.stderr)
    sys.exit(command.wait(1))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    tools = parser.add_subparsers(required=True)
    for run in (hold, flood, deaf, leave, ask):
        tool = tools.add_parser(run.__name__)
        tool.set_defaults(run=run)
        tool.add_argument("port", type=int)
        if run in (hold, flood, deaf):
            tool.add_argument("count", type=int)
        tool.add_argument("--from", dest="source", default="127.0.0.1")
        tool.add_argument("--request")
        tool.add_argument("--bytes", type=int, default=0)
        tool.add_argument("--until", type=int, default=sys.maxsize)
        tool.add_argument("--junk", action="store_true")
        tool.add_argument("--stop", type=int)
        tool.add_argument("--times", type=int, default=5)
    tool = tools.add_parser("storm")
    tool.set_defaults(run=storm)
    tool.add_argument("--pid", type=int, action="append", default=[])
    tool.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


if __name__ == "__main__":
    parsed = arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if parsed.run is not storm:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    parsed.run(parsed)
