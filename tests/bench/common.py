"""What the benches share: the machine they say they ran on, nodes that trust each other, whole
processes timed in turn, and the results as a table and as a file. Standard library only.

Results lie in $P2PCHAT_RESULTS (default: build/bench) as NAME.tsv: one line of column names, then
rows; `scripts/bench plot` and `scripts/bench all` read them.
"""

import argparse
import base64
import contextlib
import glob
import hashlib
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ["P2PCHAT_BIN"]
RELEASE = os.environ.get("P2PCHAT_RELEASE", f"{ROOT}/build-release/p2pchat")
RESULTS = os.environ.get("P2PCHAT_RESULTS", f"{ROOT}/build/bench")
FLOOR = f"{ROOT}/build/tests/p2pchat_floor"
REPLAY = f"{ROOT}/build/tests/p2pchat_replay"
BITS = int(os.environ.get("P2PCHAT_BENCH_BITS", "3072"))  # of every key; fewer for a trial alone
PATIENCE = 60  # seconds, for whatever only a hang takes so long
MESSAGE = "one line of a message\n"
REPLY = "one line of a reply"


def fail(text, hint=None):
    print(f"bench: error: {text}", file=sys.stderr)
    if hint:
        print(f"bench: hint: {hint}", file=sys.stderr)
    sys.exit(1)


class Parser(argparse.ArgumentParser):
    """Of a bench whose docstring is its usage."""

    def __init__(self, usage):
        super().__init__(usage=usage[usage.index("scripts/bench"):].rstrip().replace("%", "%%"))

    def format_help(self):
        return self.format_usage()

    def error(self, message):
        self.print_usage(sys.stderr)
        print(f"bench: error: {message}", file=sys.stderr)
        sys.exit(64)


# ---- the machine and its programs


def model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = re.findall(r"^model name\s*: (.*)", file.read(), re.MULTILINE)
    return names[0] if names else platform.machine()


def cores():
    return len(os.sched_getaffinity(0))


def first_line(*command):
    """What a program says of its version, on whichever stream."""
    said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False).stdout
    return said.strip().split("\n")[0]


def print_machine():
    print(f"machine: {cores()} cores, {model()}, {platform.system()} {platform.release()}, "
          f"load {os.getloadavg()[0]:.1f}")
    print(f"versions: {first_line(BIN, '--version')}, {first_line('openssl', 'version')}, "
          f"Python {platform.python_version()}; keys: RSA-{BITS}", flush=True)


def find(program):
    """Its path, also where only root looks; None when it is missing."""
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def require_programs(*programs):
    missing = [program for program in programs if not find(program)]
    if missing:
        fail(f"missing: {' '.join(missing)}", "scripts/setup bench")


def require_built(*paths):
    for path in paths:
        if not os.access(path, os.X_OK):
            fail(f"not built: {os.path.relpath(path, ROOT)}",
                 f"cmake --build build --target {os.path.basename(path)}")


