"""JAX as a peer of `tessera bench`: serve.py says what it is asked.

    python jax_peer.py THREADS
"""

import inspect
import os
import sys
import time

from serve import keep_to, load_module, save, serve

THREADS = int(sys.argv[1])
keep_to(THREADS)
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


def arrays(files):
    return {name: jnp.asarray(np.load(file)) for name, file in files.items()}


def bytes_of(compiled):
    stats = compiled.memory_analysis()
    total = stats.argument_size_in_bytes + stats.output_size_in_bytes + stats.temp_size_in_bytes
    return total - stats.alias_size_in_bytes


def prepare_program(module, order, given):
    """What runs it once, what it gives, and the compiled code."""
    names = [name for name in inspect.signature(module.program).parameters if name in given]

    def chosen(*values):
        results = module.program(**dict(zip(names, values)))
        return {name: results[name] for name in order["outputs"]}

    values = [given[name] for name in names]
    compiled = jax.jit(chosen).lower(*values).compile()
    return lambda: compiled(*values), compiled(*values), compiled


def prepare_training(module, order, inputs, values):
    params = {name: values[name] for name in order["parameters"]}
    means = {name: jnp.zeros_like(value) for name, value in params.items()}
    squares = {name: jnp.zeros_like(value) for name, value in params.items()}
    state = (params, means, squares, jnp.float32(0))
    compiled = jax.jit(adam(module.loss), donate_argnums=0).lower(state, inputs).compile()
    state, first = compiled(state, inputs)
    held = [state]

    def run():
        held[0], value = compiled(held[0], inputs)
        return held[0], value

    return run, {"loss": first}, compiled


def load(order):
    if jax is None:
        return {"missing": MISSING}, None
    module = load_module(order["file"])
    inputs, values = arrays(order["inputs"]), arrays(order["values"])
    begin = time.perf_counter()
    if hasattr(module, "program"):
        run, outputs, compiled = prepare_program(module, order, {**inputs, **values})
    else:
        run, outputs, compiled = prepare_training(module, order, inputs, values)
    jax.block_until_ready(outputs)
    reply = {
        "version": f"JAX {jax.__version__}",
        "compile_seconds": time.perf_counter() - begin,
        "memory_bytes": bytes_of(compiled),
        "outputs": save(outputs, order["folder"], "jax"),
    }
    return reply, lambda: jax.block_until_ready(run())


if __name__ == "__main__":
    serve(load)
