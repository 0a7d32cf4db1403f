import jax.numpy as jnp


def program(q, k, v):
    score = jnp.tril(jnp.einsum("htf,hsf->hts", q, k))
    return {"out": jnp.einsum("hts,hsv->htv", score, v)}
