"""What peers in Python share: requests in, answers out.

Reads a request a line from standard input, as JSON, and answers each by a line, as main.cpp beside this
file does. "load" names a Python file and .npy files of inputs, and of values that are kept between
steps. The file has one of

    def program(**arrays): return {"output": ...}      for any program
    def loss(params, inputs): return ...               for training; the step is Adam's

A program gets the inputs and values whose names are among its arguments, a loss the parameters.
"""

import importlib.util
import json
import os
import sys
import time

LONG = 0.1  # seconds of a run that needs no warming up


def keep_to(threads):
    """Leaves this process that many cores. To be called before a library counts them."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def load_module(file):
    spec = importlib.util.spec_from_file_location("peer", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_for(wanted, run):
    """Seconds of each of some runs."""

    def once():
        before = time.perf_counter()
        run()
        return time.perf_counter() - before

    first = once()
    if first > LONG:
        return [first]
    times, start = [], time.perf_counter()
    while not times or time.perf_counter() - start < wanted:
        times.append(once())
    return times


def save(outputs, folder, peer):
    """Writes arrays of numpy; returns their files by name."""
    import numpy

    files = {}
    for name, value in outputs.items():
        files[name] = os.path.join(folder, f"{peer}{len(files)}.npy")
        numpy.save(files[name], value)
    return files


def serve(load):
    """`load(order)` returns an answer, and what runs the work once."""
    run = None
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if order["do"] == "load":
                run = None  # so that its memory is free
                reply, run = load(order)
            else:
                reply = {"seconds": run_for(order["seconds"], run)}
        except Exception as problem:  # told to who asked
            reply = {"error": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(reply), flush=True)
