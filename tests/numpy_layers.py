"""Layers in float64 numpy, NHWC, written out plainly: the reference for networks without one."""

import numpy as np


def conv(x, kernel, stride=1, padding=0):
    """x [B, H, W, C], kernel [k, k, C, O]."""
    size = kernel.shape[0]
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return np.einsum("bhwcij,ijco->bhwo", windows[:, ::stride, ::stride], kernel)


def max_pool(x, size, stride, padding):
    pad = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    x = np.pad(x, pad, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return windows[:, ::stride, ::stride].max(axis=(-2, -1))


def batch_norm(x, params, stats, epsilon=1e-5):
    y = (x - stats["mean"]) / np.sqrt(stats["var"] + epsilon)
    return y * params["scale"] + params["bias"]


def instance_norm(x, params, epsilon=1e-5):
    mean, var = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    return (x - mean) / np.sqrt(var + epsilon) * params["scale"] + params["bias"]


def prelu(x, params):
    return np.maximum(x, 0) + params["alpha"] * np.minimum(x, 0)


def leaky_relu(x, slope):
    return np.where(x > 0, x, slope * x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
