"""Prefect flows: they know the stages only by name, through DVC."""
