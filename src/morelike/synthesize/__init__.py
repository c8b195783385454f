"""New images from trained models."""
