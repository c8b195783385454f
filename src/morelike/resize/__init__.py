"""One size and one colour mode for all images, and the proof that a model can read them."""
