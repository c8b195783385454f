"""export: what is let in, where it lies, and that others can load it."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from morelike.core import compute, files, settings
from morelike.evaluate import evaluation
from morelike.export import export
from morelike.export.errors import ExportError
from morelike.export.settings import Export
from morelike.images import pixels
from morelike.report import page
from morelike.report.settings import Report
from morelike.storage import folders
from morelike.storage.shards import ShardStore, ShardWriter
from tests.judging import JUDGE, RECIPE, chooses

SETTINGS = Export(
    mix={"vae": 0.0, "dae": 1.0}, max_filtered_share=0.5, blank_std=0.02, palette_distance=0.25, copy_distance=0.02
)
PARAMS = settings.read(Path(__file__).parents[2] / "params.yaml")
os.environ["HF_HUB_OFFLINE"] = "1"


def noise_images(count, seed, centre=120):
    drawn = np.random.default_rng(seed).normal(centre, 25, (count, 9, 7, 3))
    return drawn.clip(0, 255).astype(np.uint8)


def write_store(folder, images, index):
    writer = ShardWriter(folder, *images.shape[1:])
    writer.append(images)
    writer.close(pd.DataFrame(index))


def write_real(folder, labels=("Alpha", "Beta"), per_split=(6, 2, 3), centre=120, attributes="{}"):
    splits = [split for split, count in zip(("train", "val", "test"), per_split, strict=True) for _ in range(count)]
    rows = [(label, split) for label in labels for split in splits]
    index = {
        "file": [f"{label}/{number}.jpg" for number, (label, _) in enumerate(rows)],
        "label": [label for label, _ in rows],
        "split": [split for _, split in rows],
        "sha256": [hashlib.sha256(str(number).encode()).hexdigest() for number in range(len(rows))],
        "given_group": "",
        "mask": "",
        "attributes": attributes,
    }
    images = noise_images(len(rows), seed=0, centre=centre)
    write_store(folder, images, index)
    return images


def write_synthetic(folder, images, labels, generator="dae", **columns):
    count = len(images)
    index = {
        "label": labels,
        "split": "train",
        "generator": generator,
        "method": "variations",
        "seed": range(count),
        "source_row": 0,
        "source_file": "Alpha/0.jpg",
        "source_sha256": "ab",
        "settings": json.dumps({"strength_sigma": 1.0}),
        "model_sha256": "f" * 64,
        "nearest_row": 0,
        "nearest_file": "Alpha/0.jpg",
        "nearest_distance": np.full(count, 0.2),
    }
    write_store(folder, images, index | columns)


@pytest.fixture
def rooms(tmp_path, monkeypatch):
    """Folders of the stages before export, with quarantine and real images, and cwd in a place of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "validated").mkdir()
    bad = {
        "file": ["x.jpg"],
        "label": ["Alpha"],
        "code": ["truncated"],
        "value": [np.nan],
        "limit": [0.0],
        "detail": [""],
    }
    pd.DataFrame(bad).to_parquet(tmp_path / "validated/quarantine.parquet")
    write_real(tmp_path / "resized")
    return tmp_path


def run(rooms, settings=SETTINGS, workers=1, out="augmented", models=("dae", "vae"), judging=None):
    sources = export.Sources(*(rooms / name for name in ("validated", "resized", "synthetic")), models)
    return export.write_augmented(sources, rooms / out, settings, judging or chooses(), rooms / "state", workers)


def with_mix(**mix):
    return SETTINGS.model_copy(update={"mix": mix})


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def exported(rooms):
    write_synthetic(rooms / "synthetic/dae", noise_images(8, seed=1), ["Alpha"] * 4 + ["Beta"] * 4)
    return rooms / "augmented", run(rooms)


def test_imagefolder_of_torchvision_loads_every_split(exported):
    from torchvision.datasets import ImageFolder

    for split, count in (("train", 12 + 8), ("val", 4), ("test", 6)):
        folder = ImageFolder(exported[0] / split)
        assert folder.classes == ["Alpha", "Beta"]
        assert len(folder) == count


