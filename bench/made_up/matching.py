import jax.numpy as jnp


def unit(v):
    return v / jnp.sqrt(jnp.sum(v * v, axis=-1, keepdims=True) + 1e-6)


def program(q, k):
    match = unit(q) @ unit(k).T
    best = jnp.max(match, axis=1)
    return {"margin": best - jnp.mean(match, axis=1), "picked": k[jnp.argmax(match, axis=1)]}
