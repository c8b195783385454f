import pytest

from morelike.core.errors import ParamsError
from morelike.core.settings import Params
from morelike.images.deep import Span
from morelike.storage.settings import Data

DATA = {"raw": "x", "range": "auto", "stack": "first", "background": "white"}


def data(**changes):
    return Params({"data": DATA | changes}).section("data", Data)


def test_a_range_is_left_to_the_set_or_given_in_bits_or_as_a_window():
    assert data().span is None
    assert data(range=12).span == Span(0.0, 4095.0)
    assert data(range=[-160, 240.5]).span == Span(-160.0, 240.5, clips=True)


@pytest.mark.parametrize(
    "value", ["Auto", 9, 12.0, True, None, [1], [1, 2, 3], [2, 1], [1, 1], [0, float("inf")], [0, "1"], [False, 1], {}]
)
def test_no_other_range_is_taken(value):
    with pytest.raises(ParamsError, match=r"data\.range: expected auto, 8, 10, 12, 14, 16, or \[low, high\]"):
        data(range=value)


def test_a_stack_is_its_first_image_or_its_slices():
    with pytest.raises(ParamsError, match=r"data\.stack.*'first' or 'slices'"):
        data(stack="all")