def run(*command, **options):
    """stdout; what fails ends the bench with what it said."""
    options = {"stdin": subprocess.DEVNULL, **options}
    if "input" in options:
        del options["stdin"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        fail(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def scratch():
    """A folder of this run, and a list of processes that end with it."""
    folder, started = tempfile.mkdtemp(prefix="p2pchat-bench-"), []
    try:
        yield folder, started
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


# ---- nodes


def p2pchat(home, *words, program=BIN):
    return run(program, "--home", home, *words).strip()


class Listener:
    """`listen -k` on a home, with a reply; `wrapper` is put before it."""

    def __init__(self, started, home, program=BIN, wrapper=(), options=("-k", "--reply", REPLY)):
        self.process = subprocess.Popen(
            [*wrapper, program, "--home", home, "listen", "-p", "0", "-a", "127.0.0.1", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        started.append(self.process)
        said = ""
        for said in self.process.stderr:
            if said.startswith("listening on "):
                break
        else:
            fail(f"the listener does not listen: {said.strip()}")
        self.port = int(said.rsplit(":", 1)[1])
        self.pid = self.process.pid

    def processor_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Resident and proportional, in KiB."""
        amounts = []
        for file, name in (("status", "VmRSS"), ("smaps_rollup", "Pss")):
            with open(f"/proc/{self.pid}/{file}", encoding="ascii") as lines:
                amounts.append(int(re.search(rf"^{name}:\s*(\d+)", lines.read(), re.MULTILINE)[1]))
        return amounts

    def end(self):
        self.process.terminate()
        if self.process.wait(PATIENCE) != 0:
            fail(f"the listener ended with {self.process.returncode}")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_key(file):
    """The PEM of a private key's other half, and its thumbprint (RFC 7638)."""
    pem = run("openssl", "pkey", "-in", file, "-pubout")
    modulus = run("openssl", "rsa", "-pubin", "-noout", "-modulus", input=pem).strip().partition("=")[2]
    jwk = f'{{"e":"AQAB","kty":"RSA","n":"{base64url(bytes.fromhex(modulus))}"}}'
    return pem, base64url(hashlib.sha256(jwk.encode()).digest())


class Friends:
    """Two homes, alice who listens and bob who sends to her, under `folder`; nothing runs yet."""

    def __init__(self, folder, started, program=BIN):
        self.alice, self.bob, self.program = f"{folder}/alice", f"{folder}/bob", program
        for home in (self.alice, self.bob):
            p2pchat(home, "keygen", "--bits", str(BITS))
        listener = Listener(started, self.alice)
        self.meet(listener.port)
        p2pchat(self.alice, "peers", "accept", p2pchat(self.bob, "keygen", "--fingerprint"), "--as", "bob")
        listener.end()
        started.remove(listener.process)
        self.encryption = f"{folder}/encryption.pem"
        pem, encryption_id = public_key(sorted(glob.glob(f"{self.alice}/encryption-*.pem"))[-1])
        with open(self.encryption, "w", encoding="ascii") as file:
            file.write(pem)
        identity = f"{self.bob}/identity.pem"
        # The floor's arguments after its first two.
        self.ends = [identity, public_key(identity)[1], public_key(f"{self.alice}/identity.pem")[1],
                     self.encryption, encryption_id]

    def meet(self, port):
        """Bob knows from now on that she listens there."""
        p2pchat(self.bob, "register", "alice", f"127.0.0.1:{port}", "--as", "bob")

    def seal(self, count, file):
        """So many requests of bob's into a file; by all cores."""
        parts, share = [], -(-count // cores())
        for number in range(cores()):
            parts.append(f"{file}.{number}")
            parts[-1] = (parts[-1], subprocess.Popen(
                [FLOOR, "seal", str(share), *self.ends], stdin=subprocess.PIPE, stdout=open(parts[-1], "wb")))
        for _, process in parts:
            process.stdin.write(MESSAGE.encode())
            process.stdin.close()
        with open(file, "wb") as whole:
            for name, process in parts:
                if process.wait() != 0:
                    fail("sealing failed")
                with open(name, "rb") as part:
                    shutil.copyfileobj(part, whole)
                os.unlink(name)


def replay(listener, file, first, count, in_flight=64, rate=0.0, wrapper=()):
    """Acks, seconds, and the sorted milliseconds of each answer."""
    said = run(*wrapper, REPLAY, str(listener.port), str(in_flight), f"{rate:.3f}", str(first), str(count),
               file).split()
    if int(said[0]) != count:
        fail(f"{said[0]} acks for {count} requests")
    return count, float(said[1]), sorted(float(one) / 1000 for one in said[2:])


def copy_home(home, to):
    shutil.copytree(home, to)
    return to


# ---- timing


def time_process(command, stdin, output):
    """Milliseconds of a whole process, the processor's in it, and what it wrote. Started with
    posix_spawn: subprocess would cost as much as some of what is measured."""
    with open(output, "w+b") as written, open(stdin, "rb") as given, open(output + ".err", "w+b") as words:
        actions = [(os.POSIX_SPAWN_DUP2, given.fileno(), 0), (os.POSIX_SPAWN_DUP2, written.fileno(), 1),
                   (os.POSIX_SPAWN_DUP2, words.fileno(), 2)]
        began = time.perf_counter()
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        took = time.perf_counter() - began
        code = os.waitstatus_to_exitcode(status)
        words.seek(0)
        if code != 0:
            fail(f"{' '.join(command)} ended with {code}: {words.read().decode(errors='replace').strip()}")
        written.seek(0)
        return 1000 * took, 1000 * (usage.ru_utime + usage.ru_stime), written.read()


def in_turn(rounds, contenders):
    """Calls each of the functions once a round, in a new order each time; the results by name."""
    results = {name: [] for name in contenders}
    for _ in range(rounds):
        for name in random.sample(list(contenders), len(contenders)):
            results[name].append(contenders[name]())
    return results


def quartiles(values):
    """The lower one, the median, the upper one."""
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else 3 * list(values)


def ratio(values, base):
    """Of the medians."""
    return statistics.median(values) / statistics.median(base)


# ---- results


def print_table(rows):
    """The first row is the head, and the first column is of words, as the last may be."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))]
    for row in texts:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())
    sys.stdout.flush()


def write_results(name, rows):
    os.makedirs(RESULTS, exist_ok=True)
    with open(f"{RESULTS}/{name}.tsv", "w", encoding="utf-8") as file:
        for row in rows:
            file.write("\t".join(str(cell) for cell in row) + "\n")


def read_results(name):
    """The rows as dictionaries; nothing when that bench has not run."""
    try:
        with open(f"{RESULTS}/{name}.tsv", encoding="utf-8") as file:
            head, *rows = (line.rstrip("\n").split("\t") for line in file)
    except FileNotFoundError:
        return []
    return [dict(zip(head, row)) for row in rows]
