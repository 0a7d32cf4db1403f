#!/usr/bin/env python3
"""The MLP's training step (784-512-512-10, batch 256, SGD) in Tessera and in PyTorch, side by side.

    tests/bench/mlp_pytorch.py build/release/bin/tessera [--threads 1] [--rounds 5]

Both run in turns, round by round, so that a busy machine slows both; medians over all steps of all
rounds. PyTorch is no dependency of the project: pip install torch, in an environment of its own.
"""
import argparse
import json
import os
import statistics
import subprocess
import time


def torch_steps(threads, seconds):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 512), torch.nn.ReLU(),
        torch.nn.Linear(512, 512), torch.nn.ReLU(),
        torch.nn.Linear(512, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    image, truth = torch.randn(256, 784), torch.randint(0, 10, (256,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(image), truth).backward()
        optimizer.step()

    for _ in range(3):
        step()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tessera", help="the built program")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each side in each round")
    options = parser.parse_args()
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    ours, theirs = [], []
    for _ in range(options.rounds):
        text = subprocess.run(
            [options.tessera, "bench", "mlp", "--json", "--threads", str(options.threads),
             "--seconds", str(options.seconds)], check=True, capture_output=True, text=True).stdout
        ours.append(json.loads(text.splitlines()[-1])["median_ms"])
        theirs.append(1e3 * statistics.median(torch_steps(options.threads, options.seconds)))
    mine, peer = statistics.median(ours), statistics.median(theirs)
    print(f"{'round':>8} {'tessera ms':>12} {'pytorch ms':>12}")
    for number, (a, b) in enumerate(zip(ours, theirs), 1):
        print(f"{number:8} {a:12.3f} {b:12.3f}")
    print(f"{'median':>8} {mine:12.3f} {peer:12.3f}   tessera / pytorch = {mine / peer:.2f}")


main()
