"""The dataset that people consume."""
