"""Identity features: an IR-SE50 trained with the additive angular margin over the speakers.

  python -m jaxtalk.train --config configs/arcface.py

Demo: 2 CPU cores, about 4 minutes.
The paper preset is only for those who cannot use the published weights; import those with
`python -m jaxtalk.convert` and name their directory in `pretrained.arcface`.
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
        "jaxtalk.pretraining.arcface",
        model=ConfigDict(
            {
                "image_size": size.image_size,
                "dtype": size.dtype,
                "face_size": 48 if demo else 112,
                "width": 8 if demo else 64,
                "embedding_dim": 128 if demo else 512,
            }
        ),
        loss=ConfigDict(
            {
                "num_speakers": 2048 if demo else 8192,
                "margin": 0.3 if demo else 0.5,
                "scale": 16.0 if demo else 64.0,
            }
        ),
        optimizer=common.adam(1e-3 if demo else 1e-4),
        data=ConfigDict({"kind": "frames"}),
        batch_size=32 if demo else 512,
        num_steps=800 if demo else 180_000,
    )


def get_config(arg="demo"):
    """The recipe of this stage alone; arg: "demo" or "paper"."""
    return common.recipe(arg, {"arcface": stage_config(arg)}, use_bundle=False)
