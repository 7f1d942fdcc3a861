"""jaxtalk: a photograph and a speech recording in, a talking head out; in JAX and Flax."""
