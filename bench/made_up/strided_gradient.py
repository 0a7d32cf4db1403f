import jax
import jax.numpy as jnp


def loss(image, filter):
    out = jax.lax.conv_general_dilated(
        image, filter, (3, 3), "VALID", rhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return 0.5 * jnp.sum(out * out)


def program(image, filter):
    value, (d_image, d_filter) = jax.value_and_grad(loss, argnums=(0, 1))(image, filter)
    return {"loss": value, "d_image": d_image, "d_filter": d_filter}
