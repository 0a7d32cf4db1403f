import jax.numpy as jnp


def program(x):
    total = jnp.cumsum(x, axis=1)
    return {"total": total, "average": total / jnp.arange(1, x.shape[1] + 1, dtype=x.dtype)}
