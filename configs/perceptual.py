"""Perceptual features: a VGG16 trunk that knows faces, for the LPIPS loss of later stages.

  python -m jaxtalk.train --config configs/perceptual.py

Demo: 2 CPU cores, about 3 minutes.
The paper preset is only for those who cannot use the published VGG16 and LPIPS weights; import
those with `python -m jaxtalk.convert` and name their directory in `pretrained.perceptual`.
"""

from ml_collections import ConfigDict

from configs import common


def stage_config(preset="demo"):
    """Values of the stage.

    `loss.num_speakers` is an upper bound of the speakers of the training split.
    """
    size = common.sizes(preset)
    demo = preset == "demo"
    return common.stage(
        "jaxtalk.pretraining.perceptual",
        model=ConfigDict(
            {
                "image_size": size.image_size,
                "dtype": size.dtype,
                "width": 8 if demo else 64,
            }
        ),
        loss=ConfigDict(
            {
                "num_speakers": 2048 if demo else 8192,
                "speaker_weight": 1.0,
                "landmark_weight": 10.0,
                "expression_weight": 20.0,
            }
        ),
        optimizer=common.adam(1e-3 if demo else 1e-4),
        data=ConfigDict({"kind": "frames"}),
        batch_size=32 if demo else 256,
        num_steps=1_000 if demo else 100_000,
    )


def get_config(arg="demo"):
    """The recipe of this stage alone; arg: "demo" or "paper"."""
    return common.recipe(arg, {"perceptual": stage_config(arg)}, use_bundle=False)
