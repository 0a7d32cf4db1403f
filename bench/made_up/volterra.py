import jax.numpy as jnp


def program(x, w):
    taps, time = w.shape[0], x.shape[1]
    before = jnp.pad(x, ((0, 0), (taps - 1, 0)))
    past = jnp.stack([before[:, taps - 1 - i : taps - 1 - i + time] for i in range(taps)], axis=-1)
    return {"y": jnp.sum((past @ w) * past, axis=-1)}
