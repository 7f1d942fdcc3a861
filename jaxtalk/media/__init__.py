"""Audio, video and picture files to arrays and back, and the faces and sounds in them; no jax."""
