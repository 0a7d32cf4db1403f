import torch


def program(q, k, v, d_out=None):
    given = [x.transpose(0, 1).contiguous() for x in (q, k, v)]
    for x in given:
        x.requires_grad_(d_out is not None)
    q, k, v = given
    weight = torch.softmax(q @ k.transpose(1, 2) / 8.0, dim=-1)
    out = (weight @ v).transpose(0, 1)
    if d_out is None:
        return {"out": out}
    slopes = torch.autograd.grad(out, given, d_out)
    d_q, d_k, d_v = (slope.transpose(0, 1) for slope in slopes)
    return {"out": out, "d_q": d_q, "d_k": d_k, "d_v": d_v}
