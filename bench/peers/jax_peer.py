"""JAX as a peer of `tessera bench`.

    python jax_peer.py THREADS

Reads a request a line from standard input, as JSON, and answers each by a line, as main.cpp beside this
file does. "load" names a Python file and .npy files of inputs, and of values that are kept between
steps. The file has one of

    def program(**arrays): return {"output": ...}      for any program
    def loss(params, inputs): return ...               for training; the step is Adam's

A program gets the inputs and values whose names are among its arguments, a loss the parameters. JAX is
kept to as many cores as it is given threads.
"""

import importlib.util
import inspect
import json
import os
import sys
import time

THREADS = int(sys.argv[1])
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
if THREADS == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

try:
    import jax
    import jax.numpy as jnp
    import numpy as np

    jax.config.update("jax_platforms", "cpu")
except ImportError as problem:
    jax = None
    MISSING = f"{sys.executable} has no JAX ({problem}): {sys.executable} -m pip install jax"

LONG = 0.1  # seconds of a run that needs no warming up


def adam(loss, rate=0.001, b1=0.9, b2=0.999, epsilon=1e-8):
    """A step of training: (params, means, squares, count), inputs -> the same, loss."""

    def step(state, inputs):
        params, means, squares, count = state
        value, slopes = jax.value_and_grad(loss)(params, inputs)
        count = count + 1
        means = {k: b1 * means[k] + (1 - b1) * slopes[k] for k in params}
        squares = {k: b2 * squares[k] + (1 - b2) * slopes[k] ** 2 for k in params}
        up, down = 1 / (1 - b1**count), 1 / (1 - b2**count)
        params = {
            k: params[k] - rate * means[k] * up / (jnp.sqrt(squares[k] * down) + epsilon)
            for k in params
        }
        return (params, means, squares, count), value

    return step


def load_module(file):
    spec = importlib.util.spec_from_file_location("peer", file)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(file))
    spec.loader.exec_module(module)
    sys.path.pop(0)
    return module


def arrays(files):
    return {name: jnp.asarray(np.load(file)) for name, file in files.items()}


def bytes_of(compiled):
    stats = compiled.memory_analysis()
    total = stats.argument_size_in_bytes + stats.output_size_in_bytes + stats.temp_size_in_bytes
    return total - stats.alias_size_in_bytes


def prepare_program(module, order, inputs):
    """A function of nothing that runs it once, what it gives, and the compiled code."""
    wanted = list(order["outputs"])
    names = [name for name in inspect.signature(module.program).parameters if name in inputs]

    def chosen(*values):
        results = module.program(**dict(zip(names, values)))
        return {name: results[name] for name in wanted}

    given = [inputs[name] for name in names]
    compiled = jax.jit(chosen).lower(*given).compile()
    return lambda: compiled(*given), compiled(*given), compiled


def prepare_training(module, order, inputs, values):
    params = {name: values[name] for name in order["parameters"]}
    zeros = {name: jnp.zeros_like(value) for name, value in params.items()}
    state = (params, zeros, {name: value + 0 for name, value in zeros.items()}, jnp.float32(0))
    compiled = jax.jit(adam(module.loss), donate_argnums=0).lower(state, inputs).compile()
    state, first = compiled(state, inputs)
    held = [state]

    def run():
        held[0], value = compiled(held[0], inputs)
        return held[0], value

    return run, {"loss": first}, compiled


class Peer:
    def __init__(self):
        self.run = None

    def load(self, order):
        if jax is None:
            return {"missing": MISSING}
        self.run = None
        module = load_module(order["file"])
        inputs, values = arrays(order["inputs"]), arrays(order["values"])
        begin = time.perf_counter()
        if hasattr(module, "program"):
            prepared = prepare_program(module, order, {**inputs, **values})
        else:
            prepared = prepare_training(module, order, inputs, values)
        self.run, outputs, compiled = prepared
        jax.block_until_ready(outputs)
        seconds = time.perf_counter() - begin
        files = {}
        for name, value in outputs.items():
            files[name] = os.path.join(order["folder"], f"peer{len(files)}.npy")
            np.save(files[name], np.asarray(value))
        return {
            "version": f"JAX {jax.__version__}",
            "compile_seconds": seconds,
            "memory_bytes": bytes_of(compiled),
            "outputs": files,
        }

    def time(self, wanted):
        def once():
            before = time.perf_counter()
            jax.block_until_ready(self.run())
            return time.perf_counter() - before

        first = once()
        if first > LONG:
            return [first]
        times, start = [], time.perf_counter()
        while not times or time.perf_counter() - start < wanted:
            times.append(once())
        return times


def main():
    peer = Peer()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if order["do"] == "load":
                reply = peer.load(order)
            else:
                reply = {"seconds": peer.time(order["seconds"])}
        except Exception as problem:  # told to who asked
            reply = {"error": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
