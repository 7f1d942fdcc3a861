"""From a tree of videos to a corpus, for the builders of real data."""
