#!/usr/bin/python3
"""Draws the last results of the other benches with gnuplot, as an SVG beside each.

usage: scripts/bench plot
"""

import os
import subprocess

import common
from common import RESULTS, fail, read_results

HEAD = """
set terminal svg size 800,{height} font "sans-serif,13" background "white"
set output "{output}"
set title "{title}"
set style fill solid 0.7
set datafile separator "\\t"
set grid {grid}
"""


def quoted(text):
    return text.replace("\\", "").replace('"', "").replace("_", "\\\\_")


def bars(output, title, rows, axis):
    """Horizontal ones, each with its quartiles: rows of (name, value, lower, upper), the first on top.
    What is several times the first may end outside: its number says how far."""
    data = "\n".join(f"{len(rows) - place}\t{value}\t{lower}\t{upper}"
                     for place, (_, value, lower, upper) in enumerate(rows))
    names = ", ".join(f'"{quoted(name)}  {value}" {len(rows) - place}'
                      for place, (name, value, *_) in enumerate(rows))
    largest = max(float(value) for _, value, *_ in rows)
    shown = 6 * float(rows[0][1]) if largest > 12 * float(rows[0][1]) and axis.startswith("ms") else "*"
    return HEAD.format(output=output, title=quoted(title), height=120 + 32 * len(rows), grid="x") + f"""
$data << END
{data}
END
set ytics ({names})
set yrange [0.4:{len(rows) + 0.6}]
set xrange [0:{shown}]
set xlabel "{quoted(axis)}"
unset key
plot $data using (0):1:(0):2:($1-0.35):($1+0.35) with boxxyerror linecolor rgb "#4878a8", \\
  $data using 2:1:3:4 with xerrorbars pointtype 0 linecolor rgb "black"
"""


def draw_send(output):
    rows = read_results("send")
    known = [(row["name"], row["median_ms"], row["lower_ms"], row["upper_ms"]) for row in rows]
    return known and bars(output, "one message and its reply, RSA-3072, whole processes", known,
                          "ms: median and quartiles")


def draw_keygen(output):
    rows = [(row["name"], row["median_ms"], row["lower_ms"], row["upper_ms"]) for row in read_results("keygen")]
    return rows and bars(output, "an identity (two keys) and one key of openssl", rows, "ms: median and quartiles")


def draw_listen(output):
    rows = [(row["measure"], row["value"], row["lower"], row["upper"]) for row in read_results("listen")
            if "share" in row["measure"]]
    return rows and bars(output, "messages taken, as a share of the signatures that are possible", rows,
                         "share of openssl speed rsa3072: median and quartiles")


def draw_libraries(output):
    rows = sorted(((row["of"], -float(row["instructions"]) / 1e6, row["name"])
                   for row in read_results("libraries") if float(row["instructions"]) >= 1e5))
    return rows and bars(output, "where the instructions are",
                         [(f"{of}: {name}", *[f"{-millions:.1f}"] * 3) for of, millions, name in rows],
                         "millions of instructions")


def draw_scale(output):
    rows = [row for row in read_results("scale") if row["ratio"] != "-"]
    if not rows:
        return None
    blocks, lines = {}, []
    for row in rows:
        blocks.setdefault(row["measure"], []).append(f"{len(blocks.get(row['measure'], []))}\t{row['ratio']}")
    states = [(row["peers"], row["messages"]) for row in rows if row["measure"] == rows[0]["measure"]]
    text = HEAD.format(output=output, title="instructions in a fuller state, to the first", height=480, grid="y")
    for number, (name, block) in enumerate(blocks.items()):
        text += f"$data{number} << END\n" + "\n".join(block) + "\nEND\n"
        lines.append(f'$data{number} using 1:2 with linespoints linewidth 2 title "{quoted(name)}"')
    tics = ", ".join(f'"{peers} peers, {messages} messages" {place}'
                     for place, (peers, messages) in enumerate(states))
    return text + f"set xtics ({tics})\nset xrange [-0.3:{len(states) - 0.7}]\nset yrange [0:*]\nset key bottom\n" + (
        f"plot {', '.join(lines)}\n")


def main():
    common.Parser(__doc__).parse_args()
    scripts = {name: draw(f"{RESULTS}/{name}.svg") for name, draw in (
        ("send", draw_send), ("listen", draw_listen), ("scale", draw_scale), ("libraries", draw_libraries),
        ("keygen", draw_keygen))}
    if not any(scripts.values()):
        fail(f"no results in {RESULTS}", "scripts/bench all")
    common.require_programs("gnuplot")
    for name, script in scripts.items():
        if script:
            done = subprocess.run(["gnuplot", "-"], input=script, text=True, capture_output=True, check=False)
            if done.returncode != 0 or not os.path.getsize(f"{RESULTS}/{name}.svg"):
                fail(f"gnuplot cannot draw {name}: {done.stderr.strip()}")
            print(f"{RESULTS}/{name}.svg")


if __name__ == "__main__":
    main()
