"""The audit of the raw images."""
