"""The measuring network: landmarks and head pose of frames, to score generated videos with.

  python -m jaxtalk.train --config configs/landmarks.py

Demo: 2 CPU cores, under ten minutes beside other work. The bundle's learned in rounds: 8,100
steps on `bundle_64` with smaller weights of the pose, then 6,000 with the values here. On the test
clips of `demo_64` its landmarks are 1.6 % of the face height off on average (95 % of resamplings of
the 24 clips: 1.46 to 1.76 %); the pitch of real heads correlates with the true one by .90, a mean
over the clips. No other stage takes its weights. The paper preset has not been trained.
"""

from ml_collections import ConfigDict

from configs import common


def stage_config(preset="demo"):
    """Values of the stage; `augment` are the limits of its `augmentation.augment`."""
    size = common.sizes(preset)
    demo = preset == "demo"
    return common.stage(
        "jaxtalk.pretraining.landmarks",
        model=ConfigDict(
            {
                "image_size": size.image_size,
                "dtype": size.dtype,
                "width": 16 if demo else 32,
                "max_width": 48 if demo else 256,
                # Down to 8 x 8 cells.
                "num_levels": 1 if demo else 3,
                "num_features": 64 if demo else 256,
            }
        ),
        loss=ConfigDict(
            {
                "detail_weight": 2.0,  # of the points of eyes and mouth, beside 1 of the others
                "mouth_opening_weight": 0.5,
                "eye_opening_weight": 1.0,
                "pose_weight": 0.5,
                "eval_blur": 1.5 if demo else 6.0,  # px, of `error_blurred`
            }
        ),
        optimizer=common.adam(3e-3 if demo else 1e-3, clip_norm=1.0, decay="cosine"),
        data=ConfigDict({"kind": "frames"}),
        augment=ConfigDict(
            {
                "shift": 0.04,
                "scale": 0.08,
                "angle": 0.1,
                "gain": 0.25,
                "blur": 2.0 if demo else 8.0,
                "noise": 0.1,
                "step": 0.4,
            }
        ),
        batch_size=32 if demo else 256,
        num_steps=4_500 if demo else 100_000,
    )


def get_config(arg="demo"):
    """The recipe of this stage alone; arg: "demo" or "paper"."""
    return common.recipe(arg, {"landmarks": stage_config(arg)}, use_bundle=False)
