#!/usr/bin/python3
"""What a listener can do: messages a second that it stores durably and acknowledges, as a share of the
signatures a second of `openssl speed rsa3072` on the same cores, before and after; its memory when
nothing is asked of it; and how long an answer takes at half of that load.

The requests are sealed before, and sent 64 at a time by a program that costs little (replay.cpp). On
one core the listener and openssl are pinned to it, and the load comes from another. Two shares are
given: by the clock, and by the processor time that the listener had, which other work on the machine
does not change.

usage: scripts/bench listen [SECONDS]
  SECONDS  of load, for one core and for all of them (default: 10)
"""

import contextlib
import os
import re
import sqlite3
import statistics
import subprocess

import common
from common import fail

ROUNDS = 5
IN_FLIGHT = 64
UNLOADED = 100  # messages, one after another
HALF_LOADED = 4  # seconds


def pinned(*processors):
    return ("taskset", "-c", ",".join(str(processor) for processor in processors))


def signatures(seconds, processors):
    """By openssl, one process on each: a second of the clock, all together, and a second of processor
    time, each."""
    speeds = [subprocess.Popen([*pinned(processor), "openssl", "speed", "-seconds", str(seconds), "rsa3072"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
              for processor in processors]
    count, spent = 0, 0.0
    for speed in speeds:
        found = re.search(r"(\d+) 3072 bits private RSA's in ([\d.]+)s", speed.communicate()[1])
        if not found:
            fail("openssl speed does not say how many signatures it made")
        count += int(found[1])
        spent += float(found[2])
    return count / seconds, count / spent


def stored(home):
    with contextlib.closing(sqlite3.connect(f"file:{home}/state.db?mode=ro", uri=True)) as state:
        return state.execute("SELECT count(*) FROM messages WHERE direction = 'in'").fetchone()[0]


class Bench:
    def __init__(self, folder, started, seconds):
        self.folder, self.started = folder, started
        self.processors = sorted(os.sched_getaffinity(0))
        self.friends = common.Friends(folder, started)
        # For all cores at their best, with some to spare.
        most = signatures(1, self.processors)[0]
        self.chunk = {1: int(most / len(self.processors) * seconds / ROUNDS),
                      len(self.processors): int(most * seconds / ROUNDS)}
        self.requests = f"{folder}/requests"
        self.friends.seal(max(self.chunk.values()) * ROUNDS + HALF_LOADED * int(most) + UNLOADED, self.requests)

    def listener(self, name, wrapper=()):
        home = common.copy_home(self.friends.alice, f"{self.folder}/{name}")
        return common.Listener(self.started, home, wrapper=wrapper), home

    def throughput(self, processors, others):
        count = self.chunk[len(processors)]
        listener, home = self.listener(f"on-{len(processors)}", pinned(*processors))
        speeds, rates, shares, by_processor = [signatures(1, processors)], [], [], []
        for number in range(ROUNDS):
            before = listener.processor_seconds()
            acks, took, _ = common.replay(listener, self.requests, number * count, count, IN_FLIGHT,
                                          wrapper=pinned(*others))
            spent = listener.processor_seconds() - before
            speeds.append(signatures(1, processors))
            possible, by_one = (statistics.mean(two) for two in zip(*speeds[-2:]))
            rates.append(acks / took)
            shares.append(acks / took / possible)
            by_processor.append(acks / spent / by_one)
        listener.end()
        if stored(home) != ROUNDS * count:
            fail(f"{ROUNDS * count} acks, but {stored(home)} messages in the state")
        return rates, [speed for speed, _ in speeds], shares, by_processor

    def latency(self):
        """Sorted milliseconds unloaded and at half load, and that load."""
        listener, _ = self.listener("half")
        _, _, alone = common.replay(listener, self.requests, 0, UNLOADED, 1)
        count = self.chunk[len(self.processors)]
        # What it can do, now and with these: the load is half of that.
        acks, took, _ = common.replay(listener, self.requests, UNLOADED, count, IN_FLIGHT)
        rate = acks / took / 2
        _, _, loaded = common.replay(listener, self.requests, UNLOADED + count, int(rate * HALF_LOADED),
                                      IN_FLIGHT, rate)
        listener.end()
        return alone, loaded, rate


def main():
    parser = common.Parser(__doc__)
    parser.add_argument("seconds", nargs="?", type=int, default=10)
    options = parser.parse_args()
    if options.seconds < 1:
        parser.error("SECONDS is 1 at least")
    common.require_built(common.FLOOR, common.REPLAY)
    common.require_programs("openssl", "taskset")
    common.print_machine()
    rows = [("measure", "value", "lower", "upper", "unit")]

    def add(measure, values, unit, form="{:.3f}"):
        lower, median, upper = common.quartiles(values)
        rows.append((measure, *(form.format(value) for value in (median, lower, upper)), unit))

    with common.scratch() as (folder, started):
        bench = Bench(folder, started, options.seconds)
        idle, _ = bench.listener("idle")
        resident, proportional = idle.memory()
        idle.end()
        settings = [("all cores", bench.processors, bench.processors)]
        if len(bench.processors) > 1:
            settings.insert(0, ("one core", bench.processors[:1], bench.processors[1:]))
        for name, processors, others in settings:
            rates, speeds, shares, by_processor = bench.throughput(processors, others)
            add(f"{name}: messages", rates, "a second", "{:.0f}")
            add(f"{name}: openssl speed rsa3072", speeds, "a second", "{:.0f}")
            add(f"{name}: share", shares, "of it")
            add(f"{name}: share by processor time", by_processor, "of it")
        alone, loaded, rate = bench.latency()
        add("latency, unloaded", alone, "ms", "{:.2f}")
        add(f"latency, {rate:.0f} a second", loaded, "ms", "{:.2f}")
        add("latency, half load to unloaded", [common.ratio(loaded, alone)], "of the medians")
        add("latency, 95 % at half load", [loaded[len(loaded) * 95 // 100] / statistics.median(alone)],
            "of the median unloaded")
        add("memory idle, resident", [resident], "KiB", "{:.0f}")
        add("memory idle, proportional", [proportional], "KiB", "{:.0f}")
    print(f"{ROUNDS} rounds of {options.seconds / ROUNDS:.1f} s; {IN_FLIGHT} messages under way at any moment")
    common.print_table(rows)
    common.write_results("listen", rows)


if __name__ == "__main__":
    main()
