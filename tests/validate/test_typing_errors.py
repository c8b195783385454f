import itertools

import pandas as pd
import pytest

from morelike.validate import typing_errors

GREEK = [
    *("Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta", "Eta", "Theta", "Iota", "Kappa", "Lambda", "Mu"),
    *("Nu", "Xi", "Omicron", "Pi", "Rho", "Sigma", "Tau", "Upsilon", "Phi", "Chi", "Psi", "Omega"),
]
CALTECH = ["Faces_easy", "ceiling_fan", "cup", "dollar_bill", "laptop", "pizza", "scissors"]
NUMBERED = [*map(str, range(10)), *(f"class{number}" for number in range(30)), "n01440764", "n01440765", "img1", "img2"]


@pytest.mark.parametrize("slip", ["Lamba", "Lambdaa", "Lambba", "Lamdba", "lamba"])
def test_one_letter_less_more_other_or_two_exchanged_in_a_small_class_is_named(slip):
    labels = pd.Series(["Lambda"] * 38 + [slip] + ["Kappa"] * 50)
    (found,) = typing_errors.likely(labels, 0.1).to_dict("records")
    assert (found["code"], found["label"], found["value"]) == ("label_typo", slip, pytest.approx(1 / 38))
    assert found["detail"] == f"{slip!r} (1 images) is one typing error from 'Lambda' (38 images)"


@pytest.mark.parametrize("names", [GREEK, CALTECH, NUMBERED], ids=["letters", "caltech", "numbers"])
def test_real_names_of_classes_are_no_typing_errors_whichever_is_rare(names):
    for rare in names:
        assert typing_errors.pairs(dict.fromkeys(names, 1000) | {rare: 1}, 0.1) == {}


def test_two_large_classes_are_two_classes():
    assert typing_errors.pairs({"Lambda": 38, "Lamba": 4}, 0.1) == {}
    assert typing_errors.pairs({"Lambda": 40, "Lamba": 4}, 0.1) == {"Lamba": "Lambda"}


def test_pairs_are_those_that_comparing_all_with_all_finds():
    names = {
        "".join(letters): 1 + 1000 * (letters[-1] == "a") for letters in itertools.product("b", "ab", "ab", "abc", "ab")
    }
    by_hand = {
        name: {
            other for other in names if names[name] * 10 <= names[other] and typing_errors.one_error_apart(name, other)
        }
        for name in names
    }
    found = typing_errors.pairs(names, 0.1)
    assert set(found) == {name for name, others in by_hand.items() if others}
    assert all(found[name] in by_hand[name] for name in found)
