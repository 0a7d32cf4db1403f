import torch
import torch.nn.functional as F


def norm(x, scale):
    return x * torch.rsqrt(torch.mean(x * x, dim=-1, keepdim=True) + 1e-6) * scale


def attended(x, p, n):
    h = norm(x, p["scale_a" + n])
    model, heads, feature = p["query" + n].shape
    batch, time, _ = x.shape

    def split(name):
        y = h @ p[name + n].reshape(model, heads * feature)
        return y.view(batch, time, heads, feature).transpose(1, 2)

    score = split("query") @ split("key").transpose(2, 3) * 0.125
    later = torch.ones(time, time, dtype=torch.bool).triu(1)
    weight = torch.softmax(score.masked_fill(later, float("-inf")), dim=-1)
    mixed = (weight @ split("value")).transpose(1, 2).reshape(batch, time, heads * feature)
    return x + mixed @ p["out" + n].reshape(heads * feature, model)


def thought(x, p, n):
    h = norm(x, p["scale_m" + n]) @ p["up" + n] + p["up_bias" + n]
    return x + F.gelu(h) @ p["down" + n] + p["down_bias" + n]


def loss(params, inputs):
    x = params["table"][inputs["token"]] + params["place"]
    n = 1
    while f"query{n}" in params:
        x = thought(attended(x, params, str(n)), params, str(n))
        n += 1
    logits = norm(x, params["scale"]) @ params["read"]
    return F.cross_entropy(logits.flatten(0, 1), inputs["truth"].reshape(-1))
