"""The embedded corpus: see README.md."""
