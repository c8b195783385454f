"""Resizing to one size and one colour mode, and the checks that a model can read the result."""
