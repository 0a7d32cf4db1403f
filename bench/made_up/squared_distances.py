import jax.numpy as jnp


def program(x, c):
    cross = x @ c.T
    return {"d": jnp.sum(x * x, 1)[:, None] - 2 * cross + jnp.sum(c * c, 1)[None]}
