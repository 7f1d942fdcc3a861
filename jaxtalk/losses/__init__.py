"""Pure, keyword-only losses; one value per example."""
