#!/usr/bin/env python3
"""Fits the prices of the kernel model (codegen/work_prices.cpp) to measured kernels, and writes the table.

    fit_prices.py --tessera build/release/bin/tessera --measure rows.jsonl       for each level of processors
    fit_prices.py --fit rows.jsonl --write codegen/work_prices.cpp               needs numpy and scipy

Kernels that are measured: random nests of other seeds than those that the benchmark draws by itself; products of
matrices of random extents; operands that lie across one another; and for each function a program that does little
else. `tessera bench --show-schedule --json` says of each how much of each kind of work it does (codegen/work.h). The
prices are those for which

    seconds = launch + the longer of computing and moving + 0.3 of the shorter one

is nearest to what was measured, by the logarithm of their ratio, large errors counting linearly (soft L1). Prices that
the kernels say little about stay near those that the table had before.
"""
import argparse
import json
import math
import random
import re
import sys

from nests import DEAR, Nest
from random_nests import Failed, bench
from roofline import chain

LEVELS = {"x86-64-v2": 0, "x86-64-v3": 1, "x86-64-v4": 2}
BYTES = [16, 32, 64]
OVERLAP = 0.3    # as in codegen/kernel_model.cpp
NEARNESS = 0.05  # weight of a factor of e from the former price, beside one kernel that is off by as much
ROW = re.compile(r'^(\s*\{"(\w+)",\s*)([\d.e+-]+),\s*([\d.e+-]+),\s*([\d.e+-]+)\},$', re.M)


def product(seed):
    draw = random.Random(seed)
    m, n, k = (round(math.exp(draw.uniform(math.log(4), math.log(1500)))) for _ in range(3))
    type = draw.choices(["f32", "f64", "bf16"], [8, 1, 1])[0]
    a, b = draw.choice(["m, k", "k, m"]), draw.choice(["k, n", "n, k"])
    return (f"program product\ndim m = {m}, n = {n}, k = {k}\ninput a[{a}] : {type}\ninput b[{b}] : {type}\n"
            f"y = sum[k](a * b)\noutput y[m, n]\n")


def across(seed):
    draw = random.Random(seed)
    a, b = (round(math.exp(draw.uniform(math.log(12), math.log(400)))) for _ in range(2))
    rest = draw.choice(["y = x + v\noutput y[b, a]", "y = max[b](x * v)\noutput y", "y = sum[b](max(x, v))\noutput y"])
    return f"program across\ndim a = {a}, b = {b}\ninput x[a, b]\ninput v[b, a]\n{rest}\n"


def far(seed):
    draw = random.Random(seed)
    a, b = draw.choice([(1 << 14, 1 << 10), (1 << 20, 24), (300, 80000)])
    rest = draw.choice(["z = x + v\noutput z[a, b]", "z = x * w\noutput z[a, b]", "z = sum[b](x)\noutput z",
                        "z = sum[a](x * v)\noutput z", "z = max(x, v) * x\noutput z[a, b]"])
    return f"program far\ndim a = {a}, b = {b}\ninput x[a, b]\ninput v[a, b]\ninput w[b]\n{rest}\n"


def programs(options):
    for type in ("f32", "f64"):
        for fn in DEAR: yield chain(fn, type, 4)
    for seed in range(options.seed, options.seed + options.nests // 4): yield product(seed)
    for seed in range(options.seed, options.seed + options.nests // 20): yield across(seed)
    for seed in range(options.seed, options.seed + options.nests // 10): yield far(seed)
    for seed in range(options.seed, options.seed + options.nests): yield Nest(random.Random(seed)).text()


def measure(options):
    with open(options.measure, "w") as file:
        for options.cpu in options.levels:
            for text in programs(options):
                try:
                    found = min((bench(options, text) for _ in range(2)), key=lambda f: f["min_ms"])
                except Failed as error:
                    print(error, file=sys.stderr)
                    continue
                kernels = found["schedules"]
                if len(kernels) != 1 or len(kernels[0]["nests"]) != 1: continue
                row = {"level": options.cpu, "seconds": 1e-3 * found["min_ms"], "work": kernels[0]["work"],
                       "peak": found["machine_peak_gflops"], "bandwidth": found["machine_bandwidth"],
                       "cache_bandwidth": found["machine_cache_bandwidth"], "text": text}
                file.write(json.dumps(row) + "\n")


def fit(names, rows, before, bytes):
    """Prices by which the rows' works come nearest to their times."""
    import numpy
    from scipy.optimize import least_squares
    amounts = numpy.array([[row["work"].get(name, 0) for name in names] for row in rows])
    first, memory = names.index("line_l2"), names.index("line_memory")
    units = numpy.array([[2e-9 * bytes / 4 / row["peak"] if i < first else
                          64e-9 / row["cache_bandwidth" if i < memory else "bandwidth"] for i in range(len(names))]
                         for row in rows])
    seconds = numpy.array([row["seconds"] for row in rows])
    weights = amounts * units
    launch = names.index("launch")

    def predicted(prices):
        each = weights * prices
        computing = each[:, :first].sum(axis=1) - each[:, launch]
        moving = each[:, first:].sum(axis=1)
        return each[:, launch] + numpy.maximum(computing, moving) + OVERLAP * numpy.minimum(computing, moving)

    start = numpy.log(before)

    def errors(logarithms):
        off = numpy.log(predicted(numpy.exp(logarithms)) / seconds)
        return numpy.concatenate([off, math.sqrt(NEARNESS) * (logarithms - start)])

    found = least_squares(errors, start, loss="soft_l1", f_scale=0.3)
    prices = numpy.exp(found.x)
    off = numpy.sort(numpy.exp(numpy.abs(numpy.log(predicted(prices) / seconds))))
    print(f"of {len(rows)} kernels off by {off[len(off) // 2]:.2f} in the median, {off[int(0.95 * len(off))]:.2f} at "
          f"the 95th percentile, {100 * (off <= 2).mean():.0f} % within a factor of 2")
    return prices


def write(options):
    with open(options.write) as file: source = file.read()
    table = ROW.findall(source)
    names = [row[1] for row in table]
    columns = [[float(row[2 + level]) for row in table] for level in range(3)]
    with open(options.fit) as file: rows = [json.loads(line) for line in file]
    for level, column in LEVELS.items():
        of_level = [row for row in rows if row["level"] == level]
        if not of_level: continue
        print(level, end=": ")
        columns[column] = fit(names, of_level, columns[column], BYTES[column])
    rounded = {name: [f"{columns[level][i]:.3g}" for level in range(3)] for i, name in enumerate(names)}
    with open(options.write, "w") as file:
        file.write(ROW.sub(lambda match: match[1] + ", ".join(f"{p:>8}" for p in rounded[match[2]]) + "},", source))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tessera", default="./tessera")
    parser.add_argument("--measure", help="where to write what was measured")
    parser.add_argument("--levels", nargs="*", default=list(LEVELS), help="of processors, as for `tessera bench --cpu`")
    parser.add_argument("--nests", type=int, default=400, help="random nests of each level (default: 400)")
    parser.add_argument("--seed", type=int, default=100001, help="of the first one")
    parser.add_argument("--seconds", type=float, default=0.05, help="that each kernel is timed, twice (default: 0.05)")
    parser.add_argument("--core", type=int, help="keep to this core")
    parser.add_argument("--fit", help="what was measured")
    parser.add_argument("--write", default="codegen/work_prices.cpp", help="the table to write")
    options = parser.parse_args()
    if options.measure: measure(options)
    if options.fit: write(options)


if __name__ == "__main__":
    main()
