#!/usr/bin/python3
"""What one `send` and one received message come to, in numbers that do not depend on what else the
machine does: instructions, by library and by function of ours; system calls and syncs.

Instructions are those of callgrind; a received message is what more of them come to, beyond the
start of the listener, divided by their number. By library: its own, without what it calls. By
function: with what it calls, so that one is part of another; for received messages with their part of
the start. Syncs of a received message: with 64 under way at any moment.

usage: scripts/bench counts
"""

import collections
import os
import re

import common
from common import fail, run

FEW, MANY = 5, 25  # received, to tell what one costs
LOAD = 500  # received, to count syncs
TOP = 15
SYNCS = ("fsync", "fdatasync", "msync", "sync", "syncfs", "sync_file_range")


def by_library(out):
    """The instructions of each object in a callgrind file, without what it calls."""
    names, costs, library, skip = {}, collections.Counter(), "", False
    with open(out, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("ob="):
                number, _, name = line[3:].strip().partition(" ")
                if name:
                    names[number] = os.path.basename(name)
                library = names[number]
            elif line.startswith("cob="):
                number, _, name = line[4:].strip().partition(" ")
                if name:
                    names[number] = os.path.basename(name)
            elif line.startswith("calls="):
                skip = True  # the next line is what the callee cost
            elif line[0] in "+-*0123456789":
                if not skip:
                    costs[library] += int(line.split()[1])
                skip = False
    return costs


def by_function(out):
    """The instructions of each function of ours, with what it calls."""
    said = run("callgrind_annotate", "--inclusive=yes", "--threshold=100", out)
    costs = {}
    for line in said.split("\n"):
        found = re.match(r"\s*([\d,]+) \([^)]*\)\s+[^:]*:(.*)", line)
        if found and re.match(r"p2pchat::|\(anonymous namespace\)|main\b", found[2]):
            name = re.sub(r" \[[^\[]*\]$", "", found[2])
            # An inlined part of it has a line of its own, with less.
            costs[name] = max(costs.get(name, 0), int(found[1].replace(",", "")))
    return costs


def difference(many, few, count):
    return {name: (cost - few.get(name, 0)) / count for name, cost in many.items()}


def shortened(name):
    """A function without its arguments' types and its templates'."""
    name = re.sub(r"\(anonymous namespace\)::|p2pchat::|\[abi:cxx11\]|\[clone[^\]]*\]|'\d+$", "", name)
    before = None
    while before != name:
        before, name = name, re.sub(r"<[^<>]*>", "", name)
    return re.sub(r"\(.*\).*", "()", name).strip()[:70]


def report(title, libraries, functions, whole):
    """`whole`: what the functions are a share of."""
    total = sum(libraries.values())
    print(f"\n{title}: {total:,.0f} instructions")
    rows = [("of library", "instructions", "share")]
    for name, cost in sorted(libraries.items(), key=lambda item: -item[1])[:8]:
        rows.append((name, f"{cost:,.0f}", f"{100 * cost / total:.1f} %"))
    common.print_table(rows)
    rows, seen = [("of function, with what it calls", "instructions", "share")], set()
    for name, cost in sorted(functions.items(), key=lambda item: -item[1]):
        if shortened(name) not in seen and len(rows) <= TOP:
            seen.add(shortened(name))
            rows.append((shortened(name), f"{cost:,.0f}", f"{100 * cost / whole:.1f} %"))
    common.print_table(rows)
    return [(title, "library", name, f"{cost:.0f}") for name, cost in libraries.items() if cost > total / 1000]


def system_calls(file):
    """A table of `strace -c`, as name: calls."""
    calls = {}
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            fields = line.split()
            if len(fields) >= 5 and fields[0][0].isdigit() and fields[-1] != "total":
                calls[fields[-1]] = int(fields[3])
    return calls


def syncs(calls):
    return sum(calls.get(name, 0) for name in SYNCS)


class Counting:
    def __init__(self, folder, started):
        self.folder, self.started = folder, started
        self.friends = common.Friends(folder, started)
        self.requests, self.used = f"{folder}/requests", 0
        self.friends.seal(LOAD + FEW + MANY, self.requests)
        self.message = f"{folder}/message"
        with open(self.message, "w", encoding="ascii") as file:
            file.write(common.MESSAGE)

    def send(self, *wrapper):
        """One, under something, to a listener that is there for it."""
        listener = common.Listener(self.started, self.friends.alice)
        self.friends.meet(listener.port)
        with open(self.message, "rb") as given:
            run(*wrapper, common.BIN, "--home", self.friends.bob, "send", "alice", stdin=given)
        listener.end()
        self.started.remove(listener.process)

    def receive(self, count, in_flight, *wrapper):
        """So many, by a listener under something that ends with the last."""
        listener = common.Listener(self.started, self.friends.alice, wrapper=wrapper, options=("-n", str(count)))
        common.replay(listener, self.requests, self.used, count, in_flight)
        self.used += count
        if listener.process.wait(common.PATIENCE) != 0:
            fail(f"the listener ended with {listener.process.returncode}")
        self.started.remove(listener.process)


def callgrind(out):
    return "valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"


def main():
    common.Parser(__doc__).parse_args()
    common.require_built(common.FLOOR, common.REPLAY)
    common.require_programs("valgrind", "callgrind_annotate", "strace", "openssl")
    common.print_machine()
    with common.scratch() as (folder, started):
        counting = Counting(folder, started)
        counting.send()  # what is done once only
        counting.send(*callgrind(f"{folder}/send"))
        counting.receive(FEW, 1, *callgrind(f"{folder}/few"))
        counting.receive(MANY, 1, *callgrind(f"{folder}/many"))
        counting.send("strace", "-f", "-c", "-o", f"{folder}/calls")
        counting.receive(LOAD, 64, "strace", "-f", "--seccomp-bpf", "-c", "-o", f"{folder}/syncs", "-e",
                         "trace=" + ",".join(SYNCS))

        sent = by_library(f"{folder}/send")
        received = difference(by_library(f"{folder}/many"), by_library(f"{folder}/few"), MANY - FEW)
        parts = report("send", sent, by_function(f"{folder}/send"), sum(sent.values()))
        parts += report("received message", received, difference(by_function(f"{folder}/many"), {}, MANY),
                        sum(by_library(f"{folder}/many").values()) / MANY)
        calls, load = system_calls(f"{folder}/calls"), system_calls(f"{folder}/syncs")
    print("\nsystem calls of send: " + ", ".join(
        f"{name} {count}" for name, count in sorted(calls.items(), key=lambda item: -item[1])))
    rows = [("measure", "value"), ("send: instructions", f"{sum(sent.values()):.0f}"),
            ("send: system calls", sum(calls.values())), ("send: syncs", syncs(calls)),
            ("received message: instructions", f"{sum(received.values()):.0f}"),
            ("received message: syncs under load", f"{syncs(load) / LOAD:.3f}")]
    print()
    common.print_table(rows)
    common.write_results("counts", rows)
    common.write_results("libraries", [("of", "kind", "name", "instructions"), *parts])


if __name__ == "__main__":
    main()
