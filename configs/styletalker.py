"""StyleTalker: one-shot, audio-driven talking heads in the style space of an image generator.

  python -m jaxtalk.train --config configs/styletalker.py           frozen stages from the bundle
  python -m jaxtalk.train --config configs/styletalker.py:scratch   trains those stages, too
  python -m jaxtalk.train --config configs/styletalker.py:bundle    the demo's networks, trained for
                                                                    about 12 hours, as the bundle's
  python -m jaxtalk.train --config configs/styletalker.py:paper     the paper's sizes, VoxCeleb2
  python -m jaxtalk.train --config configs/styletalker.py:no_flow   ablation: no normalising flow
  python -m jaxtalk.train --config configs/styletalker.py:no_sync   ablation: no sync loss
                                                                    (bundle_no_flow,
                                                                    bundle_no_sync: as bundle)

Demo: 2 CPU cores, about ten minutes for this stage, 64 pixels, the embedded corpus.
Paper: 256 pixels; codes of 128 frames, 15 of them synthesised per step. Neither the batch size nor
the number of steps are published; those here are for 8 accelerators with 80 GB.

Deviation of both presets: gradients are clipped at a norm of 1 and the KL term is brought in over
the first steps (`loss.kl_warmup_steps`).

Deviations of the demo: `loss.code_weight` pulls the codes of all frames to the encoder's, because a
few CPU minutes of window losses alone move little, and the first `loss.code_steps` steps, many
times as fast as the others, learn from the codes alone, after `loss.audio_steps` of them with the
audio encoder as it is (all 0 in the paper preset); higher learning rates, narrower networks, codes
of 48 frames and windows of 5; 2 extra scales of LPIPS instead of 3, as 8 pixels are too few for its
trunk; a sync loss that weighs .5, as in so few steps .1 moves the lips little;
`model.block.relative_motion`: the posterior sees motion as the change since the first frame;
`model.joint_prior`: drawn one by one, as the paper has it, the eight style vectors move apart;
`model.lip_styles`: the posterior does not see the style that the demo's encoder keeps for the lips;
`model.prior_scale`: motion is drawn with more noise than was learned; and `model.motion_gain`:
generated lids and heads go further than the codes say (see `jaxtalk.systems.styletalker.model`).
"""

from ml_collections import ConfigDict

from configs import arcface, common, landmarks, perceptual, psp, stylegan3, syncnet

# Factors of the motion of each edited style, by variance and spectrum of the poses and by the
# blinks of generated training clips: of yaw and pitch, which the demo's encoder keeps in styles 1
# and 2, of styles 4 and 5, by which the generator moves them, too; and of the lids.
MOTION_GAIN = (1.0, 1.1, 2.5, 1.0, 1.2, 2.0, 1.0, 1.4)
ABLATIONS = ("no_flow", "no_sync")


