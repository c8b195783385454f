"""What the search is made of: the space, the study, the workers, and what is shown at the end."""
