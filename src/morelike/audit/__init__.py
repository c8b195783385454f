"""The audit of the raw images: every file looked at once, split, and checked against limits."""
