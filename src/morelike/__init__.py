"""morelike: more images like these, and proof whether they help."""

__version__ = "0.1.0"
