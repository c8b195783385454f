"""Prefect flows and the search: they know the stages only by name, through DVC."""
