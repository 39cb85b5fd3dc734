#!/usr/bin/python3
"""What a service manager does for a service, a piece at a time.

  handover.py run KIND... -- COMMAND...  becomes COMMAND, with a descriptor for each KIND from 3 on,
                                         LISTEN_FDS and LISTEN_PID. KIND: tcp, a path or @name for a
                                         Unix socket, bound (not listening), udp, packets, file
  handover.py hear ADDRESS               prints "bound", then a line for each state that is sent to
                                         ADDRESS (a path or @name)
  handover.py ignore ADDRESS             the same without reading; takes no more from now on

Standard library only.
"""

import os
import socket
import sys
import time


def unix_name(address):
    return "\0" + address[1:] if address.startswith("@") else address


def made(kind):
    if kind == "file":
        return os.open(os.devnull, os.O_RDWR)
    if kind.startswith(("/", "@")):
        made_socket = socket.socket(socket.AF_UNIX)
        made_socket.bind(unix_name(kind))
    elif kind == "packets":
        made_socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made_socket.bind(f"\0p2pchat-{os.getpid()}")
    else:
        made_socket = socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        made_socket.bind(("127.0.0.1", 0))
    if kind not in ("bound", "udp"):
        made_socket.listen()
    return made_socket.detach()


def run(words):
    end = words.index("--")
    # Out of the way of those that are counted from 3 on.
    fds = [os.dup2(made(kind), 50 + i) for i, kind in enumerate(words[:end])]
    for i, fd in enumerate(fds):
        os.dup2(fd, 3 + i)
        os.close(fd)
    os.environ |= {"LISTEN_FDS": str(len(fds)), "LISTEN_PID": str(os.getpid())}
    os.execvp(words[end + 1], words[end + 1 :])


def hear(address):
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(unix_name(address))
    print("bound", flush=True)
    while True:
        print(heard.recv(4096).decode().replace("\n", " "), flush=True)


def ignore(address):
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    deaf.bind(unix_name(address))
    full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        while True:
            full.sendto(b"full", unix_name(address))
    except BlockingIOError:
        print("bound", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    {"run": run, "hear": lambda words: hear(*words), "ignore": lambda words: ignore(*words)}[what](rest)
