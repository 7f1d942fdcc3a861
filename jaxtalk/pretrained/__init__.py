"""Names of public checkpoints -> our variables, one map per network."""
