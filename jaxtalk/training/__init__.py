"""The one loop, and what it needs: mesh, checkpoints, metrics, recipe."""
