"""Does it help? Classifiers trained with and without the synthetic images, compared on the untouched test split."""