def stage_config(preset="demo"):
    """Values of the stage; batch_size counts clips."""
    size = common.sizes(preset)
    demo = preset == "demo"
    encoder = psp.stage_config(preset).model
    sync = syncnet.stage_config(preset).model
    return common.stage(
        "jaxtalk.systems.styletalker",
        model=ConfigDict(
            {
                "dtype": size.dtype,
                "image_size": size.image_size,
                "num_ws": size.num_ws,
                "w_dim": size.w_dim,
                "num_blocks": 8,
                "num_flow_steps": 2 if demo else 4,
                "joint_prior": demo,
                # Those that the demo's encoder keeps for the lips.
                "lip_styles": (encoder.anchors.mouth_opening,) if demo else (),
                # Of 1.0 to 1.2, by the same poses as the gains.
                "prior_scale": 1.2 if demo else 1.0,
                "motion_gain": MOTION_GAIN if demo else (),
                "audio": {"width": 8 if demo else 64, "output_dim": 128 if demo else 512},
                "block": {
                    "z_dim": 8 if demo else 32,
                    "motion_width": 48 if demo else 128,
                    "motion_dim": 32,
                    "audio_dim": 32,
                    "lstm_width": 32 if demo else 256,
                    "flow_clamp": 1.5,
                    "smoothing_width": 48 if demo else 128,
                    "smoothing_radius": 2,
                    "smoothing_sigma": 1.0,
                    "relative_motion": demo,
                },
                "discriminator": {"width": 16 if demo else 64, "num_layers": 3},
                "generator": encoder.generator,
                "encoder": encoder.encoder,
                "lpips_width": encoder.lpips_width,
                "arcface": encoder.arcface,
                "syncnet": {
                    "width": sync.width,
                    "audio_width": sync.audio_width,
                    "first_row": sync.first_row,
                    "embedding_dim": sync.embedding_dim,
                },
                "ema_decay": 0.99 if demo else 0.999,
            }
        ),
        loss=ConfigDict(
            {
                # Extra scales of LPIPS, eq. 13; its weight is 1.
                "num_extra_scales": 2 if demo else 3,
                # Eq. 17.
                "id_weight": 0.1,
                "kl_weight": 0.1,
                "adv_weight": 0.1,
                "sync_weight": 0.5 if demo else 0.1,
                # Steps in which the weight of the KL term rises from 0.
                "kl_warmup_steps": 100 if demo else 10_000,
                # Error of the codes of all frames, 1 where they stand still; not in the paper.
                "code_weight": 1.0 if demo else 0.0,
                # First steps, which learn from codes alone and synthesise nothing; and the first of
                # these, in which the audio encoder learns, too: it takes two thirds of their time.
                "code_steps": 1_000 if demo else 0,
                "audio_steps": 300 if demo else 0,
                # R1 on the video discriminator every r1_interval steps; gamma 0 leaves it out.
                "r1_gamma": 0.0,
                "r1_interval": 16,
            }
        ),
        optimizer=ConfigDict(
            {
                # The steps with pictures come last and still have to learn: hence the floor.
                "styletalker": common.adam(2e-3, clip_norm=1.0, decay="cosine", floor=0.2)
                if demo
                else common.adam(1e-4, clip_norm=1.0),
                "discriminator": common.adam(5e-5 if demo else 1e-4, clip_norm=1.0),
            }
        ),
        data=ConfigDict(
            {
                "kind": "codes",
                "clip_frames": 48 if demo else 128,
                "window_frames": 5 if demo else 15,
            }
        ),
        batch_size=4 if demo else 16,
        num_steps=1_100 if demo else 300_000,
    )


def get_config(arg="demo"):
    """The recipe; arg: "demo", "scratch", "bundle", "paper", "no_flow", "no_sync",
    "bundle_no_flow" or "bundle_no_sync"."""
    choices = (
        "demo",
        "scratch",
        "bundle",
        "paper",
        *ABLATIONS,
        *(f"bundle_{a}" for a in ABLATIONS),
    )
    if arg not in choices:
        raise ValueError(f"styletalker: found {arg!r}, expected one of {choices}")
    preset = "paper" if arg == "paper" else "demo"
    stages = {
        "perceptual": perceptual.stage_config(preset),
        "arcface": arcface.stage_config(preset),
        "stylegan3": stylegan3.stage_config(preset),
        "psp": psp.stage_config(preset),
        "syncnet": syncnet.stage_config(preset),
        "styletalker": stage_config(preset),
    }
    if arg.endswith("no_flow"):
        stages["styletalker"].model.num_flow_steps = 0
    if arg.endswith("no_sync"):
        stages["styletalker"].loss.sync_weight = 0.0
        del stages["syncnet"]
    if arg.startswith("bundle"):
        return _bundle_recipe(preset, stages)
    return common.recipe(preset, stages, use_bundle=preset == "demo" and arg != "scratch")


def _bundle_recipe(preset, stages):
    """More speakers and more steps, and the stage that measures (`--stage landmarks`)."""
    stages = {"landmarks": landmarks.stage_config(preset), **stages}
    # Faces that training never saw come out the better the more it has seen.
    stages["psp"].data.corpus = "procedural_heads/faces_64"
    # Motion that the prior has seen to its end: in 48 frames a head hardly turns. And it goes on
    # learning for long: what it draws moves a third as much as people do after 700 steps. The
    # bundle's weights took 21,500 steps on codes, in rounds.
    stages["styletalker"].data.clip_frames = 72
    stages["styletalker"].loss.audio_steps = 1_200
    stages["styletalker"].loss.code_steps = 20_000
    for name, num_steps in (("landmarks", 12_000), ("psp", 20_000), ("styletalker", 20_200)):
        stages[name].num_steps = num_steps
        for interval in ("log_every", "checkpoint_every", "eval_every", "preview_every"):
            stages[name][interval] = num_steps // (50 if interval == "log_every" else 10)
    recipe = common.recipe(preset, stages, use_bundle=False)
    recipe.dataset.name = "procedural_heads/bundle_64"
    return recipe
