import jax
import jax.numpy as jnp


def program(x, wi, wf, wg, wo, ui, uf, ug, uo):
    w = jnp.concatenate([wi, wf, wg, wo], axis=1)
    u = jnp.concatenate([ui, uf, ug, uo], axis=1)
    first = jnp.zeros((x.shape[0], wi.shape[1]), x.dtype)

    def step(carry, z):
        h, c = carry
        i, f, g, o = jnp.split(z + h @ u, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    (h, c), _ = jax.lax.scan(step, (first, first), jnp.swapaxes(x @ w, 0, 1))
    return {"h": h, "c": c}
