"""Name map of the SyncNet of Chung and Zisserman (`syncnet_v2.model`)."""

import jax
import numpy as np

from jaxtalk.nn.syncnet_cz import SyncNetCZ
from jaxtalk.pretrained import parity, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict

# Indices of the convolutions in the two stacks; a batch norm follows each.
CONVOLUTIONS = (0, 4, 8, 11, 14, 18)


def from_state_dict(state):
    """Variables of `jaxtalk.nn.syncnet_cz.SyncNetCZ` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict(state) as state:
        lip, lip_stats = _embedder(state, "lip", _stacked_conv)
        audio, audio_stats = _embedder(state, "aud", StateDict.conv)
    return {
        "params": {"lip_encoder": lip, "audio_encoder": audio},
        "batch_stats": {"lip_encoder": lip_stats, "audio_encoder": audio_stats},
    }


def _embedder(state, ending, conv):
    params, stats = {}, {}
    for i, index in enumerate(CONVOLUTIONS):
        params[f"conv_{i}"] = conv(state, f"netcnn{ending}.{index}")
        norm = state.batch_norm(f"netcnn{ending}.{index + 1}")
        params[f"norm_{i}"], stats[f"norm_{i}"] = norm
    params["dense_0"] = state.dense(f"netfc{ending}.0")
    params["dense_norm"], stats["dense_norm"] = state.batch_norm(f"netfc{ending}.1")
    params["dense_1"] = state.dense(f"netfc{ending}.3")
    return params, stats


def _stacked_conv(state, name):
    """[O, I, T, k, k] -> the [k, k, T * I, O] that does the same to stacked frames."""
    kernel = state.array(f"{name}.weight", 5).transpose(3, 4, 2, 1, 0)
    kernel = kernel.reshape(*kernel.shape[:2], -1, kernel.shape[-1])
    return state.layer(name, kernel)


def check(arrays, meta):
    """Both embeddings of three clips; windows and clips must not mix."""
    variables, module = jax.device_put(from_state_dict(weight_rule.from_meta(meta))), SyncNetCZ()
    frames = arrays["frames_u8_28"].astype(np.float32).repeat(8, axis=1).repeat(8, axis=2)
    mfcc, noise = arrays["mfcc"].T, meta["f32_vs_f64"]
    # The lips of the first five windows, in two clips that overlap.
    clips, speech = np.stack([frames[:7], frames[2:9]]), np.stack([mfcc, mfcc[::-1], mfcc])
    lip = jax.jit(lambda v, x: module.apply(v, x, method="lip"))(variables, clips)
    audio = jax.jit(lambda v, x: module.apply(v, x, method="audio"))(variables, speech)
    expected = np.stack([arrays["lip_emb"][:3], arrays["lip_emb"][2:5]])
    yield parity.compare("lip", lip, expected, noise["lip"])
    expected = arrays["aud_emb"]
    for row in (0, 2):
        yield parity.compare(f"audio {row}", audio[row, : len(expected)], expected, noise["aud"])
