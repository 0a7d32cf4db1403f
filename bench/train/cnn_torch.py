import torch
import torch.nn.functional as F


def loss(params, inputs):
    h = inputs["image"][:, None]
    for n in ("1", "2"):
        f = params["filter" + n]  # [ky, kx, channel1], [channel1, ky, kx, channel2]
        f = f.permute(2, 0, 1)[:, None] if f.dim() == 3 else f.permute(3, 0, 1, 2)
        z = F.conv2d(h, f)
        z = F.batch_norm(z, None, None, params["scale" + n], params["shift" + n], True, 0.1, 1e-5)
        h = F.max_pool2d(F.relu(z), 2)
    w = params["w"]  # [y, x, channel, label]
    logits = torch.einsum("bcyx,yxcl->bl", h, w) + params["b"]
    return F.cross_entropy(logits, inputs["truth"])
