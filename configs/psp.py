"""The image encoder: pixel2style2pixel, image -> w+ code of the generator (supplement B).

  python -m jaxtalk.train --config configs/psp.py            frozen stages from the bundle
  python -m jaxtalk.train --config configs/psp.py:scratch    trains the stages before it, too

Demo: 2 CPU cores, about an hour and a half for this stage.
Paper: 500k steps, batch 8, on the frozen generator; the reference's optimizer, without its
centralisation of gradients.

Deviation of the demo: `model.train_generator` is true. A few CPU minutes of adversarial training
from noise give no useful generator, so here encoder and generator train together as an
autoencoder, with the losses of eq. 20, on pairs of frames of a clip: each is decoded from its own
first `model.num_motion_styles` styles and the last ones of the other, so that all that moves is
in the styles that StyleTalker edits. Its batch counts clips, two frames each, mirrored at random;
eyes and mouth count more than other pixels (`loss.eyes_weight`, `loss.mouth_weight`), above all in
what changes there between the two frames (`loss.eyes_change_weight`, `loss.mouth_change_weight`),
faces weigh more (`loss.id_weight`), since those that training never saw come out too much alike,
and the codes are hardly pulled to the mean (`loss.w_norm_weight`). Nor has an autoencoder the order
that adversarial training gives to styles: `model.anchors` give nine measures of the drawn faces,
head pose, brows, eyelids and lips, an entry of a style each, in which their motion must lie
(`loss.anchor_weight`), and all other entries of the motion styles shall keep still
(`loss.stray_weight`). So this preset takes landmarks and poses of the corpus. The paper's does
without: it keeps the generator frozen and trains on single frames alone.
"""

from ml_collections import ConfigDict

from configs import arcface, common, perceptual, stylegan3


def stage_config(preset="demo"):
    """Values of the stage."""
    size = common.sizes(preset)
    demo = preset == "demo"
    return common.stage(
        "jaxtalk.pretraining.psp",
        model=ConfigDict(
            {
                "dtype": size.dtype,
                "image_size": size.image_size,
                "generator": stylegan3.generator_values(preset),
                "encoder": {
                    "num_styles": size.num_ws,
                    "w_dim": size.w_dim,
                    "width": 10 if demo else 64,
                    "coarse": 3,
                    "middle": 7,
                },
                "lpips_width": perceptual.stage_config(preset).model.width,
                "arcface": {
                    "width": arcface.stage_config(preset).model.width,
                    "embedding_dim": arcface.stage_config(preset).model.embedding_dim,
                    "image_size": arcface.stage_config(preset).model.face_size,
                },
                "train_generator": demo,
                "num_motion_styles": 8,
                # Measure of a face -> style that holds it, see `jaxtalk.pretraining.psp.anchors`.
                "anchors": dict.fromkeys(("roll", "x", "y"), 0)
                | {"yaw": 1, "pitch": 2, "brows": 3}
                | {"mouth_opening": 6, "mouth_width": 6, "eye_opening": 7}
                if demo
                else {},
                # A generator learns what an entry means as fast as that entry moves: at .2, lids
                # that shut in the codes stayed open in the pictures.
                "anchor_scale": 1.0,
                "ema_decay": 0.998 if demo else 0.999,
            }
        ),
        loss=ConfigDict(
            {
                # LPIPS of the demo's small trunk is about ten times the squared error.
                "l2_weight": 12.0 if demo else 1.0,
                "lpips_weight": 0.8,
                # Squared error of eyes and mouth, a few of the demo's pixels; not in the paper.
                "eyes_weight": 6.0 if demo else 0.0,
                "mouth_weight": 3.0 if demo else 0.0,
                # Squared error, there, of what changes between the frames of a pair.
                "eyes_change_weight": 20.0 if demo else 0.0,
                "mouth_change_weight": 4.0 if demo else 0.0,
                # Motion between the frames of a pair in its place, and elsewhere. From nothing, at
                # .2 and half the encoder's learning rate, hardly any had found its place after 750
                # steps; to keep what has, .2 suffices.
                "anchor_weight": 1.0 if demo else 0.0,
                "stray_weight": 15.0 if demo else 0.0,
                "id_weight": 2.0 if demo else 0.1,
                # The demo's generator has yet to learn what its codes mean: with the paper's
                # weight they hardly leave the mean, and training takes several times as long.
                "w_norm_weight": 0.0005 if demo else 0.01,
            }
        ),
        optimizer=ConfigDict(
            {
                "encoder": common.adam(4e-4, clip_norm=1.0, decay="cosine"),
                # Its weights are of unit variance (equalised learning rate), the encoder's small.
                "generator": common.adam(2e-3, clip_norm=1.0, decay="cosine"),
            }
        )
        if demo
        else common.adam(1e-4, b1=0.95, eps=6.1e-5, name="ranger"),
        data=ConfigDict({"kind": "pairs", "num_candidates": 8} if demo else {"kind": "frames"}),
        batch_size=4 if demo else 8,
        num_steps=7_000 if demo else 500_000,
    )


def get_config(arg="demo"):
    """The recipe of this stage and those before it; arg: "demo", "scratch" or "paper"."""
    preset = "demo" if arg == "scratch" else arg
    stages = {
        "perceptual": perceptual.stage_config(preset),
        "arcface": arcface.stage_config(preset),
        "stylegan3": stylegan3.stage_config(preset),
        "psp": stage_config(preset),
    }
    return common.recipe(preset, stages, use_bundle=arg == "demo")
