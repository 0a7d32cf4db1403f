import jax
import jax.numpy as jnp


def loss(a, b):
    far = jnp.sum((a[:, :, None] - b[:, None]) ** 2, axis=-1)
    return jnp.sum(jnp.mean(jnp.min(far, 2), 1) + jnp.mean(jnp.min(far, 1), 1))


def program(a, b):
    value, d_a = jax.value_and_grad(loss)(a, b)
    return {"loss": value, "d_a": d_a}
