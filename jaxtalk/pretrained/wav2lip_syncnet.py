"""Name map of Wav2Lip's lip-sync expert (`lipsync_expert.pth`)."""

from jaxtalk.nn.wav2lip_syncnet import AUDIO_LAYERS, FACE_LAYERS
from jaxtalk.pretrained.torch_layout import StateDict


def from_state_dict(state):
    """Variables of `jaxtalk.nn.wav2lip_syncnet.Wav2LipSyncNet` from name -> numpy array.

    Raises:
      UserError: a name is missing or unexpected.
    """
    state = StateDict(state)
    params, stats = {}, {}
    for encoder, layers in (("face_encoder", FACE_LAYERS), ("audio_encoder", AUDIO_LAYERS)):
        params[encoder], stats[encoder] = {}, {}
        for i in range(sum(1 + num_residual for *_, num_residual in layers)):
            name = f"{encoder}.{i}.conv_block"
            norm, norm_stats = state.batch_norm(f"{name}.1")
            params[encoder][f"layer_{i}"] = {"conv": state.conv(f"{name}.0"), "norm": norm}
            stats[encoder][f"layer_{i}"] = {"norm": norm_stats}
    state.finish()
    return {"params": params, "batch_stats": stats}
