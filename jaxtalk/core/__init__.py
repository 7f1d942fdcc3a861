"""Contracts that every part shares: stage, state, batch, errors, optimizers."""
