import jax.numpy as jnp


def program(x, weight):
    """By Fourier transforms, padded so that nothing wraps around."""
    lags, time = weight.shape[0], x.shape[1]
    spectrum = jnp.fft.rfft(x, 2 * time)
    r = jnp.fft.irfft(spectrum * jnp.conj(spectrum), 2 * time)
    return {"r": weight * r[:, :lags]}
