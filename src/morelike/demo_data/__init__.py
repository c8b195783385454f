"""The built-in set of images."""
