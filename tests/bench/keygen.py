#!/usr/bin/python3
"""What an identity costs, which is two keys, beside one key by `openssl genpkey`, and beside two of them
at once: in turn, since the search for primes takes now longer and now less long. The later of two
searches ends later than one does, on whatever number of cores.

usage: scripts/bench keygen [N]
  N  of each (default: 50)
"""

import os
import shutil

import common


def main():
    parser = common.Parser(__doc__)
    parser.add_argument("count", nargs="?", type=int, default=50)
    options = parser.parse_args()
    if options.count < 1:
        parser.error("N is 1 at least")
    common.require_programs("openssl")
    common.print_machine()
    with common.scratch() as (folder, _):
        home = f"{folder}/home"
        make_home = [common.BIN, "--home", home, "keygen", "--bits", str(common.BITS)]
        make_key = [common.find("openssl"), "genpkey", "-algorithm", "RSA", "-pkeyopt",
                    f"rsa_keygen_bits:{common.BITS}"]

        def identity():
            took = common.time_process(make_home, os.devnull, f"{folder}/out")[0]
            shutil.rmtree(home)
            return took

        make_two = [common.find("sh"), "-c", '"$@" & "$@" & wait', "sh", *make_key]
        times = common.in_turn(options.count, {
            "keygen": identity,
            "openssl genpkey": lambda: common.time_process(make_key, os.devnull, f"{folder}/out")[0],
            "two openssl genpkey": lambda: common.time_process(make_two, os.devnull, f"{folder}/out")[0]})
    rows = [("name", "median_ms", "lower_ms", "upper_ms", "ratio")]
    for name, values in times.items():
        lower, median, upper = common.quartiles(values)
        rows.append((name, f"{median:.0f}", f"{lower:.0f}", f"{upper:.0f}",
                     f"{common.ratio(values, times['openssl genpkey']):.3f}"))
    print(f"{options.count} of each; half of them lie from lower to upper")
    common.print_table(rows)
    common.write_results("keygen", rows)


if __name__ == "__main__":
    main()
