import jax
import jax.numpy as jnp


def norm(x, scale):
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6) * scale


def attended(x, p, n):
    h = norm(x, p["scale_a" + n])
    q = jnp.einsum("btm,mhf->bhtf", h, p["query" + n])
    k = jnp.einsum("btm,mhf->bhtf", h, p["key" + n])
    v = jnp.einsum("btm,mhf->bhtf", h, p["value" + n])
    score = jnp.einsum("bhtf,bhsf->bhts", q, k) * 0.125
    causal = jnp.tril(jnp.ones(score.shape[-2:], bool))
    weight = jax.nn.softmax(jnp.where(causal, score, -jnp.inf), axis=-1)
    mixed = jnp.einsum("bhts,bhsf->bthf", weight, v)
    return x + jnp.einsum("bthf,hfm->btm", mixed, p["out" + n])


def thought(x, p, n):
    h = norm(x, p["scale_m" + n]) @ p["up" + n] + p["up_bias" + n]
    return x + jax.nn.gelu(h, approximate=False) @ p["down" + n] + p["down_bias" + n]


def loss(params, inputs):
    x = params["table"][inputs["token"]] + params["place"]
    n = 1
    while f"query{n}" in params:
        x = thought(attended(x, params, str(n)), params, str(n))
        n += 1
    logits = jax.nn.log_softmax(norm(x, params["scale"]) @ params["read"])
    return -jnp.mean(jnp.take_along_axis(logits, inputs["truth"][..., None], axis=2))
