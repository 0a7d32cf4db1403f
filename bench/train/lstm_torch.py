import torch
import torch.nn.functional as F


def layer(x, params, n):
    """x[time, batch, in] -> states[time, batch, hidden], by the LSTM of the library."""
    w, u = params["input" + n], params["recurrent" + n]
    size, hidden = w.shape[0], u.shape[-1]
    opened = torch.zeros(4, hidden)
    opened[1] = 1  # the gate that forgets begins open
    weights = [
        w.reshape(size, 4 * hidden).t(),
        u.reshape(hidden, 4 * hidden).t(),
        (params["bias" + n] + opened).reshape(-1),
        torch.zeros(4 * hidden),
    ]
    first = torch.zeros(1, x.shape[1], hidden)
    return torch.lstm(x, (first, first), weights, True, 1, 0.0, True, False, False)[0]


def loss(params, inputs):
    x = params["table"][inputs["token"].t()]
    n = 1
    while f"input{n}" in params:
        x = layer(x, params, str(n))
        n += 1
    logits = x @ params["w"] + params["b"]
    return F.cross_entropy(logits.flatten(0, 1), inputs["truth"].t().reshape(-1))
