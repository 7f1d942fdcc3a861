"""The image encoder: pixel2style2pixel (Richardson et al. 2021), supplement B of the paper, eq. 20.

The encoder predicts style codes as offsets from the generator's mean code. Two ways to train it:

- `encoder_stage`, the paper's: the generator of the stage `stylegan3` is frozen.
- `autoencoder_stage`, the demo's: with `model.train_generator` the generator is trained with the
  encoder, since a few CPU minutes of adversarial training give no generator worth inverting.
"""

from jaxtalk.pretraining.psp.autoencoder import autoencoder_stage
from jaxtalk.pretraining.psp.encoder import encoder_stage
from jaxtalk.pretraining.psp.model import make_encode

__all__ = ["make", "make_encode"]


def make(config):
    """The stage `psp` from its values; see `configs/psp.py`."""
    return autoencoder_stage(config) if config.model.train_generator else encoder_stage(config)
