import jax.numpy as jnp


def program(place, mass):
    gap = place[None] - place[:, None]
    near = jnp.sum(gap * gap, axis=-1) + 0.01
    force = jnp.einsum("bo,boa->ba", mass / (near * jnp.sqrt(near)), gap)
    weight = jnp.abs(mass)
    return {"force": force, "energy": -0.5 * weight @ (1 / jnp.sqrt(near)) @ weight}
