import jax.numpy as jnp


def program(image, blur):
    taps, (height, width) = blur.shape[0], image.shape
    p = jnp.pad(image, ((0, 0), (taps // 2, taps // 2)))
    across = sum(blur[t] * p[:, t : t + width] for t in range(taps))
    p = jnp.pad(across, ((taps // 2, taps // 2), (0, 0)))
    smooth = sum(blur[t] * p[t : t + height] for t in range(taps))
    p = jnp.pad(smooth, 1)
    slope_y, slope_x = p[2:, 1:-1] - p[:-2, 1:-1], p[1:-1, 2:] - p[1:-1, :-2]
    return {"steep": jnp.sqrt(slope_y * slope_y + slope_x * slope_x + 0.0001)}
