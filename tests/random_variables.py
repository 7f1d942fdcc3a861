"""Variables of small networks drawn by numpy: linen's own initialisation compiles for seconds."""

import jax
import numpy as np


def draw(module, *inputs, seed=0, equalized=False, **keywords):
    """Variables of `module`, float32, none of them at a value where a mistake could hide.

    With z standard normal: kernels z / sqrt(fan in) or z for `equalized` learning rates, scales
    1 + 0.1 z, slopes 0.25 + 0.1 z, variances exp(0.2 z), of StyleGAN3 frequencies 2 z and the
    transform identity + 0.1 z, all others 0.1 z.
    """
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(
        lambda *inputs: module.init(jax.random.key(0), *inputs, **keywords), *inputs
    )

    def value(path, leaf):
        z = rng.standard_normal(leaf.shape)
        name = path[-1].key
        if "kernel" in name:
            z = z if equalized else z / np.sqrt(np.prod(leaf.shape[:-1]))
        elif name in ("var", "magnitude"):
            z = np.exp(0.2 * z)
        elif name == "frequencies":
            z = 2 * z
        else:
            z = {"scale": 1.0, "alpha": 0.25, "transform": np.eye(3)}.get(name, 0.0) + 0.1 * z
        return np.asarray(z, np.float32)

    return jax.tree_util.tree_map_with_path(value, shapes)


def enlarged(variables, network):
    """The same with a mapping network that makes up for its small learning rate multiplier."""
    params = variables["params"]
    larger = jax.tree.map(lambda param: 100 * param, params[network])
    return {**variables, "params": {**params, network: larger}}
