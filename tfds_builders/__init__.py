"""TFDS builders; each folder's README lists the shell lines that build and load."""
