import jax.numpy as jnp


def program(x, y, w):
    return {"z": jnp.einsum("bl,olr,br->bo", x, w, y, optimize="optimal")}
