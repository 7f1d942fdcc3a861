"""Stages that make the frozen networks of the systems."""
