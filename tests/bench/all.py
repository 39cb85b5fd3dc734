#!/usr/bin/python3
"""All that is compared, one after another, then the pictures and a table of what came out, for a
README: `send`, `listen`, `scale`, `counts` and `keygen`. Installs and builds before what is missing.
A quarter of an hour.

usage: scripts/bench all
"""

import os
import subprocess
import sys

import common
from common import read_results

BENCHES = (("send", "100"), ("listen", "20"), ("scale", "20"), ("counts",), ("keygen", "50"))


def prepare():
    for command in (["scripts/setup", "build", "test", "bench"],
                    ["cmake", "-S", ".", "-B", "build", "-DBUILD_TESTING=ON"],
                    ["cmake", "--build", "build", "--parallel", str(common.cores()), "--target", "p2pchat",
                     "p2pchat_floor", "p2pchat_replay"]):
        done = subprocess.run(command, cwd=common.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode != 0:
            common.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout.strip()}")


def table():
    """Markdown: what was measured, and what it came to."""
    rows = [("send", f"`{row['name']}` {row['median_ms']} ms ({row['lower_ms']} to {row['upper_ms']})",
             f"ratio {row['ratio']}, {row['known']}") for row in read_results("send")]
    rows += [("listen", f"{row['measure']}: {row['value']} {row['unit']}",
              f"{row['lower']} to {row['upper']}" if row["lower"] != row["upper"] else "")
             for row in read_results("listen")]
    results = read_results("scale")
    for name in dict.fromkeys(row["measure"] for row in results):
        first, *_, last = (row for row in results if row["measure"] == name)
        grown = [f"{kind} {last[column]}" for kind, column in (("instructions", "ratio"), ("time", "ratio_ms"))
                 if last[column] != "-"]
        rows.append(("scale", f"`{name}` with {last['peers']} peers and {last['messages']} messages",
                     f"{', '.join(grown)} of that with {first['peers']} and {first['messages']}"))
    rows += [("counts", row["measure"], row["value"]) for row in read_results("counts")]
    rows += [("keygen", f"`{row['name']}` {row['median_ms']} ms ({row['lower_ms']} to {row['upper_ms']})",
              f"{row['ratio']} of `openssl genpkey`") for row in read_results("keygen")]
    return rows


def main():
    common.Parser(__doc__).parse_args()
    prepare()
    folder = os.path.dirname(os.path.abspath(__file__))
    for name, *arguments in (*BENCHES, ("plot",)):
        print(f"---- {name}", flush=True)
        if subprocess.run([f"{folder}/{name}.py", *arguments], check=False).returncode != 0:
            sys.exit(1)
    print("---- table\n")
    common.print_machine()
    print("\n| bench | measured | result |\n|---|---|---|")
    for row in table():
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
