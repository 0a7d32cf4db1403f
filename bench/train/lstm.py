import jax
import jax.numpy as jnp

OPEN = jnp.array([0.0, 1.0, 0.0, 0.0])[:, None]  # the gate that forgets begins open


def layer(x, params, n):
    """x[time, batch, in] -> states[time, batch, hidden]; gates in the order i, f, g, o."""
    w, u = params["input" + n], params["recurrent" + n]
    hidden = u.shape[-1]
    u = u.reshape(hidden, 4 * hidden)
    z = x @ w.reshape(w.shape[0], 4 * hidden) + (params["bias" + n] + OPEN).reshape(-1)
    first = jnp.zeros((x.shape[1], hidden), x.dtype)

    def step(carry, z):
        h, c = carry
        i, f, g, o = jnp.split(z + h @ u, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    return jax.lax.scan(step, (first, first), z)[1]


def loss(params, inputs):
    x = jnp.swapaxes(params["table"][inputs["token"]], 0, 1)
    n = 1
    while f"input{n}" in params:
        x = layer(x, params, str(n))
        n += 1
    logits = jax.nn.log_softmax(x @ params["w"] + params["b"])
    truth = jnp.swapaxes(inputs["truth"], 0, 1)[..., None]
    return -jnp.mean(jnp.take_along_axis(logits, truth, axis=2))
