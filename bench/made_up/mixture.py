import jax
import jax.numpy as jnp


def likely(centre, spread, x):
    away = (x[:, None] - centre) * jnp.exp(-spread)
    score = -0.5 * jnp.sum(away * away, axis=-1) - jnp.sum(spread, axis=-1)
    return jnp.sum(jax.nn.logsumexp(score, axis=1))


def program(x, centre, spread):
    value, (d_centre, d_spread) = jax.value_and_grad(likely, (0, 1))(centre, spread, x)
    return {"likely": value, "d_centre": d_centre, "d_spread": d_spread}
