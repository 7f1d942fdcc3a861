"""Small weights of the demo preset, and the command that takes them from a run."""
