"""The image generator: StyleGAN3-T, adversarially trained on the frames of the corpus.

  python -m jaxtalk.train --config configs/stylegan3.py

Demo: 2 CPU cores, about 8 minutes; blurred average heads, no more: the psp stage of the demo goes
on training this generator as a decoder.
Paper: 25,000 kimg at batch 32; 7.3 s per kimg on 8 A100 were published for the original.
"""

from ml_collections import ConfigDict

from configs import common

BATCH_SIZE = {"demo": 16, "paper": 32}


def generator_values(preset):
    """Fields of `jaxtalk.nn.stylegan3.Generator`, for every stage that applies it."""
    size = common.sizes(preset)
    demo = preset == "demo"
    return ConfigDict(
        {
            "resolution": size.image_size,
            "config": "t",
            "num_layers": size.num_ws - 2,
            "z_dim": size.w_dim,
            "w_dim": size.w_dim,
            "mapping_layers": 2,
            "channel_base": 2048 if demo else 32_768,
            "channel_max": 32 if demo else 512,
            # With 2 cycles, the reference's, the demo learns details more slowly; a margin of 10 px
            # is half as much work again.
            "first_cutoff": 4.0 if demo else 2.0,
            "first_stopband": 8.0 if demo else 2**2.1,
            "margin_size": 4 if demo else 10,
            # The reference averages over 20,000 images, longer than the demo trains.
            "magnitude_beta": 0.99 if demo else 0.5 ** (BATCH_SIZE["paper"] / 20_000),
        }
    )


def stage_config(preset="demo"):
    """Values of the stage. No augmentation of what the discriminator sees: the corpora are
    large beside the number of steps.

    `model.half_life_kimg`, `blur_fade_kimg` as in the reference: batch * 10 / 32, batch * 200 / 32.
    """
    size = common.sizes(preset)
    demo = preset == "demo"
    batch_size = BATCH_SIZE[preset]
    return common.stage(
        "jaxtalk.pretraining.stylegan",
        model=ConfigDict(
            {
                "dtype": size.dtype,
                "generator": generator_values(preset),
                "discriminator": {
                    "resolution": size.image_size,
                    "channel_base": 2048 if demo else 32_768,
                    "channel_max": 32 if demo else 512,
                },
                "ema_half_life_kimg": batch_size * 10 / 32,
                "ema_rampup": 0.05,
                "preview_truncation_psi": 0.7,
            }
        ),
        loss=ConfigDict(
            {
                "r1_gamma": 0.5 if demo else 2.0,
                "r1_interval": 16,
                "blur_init_sigma": 2.5 if demo else 10.0,
                "blur_fade_kimg": 2.0 if demo else batch_size * 200 / 32,
            }
        ),
        optimizer=ConfigDict(
            {
                "generator": common.adam(2.5e-3, b1=0.0, b2=0.99),
                "discriminator": common.adam(2e-3, b1=0.0, b2=0.99),
            }
        ),
        data=ConfigDict({"kind": "frames"}),
        batch_size=batch_size,
        num_steps=200 if demo else 781_250,
    )


def get_config(arg="demo"):
    """The recipe of this stage alone; arg: "demo" or "paper"."""
    return common.recipe(arg, {"stylegan3": stage_config(arg)}, use_bundle=False)
