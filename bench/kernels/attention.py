import jax
import jax.numpy as jnp


def attention(q, k, v):
    score = jnp.einsum("thf,shf->hts", q, k) / 8.0
    return jnp.einsum("hts,shv->thv", jax.nn.softmax(score, axis=-1), v)


def program(q, k, v, d_out=None):
    out, back = jax.vjp(attention, q, k, v)
    if d_out is None:
        return {"out": out}
    d_q, d_k, d_v = back(d_out)
    return {"out": out, "d_q": d_q, "d_k": d_k, "d_v": d_v}
