import jax.numpy as jnp


def program(image, at_y, at_x):
    batch, y, x, _ = image.shape
    _, oy, ox = at_y.shape
    py = 2.0 * at_y + jnp.arange(oy, dtype=image.dtype)[:, None]
    px = 2.0 * at_x + jnp.arange(ox, dtype=image.dtype)
    iy, ix = jnp.floor(py).astype(int), jnp.floor(px).astype(int)
    fy, fx = (py - jnp.floor(py))[..., None], (px - jnp.floor(px))[..., None]
    which = jnp.arange(batch)[:, None, None]

    def pixel(dy, dx):
        at = iy + dy, ix + dx
        inside = (at[0] >= 0) & (at[0] < y) & (at[1] >= 0) & (at[1] < x)
        found = image[which, jnp.clip(at[0], 0, y - 1), jnp.clip(at[1], 0, x - 1)]
        return jnp.where(inside[..., None], found, 0)

    top = pixel(0, 0) * (1 - fx) + pixel(0, 1) * fx
    low = pixel(1, 0) * (1 - fx) + pixel(1, 1) * fx
    return {"out": top * (1 - fy) + low * fy}