def test_datasets_loads_images_and_labels_by_its_imagefolder(exported, tmp_path):
    import datasets

    loaded = datasets.load_dataset("imagefolder", data_dir=str(exported[0]), cache_dir=str(tmp_path / "hf"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 20, "validation": 4, "test": 6}
    row = loaded["train"][0]
    assert row["image"].size == (7, 9)
    assert set(loaded["train"]["label"]) == {"Alpha", "Beta"}
    assert sum(loaded["train"]["synthetic"]) == 8


def test_datasets_loads_the_folder_by_its_card_with_class_labels(exported, tmp_path):
    import datasets

    loaded = datasets.load_dataset(str(exported[0]), cache_dir=str(tmp_path / "hf"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 20, "validation": 4, "test": 6}
    assert loaded["train"].features["label"].names == ["Alpha", "Beta"]
    assert set(loaded["test"]["label"]) == {0, 1}


def test_class_names_that_look_like_numbers_or_nothing_come_back_as_they_are(rooms):
    import datasets

    labels = ("007", "None", "12")
    write_real(rooms / "resized", labels)
    write_synthetic(rooms / "synthetic/dae", noise_images(3, seed=1), list(labels))
    run(rooms)
    for number, asked in enumerate((("imagefolder", str(rooms / "augmented")), (str(rooms / "augmented"), None))):
        loaded = datasets.load_dataset(asked[0], data_dir=asked[1], cache_dir=str(rooms / f"hf{number}"))
        assert loaded["train"].features["label"].names == sorted(labels)
        assert sorted(loaded["train"]["label"]) == sorted([0, 1, 2] * 7)


def test_digits_as_classes_load_as_digits(rooms):
    import datasets

    write_real(rooms / "resized", ("3", "7"))
    write_synthetic(rooms / "synthetic/dae", noise_images(2, seed=1), ["3", "7"])
    run(rooms)
    by_folder = datasets.load_dataset(
        "imagefolder", data_dir=str(rooms / "augmented"), split="test", cache_dir=str(rooms / "hf")
    )
    assert sorted(set(by_folder["label"])) == [3, 7]
    by_card = datasets.load_dataset(str(rooms / "augmented"), split="test", cache_dir=str(rooms / "hf2"))
    assert by_card.features["label"].names == ["3", "7"]


def test_a_set_of_one_class_without_synthetic_images_loads(rooms):
    import datasets

    write_real(rooms / "resized", ("Alpha",))
    write_synthetic(rooms / "synthetic/dae", noise_images(0, seed=1), [])
    measured = run(rooms)
    assert "mean_colour_difference" not in measured
    assert measured["train_images_by_class"] == {"Alpha": {"real": measured["real"]["train"], "synthetic": 0}}
    loaded = datasets.load_dataset("imagefolder", data_dir=str(rooms / "augmented"), cache_dir=str(rooms / "hf"))
    assert set(loaded["train"]["label"]) == {"Alpha"}


def test_every_file_has_a_manifest_row_with_its_sha256_and_the_other_way_round(exported):
    out, _ = exported
    manifest = pd.read_parquet(out / "manifest.parquet")
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
    assert sorted(manifest["path"]) == found
    assert not manifest["path"].duplicated().any()
    for row in manifest.itertuples():
        assert hashlib.sha256((out / row.path).read_bytes()).hexdigest() == row.sha256
        assert row.path.split("/")[:2] == [row.split, row.label]


def test_metadata_of_a_split_names_its_files_and_no_others(exported):
    out, _ = exported
    for split in ("train", "val", "test"):
        metadata = pd.read_csv(out / split / "metadata.csv")
        assert sorted(metadata["file_name"]) == sorted(
            path.relative_to(out / split).as_posix() for path in (out / split).rglob("*.png")
        )
        assert (metadata["file_name"].str.split("/").str[0] == metadata["label"]).all()
        assert (metadata["synthetic"] == metadata["file_name"].str.contains("dae_")).all()


def test_val_and_test_hold_real_images_alone(exported):
    manifest = pd.read_parquet(exported[0] / "manifest.parquet")
    assert set(manifest.loc[manifest["synthetic"], "split"]) == {"train"}
    assert not any(
        path.name.startswith("dae") for split in ("val", "test") for path in (exported[0] / split).rglob("*")
    )


def test_pixels_come_through_unchanged(exported, rooms):
    out, _ = exported
    for generator, store in (("", "resized"), ("dae", "synthetic/dae")):
        images = ShardStore(rooms / store).read(range(len(ShardStore(rooms / store))))
        for path in out.rglob(f"{generator or 'real'}_*.png"):
            assert (pixels.decode(path.read_bytes()) == images[int(path.stem.split("_")[1])]).all()


def test_a_real_image_is_traced_to_its_raw_file_and_a_new_one_to_its_generator(exported, rooms):
    manifest = pd.read_parquet(exported[0] / "manifest.parquet")
    real = ShardStore(rooms / "resized").index
    for row in manifest.itertuples():
        number = int(row.path.rpartition("_")[2].removesuffix(".png"))
        if row.synthetic:
            assert (row.generator, row.method, row.seed, row.source_file) == (
                "dae",
                "variations",
                number,
                "Alpha/0.jpg",
            )
            assert row.nearest_distance == 0.2
        else:
            origin = real.loc[number]
            assert (row.source_file, row.source_sha256) == (origin["file"], origin["sha256"])
            assert (row.label, row.split) == (origin["label"], origin["split"])


def test_pixels_of_a_real_image_of_any_split_never_pass_nor_do_those_of_an_earlier_new_one(rooms):
    real = ShardStore(rooms / "resized")
    held_out = real.read([real.rows("test")[0]])
    new = noise_images(6, seed=1)
    images = np.concatenate([new, held_out, new[:1]])
    write_synthetic(rooms / "synthetic/dae", images, ["Alpha"] * 8)
    measured = run(rooms)
    assert measured["filtered"]["duplicate"] == 2
    filtered = pd.read_parquet(rooms / "augmented/filtered.parquet")
    assert list(filtered["row"]) == [6, 7]
    manifest = pd.read_parquet(rooms / "augmented/manifest.parquet")
    assert not manifest["sha256"].duplicated().any()


def test_the_mix_takes_its_share_of_each_class_from_each_model(rooms):
    write_synthetic(rooms / "synthetic/dae", noise_images(14, seed=1), ["Alpha"] * 10 + ["Beta"] * 4)
    write_synthetic(rooms / "synthetic/vae", noise_images(14, seed=2), ["Alpha"] * 10 + ["Beta"] * 4, "vae")
    measured = run(rooms, with_mix(vae=0.3, dae=0.7))
    assert measured["synthetic"] == {"train": 3 + 1 + 7 + 3, "dae": 10, "vae": 4}
    manifest = pd.read_parquet(rooms / "augmented/manifest.parquet")
    counts = manifest[manifest["synthetic"]].groupby(["generator", "label"]).size()
    assert counts.to_dict() == {("dae", "Alpha"): 7, ("dae", "Beta"): 3, ("vae", "Alpha"): 3, ("vae", "Beta"): 1}


def test_images_that_fail_are_replaced_by_later_ones_of_their_class(rooms):
    images = noise_images(10, seed=1)
    images[:3] = 90
    write_synthetic(rooms / "synthetic/dae", images, ["Alpha"] * 10)
    write_synthetic(rooms / "synthetic/vae", noise_images(2, seed=2), ["Beta"] * 2, "vae")
    run(rooms, with_mix(vae=0.5, dae=0.5))
    manifest = pd.read_parquet(rooms / "augmented/manifest.parquet")
    assert list(manifest.loc[manifest["generator"] == "dae", "seed"]) == [3, 4, 5, 6, 7]


def test_too_many_filtered_images_name_the_model_the_reasons_and_the_table(rooms):
    images = noise_images(8, seed=1)
    images[:5] = 90
    write_synthetic(rooms / "synthetic/dae", images, ["Alpha"] * 8)
    with pytest.raises(ExportError, match=r"dae: 5 of its 8 images fail .*blank 4.*duplicate|dae: 5 of its 8.*blank 5"):
        run(rooms)
    assert not (rooms / "augmented").exists()
    kept = pd.read_parquet(rooms / "state/export/filtered-dae.parquet")
    assert len(kept) == 5
    assert (kept["value"] < kept["limit"]).all()


def test_a_model_that_is_no_longer_trained_leaves_no_trace_though_its_folder_is_still_there(rooms):
    write_synthetic(rooms / "synthetic/dae", noise_images(4, seed=1), ["Alpha"] * 4)
    run(rooms, with_mix(dae=1.0), models=("dae",), out="before")
    write_synthetic(rooms / "synthetic/old", noise_images(4, seed=2), ["Alpha"] * 4, "old")
    run(rooms, with_mix(dae=1.0, old=0.0), models=("dae",))
    assert contents(rooms / "augmented") == contents(rooms / "before")
    assert not [path for path in (rooms / "augmented").rglob("*") if "old" in path.name]


def test_a_share_of_a_model_that_is_not_trained_names_the_share_and_the_models_that_are(rooms):
    write_synthetic(rooms / "synthetic/old", noise_images(4, seed=2), ["Alpha"] * 4, "old")
    said = r"export\.mix\.old is 0\.5, but neither train\.models nor .* names old; trained are dae, vae"
    with pytest.raises(ExportError, match=said):
        run(rooms, with_mix(dae=0.5, old=0.5))
    assert not (rooms / "augmented").exists()


def test_shares_of_nothing_give_the_real_images_alone_and_say_that_there_is_nothing_to_measure(rooms, monkeypatch):
    monkeypatch.setattr(compute, "cores", lambda: 1)
    write_synthetic(rooms / "synthetic/dae", noise_images(4, seed=1), ["Alpha"] * 4)
    nothing = Export(**SETTINGS.model_dump() | {"mix": {"vae": 0.0, "dae": 0.0}})
    measured = run(rooms, nothing, judging=chooses(RECIPE.at(0.0), candidate=None))
    assert (measured["real"], measured["synthetic"]) == ({"train": 12, "val": 4, "test": 6}, {"train": 0})
    assert set(measured["filtered"].values()) == {0}
    manifest = pd.read_parquet(rooms / "augmented/manifest.parquet")
    assert len(manifest) == 22
    assert not manifest["synthetic"].any()
    card = (rooms / "augmented/README.md").read_text()
    assert "22 real images and 0 synthetic ones of 2 classes" in card
    assert "There are no synthetic images in this set." in card
    kept = evaluation.Places(rooms / "state", rooms / "ledger.json")
    figures = evaluation.evaluate(rooms / "augmented", rooms / "evaluation", JUDGE, 0, kept)
    assert figures["verdict"] == "not measured: there are no synthetic images"
    files.write_json(rooms / "metrics/evaluate.json", figures)
    places = ("validated", "resized", "noisy", "models", "synthetic", "augmented", "evaluation", "metrics")
    inputs = page.Inputs(*(rooms / name for name in places), trained=("dae", "vae"))
    page.write(inputs, PARAMS.section("report", Report), PARAMS.values, rooms, rooms / "index.html")
    assert "Not measured: there are no synthetic images." in (rooms / "index.html").read_text()


def test_a_model_that_was_asked_for_no_image_adds_none(rooms):
    write_synthetic(rooms / "synthetic/dae", noise_images(0, seed=1), [])
    assert len(ShardStore(rooms / "synthetic/dae")) == 0
    measured = run(rooms)
    assert measured["synthetic"] == {"train": 0}
    assert pd.read_parquet(rooms / "augmented/filtered.parquet").empty
    write_synthetic(rooms / "synthetic/vae", noise_images(2, seed=2), ["Alpha", "Beta"], "vae")
    assert run(rooms, with_mix(vae=0.5, dae=0.5))["synthetic"] == {"train": 2, "vae": 2}


def test_images_of_another_size_or_label_are_refused(rooms):
    write_synthetic(rooms / "synthetic/dae", noise_images(2, seed=1)[:, :8], ["Alpha"] * 2)
    with pytest.raises(ExportError, match=r"expected images of 9×7×3 .*got 8×7×3"):
        run(rooms)
    write_synthetic(rooms / "synthetic/dae2", noise_images(2, seed=1), ["Gamma"] * 2)
    (rooms / "synthetic/dae").rename(rooms / "synthetic/old")
    (rooms / "synthetic/dae2").rename(rooms / "synthetic/dae")
    with pytest.raises(ExportError, match="no real train image has the label 'Gamma'"):
        run(rooms)


def test_two_runs_with_one_and_two_workers_are_byte_identical(rooms):
    write_real(rooms / "resized", per_split=(60, 4, 8))
    write_synthetic(rooms / "synthetic/dae", noise_images(8, seed=1), ["Alpha"] * 8)
    run(rooms, workers=1, out="once")
    run(rooms, workers=2, out="twice")
    assert contents(rooms / "once") == contents(rooms / "twice")


def test_the_mean_colour_difference_is_the_shift_that_was_made(rooms):
    write_synthetic(rooms / "synthetic/dae", noise_images(40, seed=1, centre=140), ["Alpha"] * 40)
    measured = run(rooms)
    real, new = ShardStore(rooms / "resized"), ShardStore(rooms / "synthetic/dae")
    real_colour, new_colour = (
        store.read(store.rows("train")).reshape(-1, 3).mean(axis=0) / 255 for store in (real, new)
    )
    assert measured["mean_colour_real"] == pytest.approx(real_colour)
    assert measured["mean_colour_synthetic"] == pytest.approx(new_colour)
    assert measured["mean_colour_difference"] == pytest.approx(np.abs(real_colour - new_colour).max())
    assert measured["mean_colour_difference"] == pytest.approx(20 / 255, abs=0.02)


@pytest.mark.parametrize("label", ["=cmd|' /C calc'!A0", "a\u202egnp\x1b[2J"])
def test_a_label_that_would_run_or_hide_is_written_out_and_kept_in_the_manifest(rooms, label):
    write_real(rooms / "resized", (label, "CON"))
    write_synthetic(rooms / "synthetic/dae", noise_images(1, seed=1), [label])
    run(rooms)
    out = rooms / "augmented"
    manifest = pd.read_parquet(out / "manifest.parquet")
    assert set(manifest["label"]) == {label, "CON"}
    assert {path.name for path in (out / "train").iterdir()} == {
        *folders.names([label]).values(),
        "_CON",
        "provenance.csv",
    }
    for row in manifest.itertuples():
        assert (out / row.path).is_file()
        assert row.path.isprintable()
    for text in [(out / "train/provenance.csv").read_text(), (out / "README.md").read_text().partition("\n---\n")[2]]:
        assert not any(cell.startswith("=") for line in text.splitlines() for cell in line.split(","))
        assert text.replace("\n", "").isprintable()


def test_the_card_counts_what_is_there_and_escapes_class_names(rooms):
    write_real(rooms / "resized", ("a|b", "<b>"))
    write_synthetic(rooms / "synthetic/dae", noise_images(3, seed=1), ["a|b"] * 3)
    run(rooms)
    card = (rooms / "augmented/README.md").read_text()
    assert "| a\\|b | 6 | 3 | 2 | 3 |" in card
    assert "| &lt;b> | 6 | 0 | 2 | 3 |" in card
    assert "truncated 1" in card
    assert "strength_sigma 1.0" in card
