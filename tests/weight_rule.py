"""The rule for random weights of wide networks; `jaxtalk.convert --verify` needs it, too."""

from jaxtalk.pretrained.weight_rule import checksum, from_meta, weights

__all__ = ["checksum", "from_meta", "weights"]
