"""PyTorch as a peer of `tessera bench`: serve.py says what it is asked. Steps run eagerly.

    python torch_peer.py THREADS
"""

import inspect
import sys

from serve import keep_to, load_module, save, serve

THREADS = int(sys.argv[1])
keep_to(THREADS)

try:
    import numpy as np
    import torch

    torch.set_num_threads(THREADS)
except ImportError as problem:
    torch = None
    MISSING = (
        f"{sys.executable} has no PyTorch ({problem}): {sys.executable} -m pip install torch, or "
        "apt-get install python3-torch for /usr/bin/python3"
    )


def tensors(files):
    loaded = {name: torch.from_numpy(np.load(file)) for name, file in files.items()}
    whole = (torch.int32, torch.int16, torch.int8)
    return {k: v.long() if v.dtype in whole else v for k, v in loaded.items()}


def prepare_program(module, order, given):
    names = [name for name in inspect.signature(module.program).parameters if name in given]

    def run():
        results = module.program(**{name: given[name] for name in names})
        return {name: results[name] for name in order["outputs"]}

    return run, run()


def prepare_training(module, order, inputs, values):
    params = {name: values[name].requires_grad_() for name in order["parameters"]}
    optimizer = torch.optim.Adam(params.values(), lr=0.001)

    def run():
        optimizer.zero_grad(set_to_none=True)
        value = module.loss(params, inputs)
        value.backward()
        optimizer.step()
        return {"loss": value}

    return run, run()


def load(order):
    if torch is None:
        return {"missing": MISSING}, None
    module = load_module(order["file"])
    inputs, values = tensors(order["inputs"]), tensors(order["values"])
    if hasattr(module, "program"):
        run, outputs = prepare_program(module, order, {**inputs, **values})
    else:
        run, outputs = prepare_training(module, order, inputs, values)
    found = {name: value.detach().numpy() for name, value in outputs.items()}
    reply = {
        "version": f"PyTorch {torch.__version__}",
        "outputs": save(found, order["folder"], "torch"),
    }
    return reply, run


if __name__ == "__main__":
    serve(load)
