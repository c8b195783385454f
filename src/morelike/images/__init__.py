"""Arrays in, arrays out: decoding, colour, quality, noise, classical augmentation."""
