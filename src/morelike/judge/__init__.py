"""The classifiers that judge images, and how certain their judgement is."""
