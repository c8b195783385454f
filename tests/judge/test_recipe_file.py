"""recipe.json: read back as it was written, or refused with the key that cannot be."""

import json

import pytest

from morelike.core.errors import DamagedFile
from morelike.judge import recipe_file
from morelike.judge.recipe_file import RecipeFile, Transforms
from morelike.storage.errors import StoreError
from tests.judging import RECIPE, TRAINING

WHOLE = RecipeFile(
    recipe=RECIPE,
    candidate=RECIPE,
    training=TRAINING,
    torchvision=Transforms(image=("v2.ToImage()",), batch=()),
    trials=({"nll": 0.25, "recipe": "real images alone"},),
)


@pytest.mark.parametrize("file", [WHOLE, RecipeFile(not_chosen="one class, and a classifier needs two")])
def test_what_is_written_is_read_back(tmp_path, file):
    recipe_file.write(file, tmp_path)
    assert recipe_file.read(tmp_path) == file


def test_a_folder_without_one_is_no_dataset_of_now(tmp_path):
    with pytest.raises(StoreError, match=r"no recipe here \(recipe.json is missing\); run `dvc repro`"):
        recipe_file.read(tmp_path)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda values: values.pop("version"), "the key version"),
        (lambda values: values.update(version=2), "version: Input should be 1"),
        (lambda values: values["recipe"].update(synthetic=1.5), "recipe.synthetic: .*less than or equal to 1"),
        (lambda values: values["recipe"]["augment"].update(elastic=-1), "recipe.augment.elastic: "),
        (lambda values: values["training"].pop("steps"), "training.steps: Field required"),
        (lambda values: values.update(more=1), "more: Extra inputs"),
        (lambda values: values.update(recipe=None), "the file: .*or else the reason why nothing was chosen"),
        (lambda values: values.update(not_chosen="why"), "the file: .*or else the reason"),
    ],
)
def test_a_damaged_one_names_the_file_the_key_and_the_remedy(tmp_path, damage, expected):
    recipe_file.write(WHOLE, tmp_path)
    path = tmp_path / "recipe.json"
    values = json.loads(path.read_text())
    damage(values)
    path.write_text(json.dumps(values))
    with pytest.raises(DamagedFile, match=f"recipe.json is damaged: expected {expected}.*dvc repro"):
        recipe_file.read(tmp_path)


def test_a_torn_one_is_refused(tmp_path):
    recipe_file.write(WHOLE, tmp_path)
    path = tmp_path / "recipe.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(DamagedFile, match="expected JSON"):
        recipe_file.read(tmp_path)
