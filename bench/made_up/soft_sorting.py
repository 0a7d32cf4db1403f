import jax
import jax.numpy as jnp


def rank_of(x):
    return jnp.sum(jax.nn.sigmoid((x[:, :, None] - x[:, None, :]) / 0.1), axis=-1)


def program(x, goal):
    d_x = jax.grad(lambda z: jnp.mean((rank_of(z) - goal) ** 2))(x)
    return {"rank": rank_of(x), "d_x": d_x}
