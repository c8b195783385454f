"""The classifiers that judge, and how they are to be trained."""
