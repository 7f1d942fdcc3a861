"""MEAD (Wang et al. 2020)."""
