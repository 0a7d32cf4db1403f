import jax.numpy as jnp


def program(x, last, mark):
    inside = (jnp.arange(x.shape[1]) <= last[:, None])[..., None]
    count = (last + 1).astype(x.dtype)[:, None]
    average = jnp.sum(jnp.where(inside, x, 0), axis=1) / count
    away = x - average[:, None]
    spread = jnp.sum(jnp.where(inside, away * away, 0), axis=1) / count
    return {"average": average, "spread": spread, "final": mark[last]}
