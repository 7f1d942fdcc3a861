"""Measures a checkpoint on a corpus: videos of each clip, what networks see in them, the claims."""
