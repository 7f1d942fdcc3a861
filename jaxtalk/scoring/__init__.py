"""Scores videos of any system by the metrics of the papers, each under the id of its protocol."""
