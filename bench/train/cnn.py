import jax
import jax.numpy as jnp


def norm(z, scale, shift):
    """Batch normalization in training; what it keeps for evaluation costs nothing to speak of."""
    mean, var = jnp.mean(z, (0, 1, 2)), jnp.var(z, (0, 1, 2))
    return (z - mean) * jax.lax.rsqrt(var + 1e-5) * scale + shift


def pool(h):
    return jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def loss(params, inputs):
    h = inputs["image"][..., None]
    for n in ("1", "2"):
        f = params["filter" + n]  # [ky, kx, channel1], [channel1, ky, kx, channel2]
        f = f[:, :, None] if f.ndim == 3 else jnp.transpose(f, (1, 2, 0, 3))
        z = jax.lax.conv_general_dilated(
            h, f, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        h = pool(jax.nn.relu(norm(z, params["scale" + n], params["shift" + n])))
    logits = jnp.einsum("byxc,yxcl->bl", h, params["w"]) + params["b"]
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), inputs["truth"][:, None], axis=1)
    return -jnp.mean(chosen)
