import jax.numpy as jnp


def program(x):
    centred = x - jnp.mean(x, axis=0)
    scaled = centred / jnp.sqrt(jnp.sum(centred * centred, axis=0) + 1e-6)
    return {"c": scaled.T @ scaled}
