"""Name map of Wav2Lip's lip-sync expert (`lipsync_expert.pth`)."""

import jax
import numpy as np

from jaxtalk.nn.wav2lip_syncnet import AUDIO_LAYERS, FACE_LAYERS, Wav2LipSyncNet
from jaxtalk.pretrained import parity, weight_rule
from jaxtalk.pretrained.torch_layout import StateDict


def from_state_dict(state):
    """Variables of `jaxtalk.nn.wav2lip_syncnet.Wav2LipSyncNet` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    with StateDict(state) as state:
        params, stats = {}, {}
        for encoder, layers in (("face_encoder", FACE_LAYERS), ("audio_encoder", AUDIO_LAYERS)):
            params[encoder], stats[encoder] = {}, {}
            for i in range(sum(1 + num_residual for *_, num_residual in layers)):
                name = f"{encoder}.{i}.conv_block"
                norm, norm_stats = state.batch_norm(f"{name}.1")
                params[encoder][f"layer_{i}"] = {"conv": state.conv(f"{name}.0"), "norm": norm}
                stats[encoder][f"layer_{i}"] = {"norm": norm_stats}
    return {"params": params, "batch_stats": stats}


def check(arrays, meta):
    """Embeddings and their cosines, in a batch and alone."""
    variables = jax.device_put(from_state_dict(weight_rule.from_meta(meta)))
    faces = parity.unit_images(arrays["faces_u8_b_t_h_w_c"])
    mel = arrays["mel"][:, 0].swapaxes(1, 2)
    forward, noise = jax.jit(Wav2LipSyncNet().apply), meta["f32_vs_f64"]
    for count in (len(faces), 1):
        face, audio = forward(variables, faces[:count], mel[:count])
        yield parity.compare(f"face of {count}", face, arrays["face_emb"][:count], noise["face"])
        expected = arrays["audio_emb"][:count]
        yield parity.compare(f"audio of {count}", audio, expected, noise["audio"])
        cosine = np.sum(np.asarray(face) * np.asarray(audio), axis=-1)
        yield parity.compare(f"cosine of {count}", cosine, arrays["cosine"][:count], 1e-6)
