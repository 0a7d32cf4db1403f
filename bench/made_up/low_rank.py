import jax
import jax.numpy as jnp


def loss(down, up, x, goal, w):
    y = jax.nn.relu(x @ w + 0.5 * (x @ down) @ up)
    return 0.5 * jnp.sum((y - goal) ** 2)


def program(x, goal, w, down, up):
    value, (d_down, d_up) = jax.value_and_grad(loss, (0, 1))(down, up, x, goal, w)
    return {"loss": value, "d_down": d_down, "d_up": d_up}
