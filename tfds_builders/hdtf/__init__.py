"""HDTF (Zhang et al. 2021)."""
