#!/usr/bin/env python3
"""Does it matter for speed how a program is written? Random programs, each in several wordings, timed side by side."""
import argparse
import json
import os
import random
import subprocess
import tempfile

from programs import WORDINGS, Program, write


class Failed(Exception):
    pass


def milliseconds(options, text):
    """The fastest step on one thread: other processes only ever make steps slower."""
    with tempfile.NamedTemporaryFile("w", suffix=".tess") as file:
        file.write(text)
        file.flush()
        command = [options.tessera, "bench", file.name, "--threads", "1", "--json", "--seconds", str(options.seconds)]
        if options.core is not None: command = ["taskset", "-c", str(options.core)] + command
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0: raise Failed(f"{done.stderr.strip()[-300:]}\n{text}")
    return json.loads(done.stdout.strip().splitlines()[-1])["min_ms"]


def spread(options, texts):
    """Milliseconds by wording, the least of some rounds, in which wordings take turns, since other processes disturb.
    What looks slow or fast after that is timed on."""
    times = {wording: float("inf") for wording in texts}
    for _ in range(options.rounds):
        for wording, text in texts.items(): times[wording] = min(times[wording], milliseconds(options, text))
    for _ in range(options.again):
        low, high = min(times, key=times.get), max(times, key=times.get)
        if times[high] < 1.1 * times[low]: break
        for wording in (high, low): times[wording] = min(times[wording], milliseconds(options, texts[wording]))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tessera", default=os.environ.get("TESSERA", "./tessera"))
    parser.add_argument("--programs", type=int, default=200, help="how many are timed (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the first program; the next ones count on")
    parser.add_argument("--seconds", type=float, default=0.1, help="that each timing takes (default: 0.1)")
    parser.add_argument("--rounds", type=int, default=2, help="of timing all wordings (default: 2)")
    parser.add_argument("--again", type=int, default=3, help="how often the extremes are timed again (default: 3)")
    parser.add_argument("--control", action="store_true", help="time one text in place of all: what the noise is")
    parser.add_argument("--core", type=int, help="keep to this core")
    parser.add_argument("--least", type=float, default=0.03,
                        help="milliseconds that a program takes at least, or it is left out (default: 0.03)")
    parser.add_argument("--show", type=float, default=1.3, help="print the texts from this ratio on (default: 1.3)")
    parser.add_argument("--limit", type=float, help="fail where the 95th percentile is above this")
    options = parser.parse_args()

    ratios, failed, seed = [], 0, options.seed - 1
    while len(ratios) < options.programs:
        seed += 1
        program = Program(random.Random(seed))
        if not program.lines: continue
        texts = {w: write(program, WORDINGS[0] if options.control else w, random.Random(seed)) for w in WORDINGS}
        try:
            if milliseconds(options, texts[WORDINGS[0]]) < options.least: continue
            times = spread(options, texts)
        except (Failed, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"program {seed}: {error}", flush=True)
            continue
        low, high = min(times, key=times.get), max(times, key=times.get)
        ratios.append(times[high] / times[low])
        print(f"program {seed}: {ratios[-1]:.2f}, {times[low]:.3f} ms {low}, {times[high]:.3f} ms {high}", flush=True)
        if ratios[-1] >= options.show: print(f"{texts[low]}\n{texts[high]}", flush=True)
    ratios.sort()
    percentile = ratios[min(len(ratios) - 1, int(0.95 * len(ratios)))]
    print(f"slowest over fastest wording of {len(ratios)} programs: median {ratios[len(ratios) // 2]:.2f}, "
          f"95th percentile {percentile:.2f}, most {ratios[-1]:.2f}; {failed} failed")
    return failed > 0 or (options.limit is not None and percentile > options.limit)


if __name__ == "__main__":
    raise SystemExit(main())
