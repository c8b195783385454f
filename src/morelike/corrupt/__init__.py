"""A noisy twin of every image."""
