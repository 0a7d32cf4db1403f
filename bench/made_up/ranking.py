import jax
import jax.numpy as jnp


def loss(score, worth):
    wrong = worth[:, :, None] > worth[:, None, :]
    hinge = jnp.maximum(1 - score[:, :, None] + score[:, None, :], 0)
    return jnp.sum(jnp.where(wrong, hinge, 0))


def program(score, worth):
    value, d_score = jax.value_and_grad(loss)(score, worth)
    return {"loss": value, "d_score": d_score}
