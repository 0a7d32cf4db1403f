import jax
import jax.numpy as jnp


def part_of(x, middle):
    share = jnp.sum(jnp.exp(-20.0 * (x[:, None] - middle) ** 2), axis=0)
    return share / jnp.sum(share)


def entropy(x, middle):
    part = part_of(x, middle)
    return -jnp.sum(part * jnp.log(part + 1e-6))


def program(x, middle):
    return {"part": part_of(x, middle), "d_x": jax.grad(entropy)(x, middle)}
