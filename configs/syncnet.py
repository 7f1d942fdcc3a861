"""The lip-sync expert: contrastive SyncNet, section 3.1, equations 3 and 4.

  python -m jaxtalk.train --config configs/syncnet.py

Demo: 2 CPU cores, about 5 minutes. Its negatives are windows of the same clip only, as those of
the rest of the batch let the network tell speakers apart instead of mouths
(`loss.batch_weight`); the paper preset takes both.
"""

from ml_collections import ConfigDict

from configs import common


def stage_config(preset="demo"):
    """Values of the stage; batch_size counts clips."""
    size = common.sizes(preset)
    demo = preset == "demo"
    return common.stage(
        "jaxtalk.pretraining.syncnet",
        model=ConfigDict(
            {
                "dtype": size.dtype,
                "image_size": size.image_size,
                "width": 8 if demo else 64,
                "audio_width": 12 if demo else 64,
                # The lower half of the frame, as Wav2Lip's expert has it.
                "first_row": 0.5,
                "embedding_dim": 128 if demo else 512,
            }
        ),
        loss=ConfigDict(
            {
                "temperature": 0.15 if demo else 0.07,
                "num_anchors": 9,
                "min_gap_frames": 2,
                "shift_weight": 1.0,
                # The demo's 200 speakers are soon learned by heart.
                "batch_weight": 0.0 if demo else 1.0,
            }
        ),
        optimizer=common.adam(1e-3 if demo else 1e-4, clip_norm=1.0),
        data=ConfigDict({"kind": "clips", "clip_frames": 32 if demo else 50}),
        batch_size=8 if demo else 64,
        num_steps=800 if demo else 200_000,
        eval_every=160 if demo else 5_000,
        # From here on a recall at chance is told: the demo's is three times chance at step 320.
        alarm_step=300 if demo else 20_000,
    )


def get_config(arg="demo"):
    """The recipe of this stage alone; arg: "demo" or "paper"."""
    return common.recipe(arg, {"syncnet": stage_config(arg)}, use_bundle=False)
