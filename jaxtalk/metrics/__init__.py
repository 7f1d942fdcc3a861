"""Measures of pictures and videos; one value per example."""
