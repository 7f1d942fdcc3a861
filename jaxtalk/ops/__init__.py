"""Pure jnp operations that networks and steps are made of."""
