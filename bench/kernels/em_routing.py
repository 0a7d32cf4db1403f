import jax
import jax.numpy as jnp
from jax import lax

STRIDE, KERNEL = 2, 3


def windows(t, outs):
    """[batch, y, x, ...] -> [batch, oy, ox, ky, kx, ...]"""
    rows = []
    for ky in range(KERNEL):
        row = []
        for kx in range(KERNEL):
            ends = ky + STRIDE * (outs - 1) + 1, kx + STRIDE * (outs - 1) + 1
            row.append(t[:, ky : ends[0] : STRIDE, kx : ends[1] : STRIDE])
        rows.append(jnp.stack(row, axis=3))
    return jnp.stack(rows, axis=3)


def gathered(t, start, size, combine):
    """[batch, oy, ox, ky, kx, cin] -> [batch, y, x, cin]: what all windows say about a child."""
    outs = t.shape[1]
    whole = jnp.full((t.shape[0], size, size, t.shape[-1]), start, t.dtype)
    for ky in range(KERNEL):
        for kx in range(KERNEL):
            ends = ky + STRIDE * (outs - 1) + 1, kx + STRIDE * (outs - 1) + 1
            place = whole.at[:, ky : ends[0] : STRIDE, kx : ends[1] : STRIDE]
            whole = getattr(place, combine)(t[:, :, :, ky, kx])
    return whole


def routing(pose, raw, w, beta_u, beta_a):
    size = pose.shape[1]
    outs = (size - KERNEL) // STRIDE + 1
    vote = jnp.einsum("bpqyxirm,yxiomc->bpqyxiorc", windows(pose, outs), w)
    child = windows(jax.nn.sigmoid(raw), outs)[..., None]  # b oy ox ky kx cin 1
    share = jnp.full((1,) * 6 + (w.shape[3],), 1 / 16, vote.dtype)
    for step, scale in enumerate((0.0005, 0.000975, 0.00142625)):
        r = share * child
        mass = jnp.sum(r, axis=(3, 4, 5)) + 1e-6
        wide = jnp.broadcast_to(r, vote.shape[:7])
        mean = jnp.einsum("bpqyxio,bpqyxiorc->bpqorc", wide, vote) / mass[..., None, None]
        away = vote - mean[:, :, :, None, None, None]
        square = away * away
        variance = jnp.sum(r[..., None, None] * square, axis=(3, 4, 5)) / mass[..., None, None]
        variance = variance + 5e-4
        cost = jnp.sum(beta_u[:, None, None] + 0.5 * jnp.log(variance), axis=(-2, -1))
        strength = scale * (beta_a - mass * cost)
        if step == 2:
            return mean, jax.nn.sigmoid(strength)
        wide = variance[:, :, :, None, None, None]
        weight = -0.5 * jnp.sum(square / wide + jnp.log(wide), axis=(-2, -1))
        weight = weight - jnp.log(1 + jnp.exp(-strength))[:, :, :, None, None, None]
        high = gathered(jnp.max(lax.stop_gradient(weight), axis=-1), -jnp.inf, size, "max")
        e = jnp.exp(weight - windows(high, outs)[..., None])
        total = gathered(jnp.sum(e, axis=-1), 0, size, "add")
        share = e / windows(total, outs)[..., None]


def program(pose, raw, w, beta_u, beta_a, d_caps, d_active):
    (caps, active), back = jax.vjp(routing, pose, raw, w, beta_u, beta_a)
    names = ("d_pose", "d_raw", "d_w", "d_beta_u", "d_beta_a")
    return {"caps": caps, "caps_active": active, **dict(zip(names, back((d_caps, d_active))))}
