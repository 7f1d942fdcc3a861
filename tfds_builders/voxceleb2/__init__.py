"""VoxCeleb2 (Chung et al. 2018)."""
