"""What `python -m jaxtalk.bench` measures (`parts`), how (`measure`), its flags and its table."""
