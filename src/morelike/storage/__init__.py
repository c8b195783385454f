"""Where images come from, and where they rest."""
