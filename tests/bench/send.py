#!/usr/bin/python3
"""What one message with its reply costs, by p2pchat and by others: whole processes, in turn, in a new
order each round. The floor is the bare exchange, written straight on EVP (floor.cpp).

A line goes there and a line comes back; keys are RSA-3072, certificates are checked by both sides
where a program can, and whatever answers is running before. The listener of p2pchat is one for the
floor and for all builds: that of the release, where there is one.

usage: scripts/bench send [ROUNDS] [--only NAME]...
  ROUNDS  how often each is run (default: 50)
  --only  these only: p2pchat, release, floor, s_client, ncat, socat, curl, mosquitto_rr, gpg, age, ssh
"""

import getpass
import os
import socket
import subprocess
import sys
import time

import common
from common import MESSAGE, REPLY, fail, find, run

NAMES = ("p2pchat", "release", "floor", "s_client", "ncat", "socat", "curl", "mosquitto_rr", "gpg", "age", "ssh")


class Missing(Exception):
    pass


def need(*programs):
    paths = [find(program) for program in programs]
    missing = [program for program, path in zip(programs, paths) if not path]
    if missing:
        raise Missing(" ".join(missing))
    return paths


class Setting:
    """Where the contenders get their keys and their listeners from. Each method makes one contender:
    its command, the file it is given, what it must write, and how the sides know each other."""

    def __init__(self, folder, started):
        self.folder, self.started = folder, started
        self.message = self.file("message", MESSAGE)
        self.ports, self.friends, self.listener, self.certified = [], None, None, False

    def file(self, name, content):
        with open(f"{self.folder}/{name}", "w", encoding="utf-8") as file:
            file.write(content)
        return f"{self.folder}/{name}"

    def port(self):
        """One that is free, and kept for whoever is started on it next."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def start(self, port, *command, **options):
        """In the background; returns once something listens on that port."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **options}
        with open(f"{self.folder}/{os.path.basename(command[0])}.said", "wb") as said:
            process = subprocess.Popen(command, stderr=said, **options)
        self.started.append(process)
        end = time.monotonic() + common.PATIENCE
        while port:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > end:
                with open(said.name, encoding="utf-8", errors="replace") as words:
                    fail(f"{command[0]} does not listen: {words.read().strip()}")
            time.sleep(0.02)
        return process

    # ---- p2pchat

    def peers(self):
        if self.friends is None:
            self.friends = common.Friends(self.folder, self.started)
            program = common.RELEASE if os.access(common.RELEASE, os.X_OK) else common.BIN
            self.listener = common.Listener(self.started, self.friends.alice, program)
            self.friends.meet(self.listener.port)
        return self.friends

    def p2pchat(self, program=common.BIN):
        return ([program, "--home", self.peers().bob, "send", "alice"], self.message, f"{REPLY}\n", "both pinned")

    def release(self):
        if not os.access(common.RELEASE, os.X_OK):
            raise Missing(common.RELEASE)
        return self.p2pchat(common.RELEASE)

    def floor(self):
        if not os.access(common.FLOOR, os.X_OK):
            raise Missing("cmake --build build --target p2pchat_floor")
        ends = self.peers().ends
        return ([common.FLOOR, str(self.listener.port), f"{self.folder}/floor.log", *ends], self.message,
                f"{REPLY}\n", "both pinned")

    # ---- TLS: one authority, one certificate for each side

    def certificates(self):
        if self.certified:
            return
        self.certified = True
        key = ("-newkey", f"rsa:{common.BITS}", "-nodes", "-sha256")
        run("openssl", "req", "-x509", *key, "-subj", "/CN=authority", "-days", "2", "-keyout", "ca.key",
            "-out", "ca.pem", cwd=self.folder)
        names = self.file("names", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        for side in ("server", "client"):
            run("openssl", "req", *key, "-subj", "/CN=localhost", "-keyout", f"{side}.key", "-out", f"{side}.csr",
                cwd=self.folder)
            run("openssl", "x509", "-req", "-in", f"{side}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-sha256", "-extfile", names, "-out", f"{side}.pem",
                cwd=self.folder)
            with open(f"{self.folder}/{side}.both", "w", encoding="ascii") as both:
                for part in ("pem", "key"):
                    with open(f"{self.folder}/{side}.{part}", encoding="ascii") as file:
                        both.write(file.read())

    def reverser(self):
        """A server that sends each line back reversed, until it is told to close."""
        self.certificates()
        port, (openssl,) = self.port(), need("openssl")
        self.start(port, openssl, "s_server", "-accept", f"127.0.0.1:{port}", "-cert", f"{self.folder}/server.pem",
                   "-key", f"{self.folder}/server.key", "-CAfile", f"{self.folder}/ca.pem", "-Verify", "1",
                   "-verify_return_error", "-rev")
        return port

    def reversed_line(self):
        """What is given to the reverser, and what it answers."""
        return self.file("message.reverse", f"{MESSAGE}CLOSE\n"), MESSAGE.strip()[::-1] + "\n"

    def s_client(self):
        (openssl,) = need("openssl")
        given, answer = self.reversed_line()
        return ([openssl, "s_client", "-quiet", "-connect", f"127.0.0.1:{self.reverser()}", "-cert",
                 f"{self.folder}/client.pem", "-key", f"{self.folder}/client.key", "-CAfile",
                 f"{self.folder}/ca.pem", "-verify_return_error", "-verify_hostname", "localhost"], given, answer,
                "both certified")

    def ncat(self):
        (ncat,) = need("ncat")
        given, answer = self.reversed_line()
        return ([ncat, "--ssl-verify", "--ssl-trustfile", f"{self.folder}/ca.pem", "--ssl-cert",
                 f"{self.folder}/client.pem", "--ssl-key", f"{self.folder}/client.key", "localhost",
                 str(self.reverser())], given, answer, "both certified")

    def socat(self):
        (socat,) = need("socat")
        given, answer = self.reversed_line()
        return ([socat, "-", f"OPENSSL:localhost:{self.reverser()},pf=ip4,cert={self.folder}/client.both,"
                 f"cafile={self.folder}/ca.pem,verify=1"], given, answer, "both certified")

    def curl(self):
        nginx, curl = need("nginx", "curl")
        self.certificates()
        port = self.port()
        config = self.file("nginx.conf", f"""
            daemon off; pid {self.folder}/nginx.pid; error_log stderr; worker_processes 1;
            {"user root;" if os.geteuid() == 0 else ""}
            events {{ }}
            http {{
              access_log off;
              client_body_temp_path {self.folder}/nginx-body; proxy_temp_path {self.folder}/nginx-proxy;
              fastcgi_temp_path {self.folder}/nginx-fcgi; uwsgi_temp_path {self.folder}/nginx-uwsgi;
              scgi_temp_path {self.folder}/nginx-scgi;
              server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {self.folder}/server.pem; ssl_certificate_key {self.folder}/server.key;
                ssl_client_certificate {self.folder}/ca.pem; ssl_verify_client on; ssl_session_cache off;
                location / {{ return 200 "{REPLY}\\n"; }}
              }}
            }}""")
        self.start(port, nginx, "-e", "stderr", "-p", self.folder, "-c", config)
        return ([curl, "--silent", "--show-error", "--fail", "--ipv4", "--cert", f"{self.folder}/client.pem",
                 "--key", f"{self.folder}/client.key", "--cacert", f"{self.folder}/ca.pem", "--data-binary", "@-",
                 f"https://localhost:{port}/"], self.message, f"{REPLY}\n", "both certified")

    def mosquitto_rr(self):
        mosquitto, request, subscribe, publish = need("mosquitto", "mosquitto_rr", "mosquitto_sub", "mosquitto_pub")
        self.certificates()
        port = self.port()
        # As root it becomes another user, who must read its keys.
        config = self.file("mosquitto.conf", f"""
listener {port} 127.0.0.1
cafile {self.folder}/ca.pem
certfile {self.folder}/server.pem
keyfile {self.folder}/server.key
require_certificate true
allow_anonymous true
set_tcp_nodelay true
user {getpass.getuser()}
""")
        self.start(port, mosquitto, "-c", config)
        options = ["-h", "localhost", "-p", str(port), "--cafile", f"{self.folder}/ca.pem", "--cert",
                   f"{self.folder}/client.pem", "--key", f"{self.folder}/client.key"]
        asked = self.start(None, subscribe, *options, "-t", "ask", stdout=subprocess.PIPE)
        self.start(None, publish, *options, "-t", "answer", "-l", stdin=asked.stdout)
        asked.stdout.close()
        # From a file or stdin, that of 2.0.11 sends nothing.
        command = [request, *options, "-t", "ask", "-e", "answer", "-m", MESSAGE.strip()]
        self.settle([*command, "-W", "1"], MESSAGE)
        return command, self.message, MESSAGE, "both certified, to a broker"

    def settle(self, command, wanted):
        """Until those behind the port are ready as well."""
        end = time.monotonic() + common.PATIENCE
        while time.monotonic() < end:
            with open(self.message, "rb") as given:
                done = subprocess.run(command, stdin=given, capture_output=True, check=False)
            if done.returncode == 0 and done.stdout.decode() == wanted:
                return
        fail(f"{command[0]} gets no answer: {done.stderr.decode(errors='replace').strip()}")

    # ---- files that are encrypted, and a pipe to carry them

    def answering(self, port, opening):
        """A listener that opens what comes and answers a line, in the clear."""
        (socat,) = need("socat")
        script = self.file(f"answer-{port}", f"{opening} >/dev/null 2>&1 && echo '{REPLY}'\n")
        self.start(port, socat, f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=64",
                   f"SYSTEM:sh {script}")

    def gpg(self):
        gpg, nc, shell, _ = need("gpg", "nc", "sh", "socat")
        homes = {}
        for side in ("alice", "bob"):
            homes[side] = f"{self.folder}/gpg-{side}"
            os.mkdir(homes[side], 0o700)
            command = [gpg, "--homedir", homes[side], "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
            run(*command, "--quick-gen-key", side, f"rsa{common.BITS}", "sign,cert", "never")
            listed = run(*command, "--with-colons", "--list-keys", side).split("\n")
            key = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
            run(*command, "--quick-add-key", key, f"rsa{common.BITS}", "encr", "never")
        for side, other in (("alice", "bob"), ("bob", "alice")):
            run(gpg, "--homedir", homes[other], "--batch", "--import",
                input=run(gpg, "--homedir", homes[side], "--armor", "--export", side))
        port = self.port()
        options = "--batch --quiet --no-tty --trust-model always"
        self.answering(port, f"{gpg} --homedir {homes['alice']} {options} -d")
        return ([shell, "-c", f"{gpg} --homedir {homes['bob']} {options} -se -u bob -r alice | "
                 f"{nc} -N 127.0.0.1 {port}"], self.message, f"{REPLY}\n", "message signed, reply in the clear")

    def age(self):
        age, nc, shell, keygen, _ = need("age", "nc", "sh", "ssh-keygen", "socat")
        key = f"{self.folder}/age-key"
        run(keygen, "-q", "-t", "rsa", "-b", str(common.BITS), "-N", "", "-f", key)
        port = self.port()
        self.answering(port, f"{age} -d -i {key}")
        return ([shell, "-c", f"{age} -R {key}.pub | {nc} -N 127.0.0.1 {port}"], self.message, f"{REPLY}\n",
                "sender unknown, reply in the clear")

    def ssh(self):
        sshd, ssh, keygen = need("sshd", "ssh", "ssh-keygen")
        for name in ("host", "user"):
            run(keygen, "-q", "-t", "rsa", "-b", str(common.BITS), "-N", "", "-f", f"{self.folder}/ssh-{name}")
        port = self.port()
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", 0o755, exist_ok=True)
        config = self.file("sshd_config", f"""
Port {port}
ListenAddress 127.0.0.1
HostKey {self.folder}/ssh-host
AuthorizedKeysFile {self.folder}/ssh-user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
""")
        self.start(port, sshd, "-D", "-e", "-f", config)
        with open(f"{self.folder}/ssh-host.pub", encoding="ascii") as file:
            known = self.file("ssh-known", f"[127.0.0.1]:{port} {file.read()}")
        return ([ssh, "-F", "/dev/null", "-T", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}", "-o",
                 "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes",
                 "-o", "LogLevel=ERROR", "-i", f"{self.folder}/ssh-user", "-p", str(port), "127.0.0.1",
                 f"cat >/dev/null; echo '{REPLY}'"], self.message, f"{REPLY}\n", "both by key")


def end_agents(folder):
    """What gpg has started beside us."""
    if find("gpgconf"):
        for side in ("alice", "bob"):
            if os.path.isdir(f"{folder}/gpg-{side}"):
                subprocess.run(["gpgconf", "--homedir", f"{folder}/gpg-{side}", "--kill", "all"], check=False)


def main():
    parser = common.Parser(__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=50)
    parser.add_argument("--only", action="append", choices=NAMES)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("ROUNDS is 1 at least")
    common.print_machine()
    with common.scratch() as (folder, started):
        setting = Setting(folder, started)
        contenders, known = {}, {}
        for name in options.only or NAMES:
            try:
                command, given, wanted, known[name] = getattr(setting, name)()
            except Missing as missing:
                print(f"missing: {name} ({missing})")
                continue

            def once(name=name, command=command, given=given, wanted=wanted.encode()):
                wall, processor, output = common.time_process(command, given, f"{folder}/{name}.out")
                if output != wanted:
                    fail(f"{name} wrote {output!r} instead of {wanted!r}")
                return wall, processor

            contenders[name] = once
        try:
            if not contenders:
                fail("nothing to measure")
            common.in_turn(1, contenders)  # what is done once only
            results = common.in_turn(options.rounds, contenders)
        finally:
            end_agents(folder)
    base = "floor" if "floor" in results else next(iter(results))
    walls = {name: [wall for wall, _ in values] for name, values in results.items()}
    rows = [("name", "median_ms", "lower_ms", "upper_ms", "least_ms", "processor_ms", "ratio", "known")]
    for name in sorted(walls, key=lambda name: common.quartiles(walls[name])[1]):
        lower, median, upper = common.quartiles(walls[name])
        processor = common.quartiles([processor for _, processor in results[name]])[1]
        times = (median, lower, upper, min(walls[name]), processor)
        rows.append((name, *(f"{one:.2f}" for one in times), f"{common.ratio(walls[name], walls[base]):.3f}",
                     known[name]))
    print(f"{options.rounds} rounds; half of each lie from lower to upper; processor: of the sending side; "
          f"ratio: of the medians, to {base}")
    common.print_table(rows)
    common.write_results("send", rows)


if __name__ == "__main__":
    sys.exit(main())
