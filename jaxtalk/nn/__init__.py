"""Linen networks, one file each."""
