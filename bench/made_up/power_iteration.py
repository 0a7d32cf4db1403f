import jax
import jax.numpy as jnp


def program(a, start):
    s = a + a.T

    def step(v, _):
        u = s @ v + 3.0 * v
        return u / jnp.sqrt(jnp.sum(u * u)), None

    v, _ = jax.lax.scan(step, start, None, length=30)
    return {"value": v @ (s @ v)}
