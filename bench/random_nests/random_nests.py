#!/usr/bin/env python3
"""How near to what the machine can do are kernels that nobody has tuned? Random statements beside their roofline, and
beside what the model of kernel times predicts."""
import argparse
import json
import os
import random
import subprocess
import tempfile

from nests import Nest
from roofline import Roofline


class Failed(Exception):
    pass


def bench(options, text, seconds=None):
    """The JSON of `tessera bench` for a program on one thread."""
    with tempfile.NamedTemporaryFile("w", suffix=".tess") as file:
        file.write(text)
        file.flush()
        command = [options.tessera, "bench", file.name, "--threads", "1", "--json", "--show-schedule",
                   "--seconds", str(seconds or options.seconds)]
        if options.cpu: command += ["--cpu", options.cpu]
        if options.core is not None: command = ["taskset", "-c", str(options.core)] + command
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0: raise Failed(f"{done.stderr.strip()[-300:]}\n{text}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def caches():
    """Bytes of the three levels of data caches."""
    names = ["LEVEL1_DCACHE_SIZE", "LEVEL2_CACHE_SIZE", "LEVEL3_CACHE_SIZE"]
    likely = [32 << 10, 1 << 20, 32 << 20]
    asked = [subprocess.run(["getconf", name], capture_output=True, text=True).stdout.strip() for name in names]
    return [int(text) if text.isdigit() and int(text) > 0 else size for text, size in zip(asked, likely)]


def measured(options, text, least):
    """JSON and the fastest run, in seconds; what is slow is timed again, since other processes disturb."""
    found = bench(options, text)
    best = 1e-3 * found["min_ms"]
    for _ in range(options.again):
        if best < 2 * least: break
        best = min(best, 1e-3 * bench(options, text)["min_ms"])
    return found, best


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def share(values, most):
    return 100 * sum(v <= most for v in values) / len(values)


def row_of(seed, nest, text, roofline, found, seconds):
    least = roofline.of(nest)
    predicted = 1e-3 * sum(k["uses"] * k["predicted_ms"] for k in found["schedules"]) + roofline.launch
    kernels = [{"kind": k["kind"], "predicted": 1e-3 * k["predicted_ms"],
                "explained": [f"{e['what']} {e['text']}" for e in k["explained"]]} for k in found["schedules"]]
    return {"seed": seed, "seconds": seconds, "least": least, "ratio": seconds / least,
            "bound": "memory" if roofline.memory(nest) > roofline.compute(nest) else "compute",
            "bytes": nest.bytes(), "predicted": predicted, "off": max(predicted / seconds, seconds / predicted),
            "text": text, "kernels": kernels}


def summary(rows, failed):
    ratios, off = sorted(r["ratio"] for r in rows), sorted(r["off"] for r in rows)
    return (f"of {len(rows)} nests, {share(ratios, 2):.0f} % take at most 2 times their roofline, "
            f"{share(ratios, 2.5):.0f} % at most 2.5 times; median {percentile(ratios, 0.5):.2f}, 90th percentile "
            f"{percentile(ratios, 0.9):.2f}, worst {ratios[-1]:.2f}; {failed} failed\n"
            f"predictions are off by a factor of {percentile(off, 0.5):.2f} in the median, {percentile(off, 0.95):.2f} "
            f"at the 95th percentile; {share(off, 2):.0f} % are within a factor of 2")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tessera", default=os.environ.get("TESSERA", "./tessera"))
    parser.add_argument("--nests", type=int, default=300, help="how many are timed (default: 300)")
    parser.add_argument("--seed", type=int, default=1, help="of the first nest; the next ones count on")
    parser.add_argument("--seconds", type=float, default=0.1, help="that each is timed (default: 0.1)")
    parser.add_argument("--again", type=int, default=2, help="how often slow ones are timed again (default: 2)")
    parser.add_argument("--cpu", help="processors that kernels are made for, as in `tessera bench`")
    parser.add_argument("--core", type=int, help="keep to this core")
    parser.add_argument("--show", type=float, default=4, help="print the texts from this ratio on (default: 4)")
    parser.add_argument("--out", help="write all that was found, as lines of JSON")
    parser.add_argument("--limit", type=float, 
                        help="fail where less than 90 %% are within 2.5 times, or one is above this")
    options = parser.parse_args()

    roofline = Roofline(lambda text: bench(options, text), caches())
    print(roofline.text(), flush=True)
    rows, failed = [], 0
    for seed in range(options.seed, options.seed + options.nests):
        nest = Nest(random.Random(seed))
        text = nest.text()
        try:
            found, seconds = measured(options, text, roofline.of(nest))
        except (Failed, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"nest {seed}: {error}", flush=True)
            continue
        rows.append(row_of(seed, nest, text, roofline, found, seconds))
        row = rows[-1]
        print(f"nest {seed}: {row['ratio']:.2f} of {1e6 * row['least']:.1f} us by {row['bound']}, predicted "
              f"{row['predicted'] / seconds:.2f} of {1e6 * seconds:.1f} us", flush=True)
        if row["ratio"] >= options.show: print(text, flush=True)
    if options.out:
        with open(options.out, "w") as file: file.writelines(json.dumps(row) + "\n" for row in rows)
    print(summary(rows, failed))
    ratios = [r["ratio"] for r in rows]
    return failed > 0 or (options.limit is not None and (share(ratios, 2.5) < 90 or max(ratios) > options.limit))


if __name__ == "__main__":
    raise SystemExit(main())
