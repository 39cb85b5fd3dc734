#!/usr/bin/python3
"""Runs a command under those restrictions of a systemd unit that hold for system calls.

  confined.py UNIT COMMAND...  with NoNewPrivileges=, SystemCallFilter= (allow list first),
                               SystemCallErrorNumber= and RestrictAddressFamilies= of the file UNIT
  confined.py --commands UNIT  prints its ExecStart= as a line for a shell

The sets of system calls are those of `systemd-analyze syscall-filter`. Standard library, and
libseccomp as systemd has it.
"""

import ctypes
import errno
import os
import re
import socket
import subprocess
import sys

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EQUAL = 4
PR_SET_NO_NEW_PRIVS = 38
MOST_FAMILIES = 64


class Comparison(ctypes.Structure):
    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("mask", ctypes.c_uint64),
    ]


def settings(unit, name):
    with open(unit, encoding="utf-8") as file:
        return re.findall(rf"^{name}=(.*)$", file.read(), re.MULTILINE)


def call_sets():
    """{"@set": [members]}, members being system calls and other sets."""
    sets = {}
    said = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter"], check=True, capture_output=True, text=True
    ).stdout
    for line in said.splitlines():
        if line.startswith("@"):
            members = sets.setdefault(line.strip(), [])
        elif line.strip() and not line.strip().startswith("#"):
            members.append(line.strip())
    return sets


def expanded(sets, word):
    if not word.startswith("@"):
        return {word}
    return set().union(*(expanded(sets, member) for member in sets[word]))


def allowed_calls(unit):
    # systemd lets these through with any allow list.
    sets, allowed = call_sets(), {"execve", "exit", "exit_group", "rt_sigreturn"}
    for line in settings(unit, "SystemCallFilter"):
        calls = set().union(*(expanded(sets, word) for word in line.lstrip("~").split()))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def confine(unit):
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    (error_name,) = settings(unit, "SystemCallErrorNumber")
    rules = ctypes.c_void_p(seccomp.seccomp_init(ERRNO | getattr(errno, error_name)))

    def add(action, call, *comparisons):
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        array = (Comparison * len(comparisons))(*comparisons)
        # Negative: none of this machine.
        if number >= 0 and seccomp.seccomp_rule_add_array(
            rules, ctypes.c_uint32(action), number, len(comparisons), array
        ):
            sys.exit(f"confined: cannot add a rule for {call}")

    (names,) = settings(unit, "RestrictAddressFamilies")
    families = [getattr(socket, name) for name in names.split()]
    for family in range(MOST_FAMILIES):
        action = ALLOW if family in families else ERRNO | errno.EAFNOSUPPORT
        add(action, "socket", Comparison(0, EQUAL, family, 0))
    for call in sorted(allowed_calls(unit) - {"socket"}):
        add(ALLOW, call)
    if settings(unit, "NoNewPrivileges") != ["yes"]:
        sys.exit("confined: no NoNewPrivileges=yes")
    if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or seccomp.seccomp_load(rules):
        sys.exit("confined: cannot load the filter")


if __name__ == "__main__":
    if sys.argv[1] == "--commands":
        for command in settings(sys.argv[2], "ExecStart"):
            print(command.replace("%%", "%"))
    else:
        confine(sys.argv[1])
        os.execvp(sys.argv[2], sys.argv[2:])
