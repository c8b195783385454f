"""The one training loop of all models: :func:`morelike.training.engine.train`."""
