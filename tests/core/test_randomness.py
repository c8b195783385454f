"""randomness: a pure function of seed and purpose, even and without ties between purposes."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelike.core import randomness

PURPOSE = st.lists(st.integers(0, 10**6) | st.text(st.characters(exclude_characters="\x1f"), max_size=8), max_size=4)


def test_a_stream_does_not_depend_on_the_global_state_or_on_other_streams():
    first = randomness.generator(1, "corrupt", 5).random(4)
    np.random.seed(0)
    randomness.generator(1, "corrupt", 6).random(100)
    assert (randomness.generator(1, "corrupt", 5).random(4) == first).all()


def test_a_stream_is_the_same_in_another_process():
    code = "from morelike.core import randomness; print(randomness.derived_seed(3, 'α', 7))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == randomness.derived_seed(3, "α", 7)


@given(st.integers(0, 2**31), PURPOSE, st.integers(0, 2**31), PURPOSE)
def test_seeds_are_equal_only_for_the_same_words(seed, purpose, other_seed, other_purpose):
    same = [str(word) for word in (seed, *purpose)] == [str(word) for word in (other_seed, *other_purpose)]
    equal = randomness.derived_seed(seed, *purpose) == randomness.derived_seed(other_seed, *other_purpose)
    assert equal == same


def test_words_do_not_run_into_each_other():
    assert randomness.derived_seed(0, "ab", "c") != randomness.derived_seed(0, "a", "bc")
    assert randomness.derived_seed(1, 23) != randomness.derived_seed(12, 3)


def test_every_seed_fits_a_signed_64_bit_integer():
    assert all(0 <= randomness.derived_seed(0, row) < 2**63 for row in range(1000))


def test_first_draws_of_neighbouring_rows_are_even_and_uncorrelated():
    draws = np.array([randomness.generator(0, "x", row).random() for row in range(4000)])
    assert draws.mean() == pytest.approx(0.5, abs=0.02)
    assert draws.var() == pytest.approx(1 / 12, rel=0.05)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.05
