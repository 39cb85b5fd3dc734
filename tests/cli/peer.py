#!/usr/bin/python3
"""The other side of the command-line tests: servers that misbehave, a proxy that records, a sender
of raw bytes, a terminal. Standard library only. Every wait has an end.

  peer.py serve KIND [--port N] [...]   prints its port, then serves until it is killed
  peer.py raw PORT FILE [...]           sends the file, prints what comes back, byte for byte
  peer.py each-byte PORT FILE REPLY     changes bytes of a request; every answer must be REPLY
  peer.py scan PORT                     connects and goes away again, in several ways
  peer.py pty [--fds 0,1,2] COMMAND...  runs it on a terminal, prints what the terminal got
  peer.py unread COMMAND...             runs it with a stdout whose reader has gone
  peer.py sql DATABASE STATEMENT        prints the rows; the log is written back into the one file
  peer.py free-port                     prints a port of 127.0.0.1 that nobody has
  peer.py inetd PORT COMMAND...         runs it for each connection, with 0, 1 and 2 the socket
  peer.py lock DATABASE                 keeps every other writer out until it is killed
"""

import argparse
import os
import pty
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time

PATIENCE = 30  # seconds


def reset_on_close(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_frame(connection):
    """Everything up to and including the first NUL, or until the other side closes."""
    received = b""
    while b"\0" not in received:
        piece = connection.recv(65536)
        if not piece:
            break
        received += piece
    return received


# ---- servers: each gets a connection and the options


def send_for_ever(connection, piece):
    while True:
        connection.sendall(piece)


def serve_http(connection, options):
    connection.recv(65536)
    connection.sendall(
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
    )


def serve_banner(connection, options):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    connection.recv(65536)


def serve_tls(connection, options):
    connection.recv(65536)
    connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")  # an alert: protocol version


def serve_silence(connection, options):
    """Only prints that it has a request."""
    if read_frame(connection).endswith(b"\0"):
        print("request", flush=True)
    while connection.recv(65536):
        pass


def serve_slowly(connection, options):
    """Four characters at a time that could still become the header of an answer, for ever."""
    read_frame(connection)
    while True:
        connection.sendall(b"ICAg")  # three spaces
        time.sleep(0.05)


def serve_garbage(connection, options):
    send_for_ever(connection, bytes(range(128, 256)) * 512)


def serve_base64url(connection, options):
    """It could be the header of an answer for as long as the limit of a frame lets it."""
    connection.sendall(b"eyJ")
    send_for_ever(connection, b"aGVsbG8h" * 8192)


def serve_pem(connection, options):
    connection.sendall(b"-----BEGIN PUBLIC KEY-----\n")
    send_for_ever(connection, b"MIIBojANBgkqhkiG9w0BAQEFAAOCAY8A\n" * 2048)


def serve_nul(connection, options):
    read_frame(connection)
    connection.sendall(b"\0")


def serve_close(connection, options):
    """Goes away at once."""


def serve_close_after_request(connection, options):
    read_frame(connection)


def serve_reset_after_request(connection, options):
    read_frame(connection)
    reset_on_close(connection)


class Gathering:
    """Connections that are kept open together, and how many there were at most."""

    def __init__(self):
        self.changed = threading.Condition()
        self.held = []
        self.count = self.most = 0

    def hold(self, connection):
        with self.changed:
            self.held.append(connection)
            self.count += 1
            self.most = max(self.most, len(self.held))
            self.changed.notify_all()

    def enough(self, options):
        return len(self.held) == options.together or self.count == options.count

    def let_go(self, options):
        """The latest first; each as soon as there are enough again, or no more to come."""
        for _ in range(options.count):
            with self.changed:
                self.changed.wait_for(lambda: self.held and self.enough(options))
                # Whoever opens more at once than it should has the time to do so.
                self.changed.wait_for(lambda: len(self.held) > options.together, 0.1)
                connection = self.held.pop()
            connection.close()
        with open(f"{options.save}/most", "w", encoding="ascii") as file:
            file.write(f"{self.most}\n")


gathering = Gathering()


def serve_gathering(connection, options):
    """Takes a request and keeps the connection until there are --together of them, or --count have
    come in all; then closes one for each that comes. At the end --save/most says how many there
    were at once."""
    read_frame(connection)
    kept = connection.dup()
    gathering.hold(kept)


def serve_file(connection, options):
    """The bytes of --file as the answer to every request."""
    read_frame(connection)
    with open(options.file, "rb") as answer:
        connection.sendall(answer.read())
    connection.recv(1)


def serve_full(options):
    """Not one connection more: the queue of those that wait to be accepted is full."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    listener.listen(0)
    address = listener.getsockname()
    waiting = []
    for _ in range(4):
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex(address)
    print(address[1], flush=True)
    signal.pause()


recorded = threading.Lock()
recorded_count = 0
first_held, second_passed = threading.Event(), threading.Event()


def serve_proxy(connection, options):
    """Passes one exchange on to --to and keeps both frames as --save/N.request and N.reply. From
    the exchange --cut on a reply ends after half of its bytes; --after follows its NUL; its
    byte number --flip becomes another character of base64url. With --twice a request goes there
    twice and the second reply comes back; with --hold the first request goes after the second; with
    --keep no reply goes back, and the client is waited for."""
    global recorded_count
    request = read_frame(connection)
    if options.hold and not first_held.is_set():
        first_held.set()
        second_passed.wait(PATIENCE)
    for _ in range(2 if options.twice else 1):
        with socket.create_connection(("127.0.0.1", options.to), PATIENCE) as server:
            server.settimeout(PATIENCE)
            server.sendall(request)
            reply = read_frame(server)
    second_passed.set()
    with recorded:
        recorded_count += 1
        number = recorded_count
        for name, frame in (("request", request), ("reply", reply)):
            with open(f"{options.save}/{number}.{name}", "wb") as file:
                file.write(frame)
    if options.keep:
        connection.recv(1)
        return
    if options.cut and number >= options.cut:
        reply = reply[: len(reply) // 2]
    if options.flip:
        flipped = b"B" if reply[options.flip] == ord("A") else b"A"
        reply = reply[: options.flip] + flipped + reply[options.flip + 1 :]
    connection.sendall(reply + options.after.encode())


def read_exactly(connection, count):
    received = b""
    while len(received) < count:
        piece = connection.recv(count - len(received))
        if not piece:
            raise ConnectionError("closed too early")
        received += piece
    return received


def serve_socks(connection, options):
    """A SOCKS 5 proxy (RFC 1928) that resolves nothing: whatever name it is asked for is --to, and is
    written to --save/asked, as NAME:PORT."""
    version, count = read_exactly(connection, 2)
    if version != 5 or 0 not in read_exactly(connection, count):
        connection.sendall(b"\x05\xff")  # no method
        return
    connection.sendall(b"\x05\0")
    head = read_exactly(connection, 4)
    if head != b"\x05\x01\0\x03":  # connect, to a name
        connection.sendall(b"\x05\x07\0\x01" + bytes(6))
        return
    name = read_exactly(connection, read_exactly(connection, 1)[0])
    port = int.from_bytes(read_exactly(connection, 2), "big")
    with open(f"{options.save}/asked", "a", encoding="ascii") as file:
        file.write(f"{name.decode()}:{port}\n")
    with socket.create_connection(("127.0.0.1", options.to), PATIENCE) as server:
        connection.sendall(b"\x05\0\0\x01" + bytes(6))
        others = {connection: server, server: connection}
        while True:
            for end in select.select(list(others), [], [], PATIENCE)[0]:
                piece = end.recv(65536)
                if not piece:
                    return
                others[end].sendall(piece)


SERVERS = {
    "http": serve_http,
    "banner": serve_banner,
    "tls": serve_tls,
    "silence": serve_silence,
    "slow": serve_slowly,
    "garbage": serve_garbage,
    "base64url": serve_base64url,
    "pem": serve_pem,
    "nul": serve_nul,
    "close": serve_close,
    "close-after-request": serve_close_after_request,
    "reset-after-request": serve_reset_after_request,
    "file": serve_file,
    "gathering": serve_gathering,
    "proxy": serve_proxy,
    "socks": serve_socks,
}


def serve(options):
    if options.kind == "full":
        serve_full(options)

    def run(connection):
        with connection:
            try:
                SERVERS[options.kind](connection, options)
            except OSError:
                pass  # the client went away: its business

    if options.kind == "gathering":
        threading.Thread(target=gathering.let_go, args=(options,), daemon=True).start()
    listener = socket.create_server(("127.0.0.1", options.port), backlog=256)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.settimeout(PATIENCE)
        threading.Thread(target=run, args=(connection,), daemon=True).start()


# ---- raw bytes


def ask(port, request, half_close=False, piece=None):
    """One exchange; returns all that came back until the NUL or the close."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for start in range(0, len(request), piece or len(request) or 1):
                connection.sendall(request[start : start + (piece or len(request))])
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return read_frame(connection)
        except ConnectionError:
            return b""  # closed on us, which is no reply


def raw(options):
    with open(options.file, "rb") as file:
        request = file.read()
    try:
        reply = ask(options.port, request, options.half_close, options.piece)
    except TimeoutError:
        sys.exit("no answer and no close")
    sys.stdout.buffer.write(reply)


def each_byte(options):
    """Positions: the first and the last bytes, those around each dot, and --samples between."""
    with open(options.file, "rb") as file:
        request = file.read()
    with open(options.reply, "rb") as file:
        wanted = file.read()
    length = len(request) - 1  # the NUL stays
    positions = {0, 1, length - 2, length - 1}
    for at in range(length):
        if request[at] == ord("."):
            positions |= {at - 1, at, at + 1}
    positions |= {length * i // options.samples for i in range(options.samples)}
    wrong = 0
    for number, at in enumerate(sorted(positions)):
        # Each position gets one of: a neighbour, another letter, white space, a byte beyond ASCII.
        others = [request[at] ^ 1, ord("A"), ord("\n"), request[at] | 0x80, ord("."), 0x01]
        others = [byte for byte in others if byte not in (0, request[at])]
        for byte in {others[0], others[number % len(others)]}:
            changed = request[:at] + bytes([byte]) + request[at + 1 :]
            if ask(options.port, changed) != wanted:
                print(f"byte {at} changed to {byte:#x}: another answer")
                wrong += 1
    sys.exit(1 if wrong else 0)


def scan(options):
    address = ("127.0.0.1", options.port)
    for _ in range(20):
        socket.create_connection(address, PATIENCE).close()
        with socket.create_connection(address, PATIENCE) as connection:
            reset_on_close(connection)
        with socket.create_connection(address, PATIENCE) as connection:
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(PATIENCE)
            connection.recv(1)
        with socket.create_connection(address, PATIENCE) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with socket.create_connection(address, PATIENCE) as connection:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100)
            reset_on_close(connection)


# ---- a terminal


def on_terminal(options):
    """The given descriptors are the terminal. Prints what it got; exits with the status."""
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[1] &= ~termios.OPOST  # the bytes as they were written
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    child = os.fork()
    if child == 0:
        os.setsid()
        for descriptor in options.fds.split(","):
            os.dup2(slave, int(descriptor))
        os.close(slave)
        os.close(master)
        os.execvp(options.command[0], options.command)
    os.close(slave)
    end = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < end:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            piece = os.read(master, 65536)
        except OSError:
            piece = b""  # the last descriptor of the other side is closed
        if not piece:
            break
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    else:
        os.kill(child, 9)
    status = os.waitpid(child, 0)[1]
    sys.exit(os.waitstatus_to_exitcode(status) % 256)


def unread(options):
    """Standard output is a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)
    os.close(writer)
    os.execvp(options.command[0], options.command)


# ---- state


def sql(options):
    connection = sqlite3.connect(options.database)
    with connection:
        for row in connection.execute(options.statement):
            print("|".join(str(cell) for cell in row))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def lock(options):
    connection = sqlite3.connect(options.database, timeout=PATIENCE)
    connection.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    signal.pause()


def free_port(options):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        print(unused.getsockname()[1])


def inetd(options):
    with socket.create_server(("127.0.0.1", options.port)) as server:
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                subprocess.run(options.command, stdin=connection, stdout=connection, stderr=connection)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    tools = parser.add_subparsers(required=True)

    tool = tools.add_parser("serve")
    tool.set_defaults(run=serve)
    tool.add_argument("kind", choices=[*SERVERS, "full"])
    tool.add_argument("--port", type=int, default=0)
    tool.add_argument("--file")
    tool.add_argument("--to", type=int)
    tool.add_argument("--save", default=".")
    tool.add_argument("--cut", type=int)
    tool.add_argument("--flip", type=int)
    tool.add_argument("--after", default="")
    tool.add_argument("--twice", action="store_true")
    tool.add_argument("--hold", action="store_true")
    tool.add_argument("--keep", action="store_true")
    tool.add_argument("--together", type=int)
    tool.add_argument("--count", type=int)

    tool = tools.add_parser("raw")
    tool.set_defaults(run=raw)
    tool.add_argument("port", type=int)
    tool.add_argument("file")
    tool.add_argument("--half-close", action="store_true")
    tool.add_argument("--piece", type=int)

    tool = tools.add_parser("each-byte")
    tool.set_defaults(run=each_byte)
    tool.add_argument("port", type=int)
    tool.add_argument("file")
    tool.add_argument("reply")
    tool.add_argument("--samples", type=int, default=60)

    tool = tools.add_parser("scan")
    tool.set_defaults(run=scan)
    tool.add_argument("port", type=int)

    tool = tools.add_parser("pty")
    tool.set_defaults(run=on_terminal)
    tool.add_argument("--fds", default="0,1,2")
    tool.add_argument("command", nargs=argparse.REMAINDER)

    tool = tools.add_parser("unread")
    tool.set_defaults(run=unread)
    tool.add_argument("command", nargs=argparse.REMAINDER)

    tool = tools.add_parser("sql")
    tool.set_defaults(run=sql)
    tool.add_argument("database")
    tool.add_argument("statement")

    tool = tools.add_parser("free-port")
    tool.set_defaults(run=free_port)

    tool = tools.add_parser("inetd")
    tool.set_defaults(run=inetd)
    tool.add_argument("port", type=int)
    tool.add_argument("command", nargs=argparse.REMAINDER)

    tool = tools.add_parser("lock")
    tool.set_defaults(run=lock)
    tool.add_argument("database")
    return parser.parse_args()


if __name__ == "__main__":
    parsed = arguments()
    parsed.run(parsed)
