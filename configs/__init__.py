"""Plain values; one file per stage and system."""
