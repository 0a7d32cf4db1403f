import math

import jax
import jax.numpy as jnp
from jax import lax

ROUNDS, LEAST_MASS, LEAST_VARIANCE, EXPECTED_MASS = 3, 1e-9, 5e-4, 20
LOG_TWO_PI = math.log(2 * math.pi)


class Windows:
    """Windows of 3 x 3 over positions; or none, where every parent sees every child."""

    def __init__(self, size, stride):
        self.size, self.stride = size, stride
        self.out = (size - 3) // stride + 1

    def cut(self, k):
        return slice(k, k + self.stride * (self.out - 1) + 1, self.stride)

    def read(self, t):
        """[b, y, x, ...] -> [b, oy, ox, ky, kx, ...]"""
        rows = [jnp.stack([t[:, self.cut(ky), self.cut(kx)] for kx in range(3)], 3)
                for ky in range(3)]
        return jnp.stack(rows, 3)

    def gather(self, t, start, combine):
        """[b, oy, ox, ky, kx, child] -> [b, y, x, child]"""
        whole = jnp.full((t.shape[0], self.size, self.size, t.shape[-1]), start, t.dtype)
        for ky in range(3):
            for kx in range(3):
                place = whole.at[:, self.cut(ky), self.cut(kx)]
                whole = getattr(place, combine)(t[:, :, :, ky, kx])
        return whole

    def seen(self):
        """How many windows look at each child, as each window's element sees it."""
        ones = jnp.ones((1, self.out, self.out, 3, 3, 1))
        return self.read(self.gather(ones, 0.0, "add"))


def route(vote, active, beta_u, beta_a, windows, scale):
    """vote[b, oy, ox, ky, kx, i, j, r, c], active[b, oy, ox, ky, kx, i] -> poses, activations.

    Without windows, positions of parents and kernels have extent 1 and children are all in i."""
    children = (3, 4, 5)
    parents = vote.shape[6]
    seen = windows.seen() if windows else jnp.ones((1,) * 6)
    share = jnp.broadcast_to(1 / (parents * seen[..., None]), vote.shape[:7])
    for step in range(ROUNDS):
        r = share * active[..., None]
        mass = jnp.sum(r, children) + LEAST_MASS
        mean = jnp.einsum("bpqyxij,bpqyxijrc->bpqjrc", r, vote) / mass[..., None, None]
        away = vote - mean[:, :, :, None, None, None]
        square = away * away
        variance = jnp.einsum("bpqyxij,bpqyxijrc->bpqjrc", r, square) / mass[..., None, None]
        variance = variance + LEAST_VARIANCE
        cost = jnp.sum(beta_u[:, None, None] + 0.5 * jnp.log(variance), (-2, -1)) * (mass * scale)
        strength = 0.01 * (1 - 0.95 ** (step + 1)) * (beta_a - cost)
        if step + 1 == ROUNDS:
            return mean, jax.nn.sigmoid(strength)
        wide = variance[:, :, :, None, None, None]
        log_normal = -0.5 * jnp.sum(square / wide + jnp.log(wide), (-2, -1))
        constant = -0.5 * LOG_TWO_PI * vote.shape[-1] * vote.shape[-2]
        log_weight = log_normal + constant - jnp.log(1 + jnp.exp(-strength))[:, :, :, None, None,
                                                                            None]
        high = jnp.max(lax.stop_gradient(log_weight), -1)
        if windows:
            high = windows.read(windows.gather(high, -jnp.inf, "max"))
        weight = jnp.exp(log_weight - high[..., None])
        total = jnp.sum(weight, -1)
        if windows:
            total = windows.read(windows.gather(total, 0.0, "add"))
        share = weight / total[..., None]


def convolved(pose, active, params, n, stride):
    w = params["w" + n]  # [kind, parent, mid, col, ky, kx]
    windows = Windows(pose.shape[1], stride)
    vote = jnp.einsum("bpqyxirm,ijmcyx->bpqyxijrc", windows.read(pose), w)
    scale = EXPECTED_MASS / (w.shape[0] / w.shape[1] * stride * stride)
    return route(vote, windows.read(active), params["beta_u" + n], params["beta_a" + n], windows,
                 scale)


def classes(pose, active, params):
    batch, size, _, kinds, rows, _ = pose.shape
    w = params["w_class"]  # [kind, label, mid, col]
    vote = jnp.einsum("byxirm,ijmc->byxijrc", pose, w)
    place = (jnp.arange(size) + 0.5) / size
    vote = vote.at[..., 0, -1].add(place[:, None, None, None])
    vote = vote.at[..., 1, -1].add(place[:, None, None])
    children = size * size * kinds
    vote = vote.reshape(batch, 1, 1, 1, 1, children, *vote.shape[4:])
    active = active.reshape(batch, 1, 1, 1, 1, children)
    scale = EXPECTED_MASS / (children / w.shape[1])
    return route(vote, active, params["beta_u_class"], params["beta_a_class"], None, scale)


def loss(params, inputs):
    filter = params["filter"]  # [ky, kx, channel]
    z = lax.conv_general_dilated(
        inputs["image"][..., None], filter[:, :, None], (2, 2), "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"))
    h = jax.nn.relu(z + params["bias"])
    pose = jnp.einsum("byxh,hkrc->byxkrc", h, params["w_pose"])
    active = jax.nn.sigmoid(h @ params["w_active"] + params["b_active"])
    n = 2
    while f"w{n}" in params:
        pose, active = convolved(pose, active, params, str(n), 2 if n == 2 else 1)
        n += 1
    active = classes(pose, active, params)[1][:, 0, 0]
    margin = 0.2 + 0.79 * jax.nn.sigmoid(-4.0)
    truth = inputs["truth"][:, None]
    gap = jnp.take_along_axis(active, truth, axis=1) - active
    wrong = jnp.arange(active.shape[1]) != truth
    return jnp.mean(jnp.sum(jnp.where(wrong, jnp.maximum(0, margin - gap) ** 2, 0), axis=1))
