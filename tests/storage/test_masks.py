"""masks: the file that lies beside an image, and nothing else, is its mask."""

import pytest

from morelike.storage.labels import Entry
from morelike.storage.masks import paired
from morelike.storage.sources import open_source


def result(*names):
    found = paired([Entry(name) for name in names])
    return {file.name: file.mask for file in found.files}, [file.name for file in found.alone]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("cat/x.jpg", "cat/x_mask.png"),
        ("cat/x.jpg", "cat/x.seg.png"),
        ("cat/x.jpg", "cat/x-seg.png"),
        ("cat/x.jpg", "cat/x_Segmentation.gif"),
        ("cat/x.y.jpg", "cat/x.y_label.png"),
        ("images/x.jpg", "masks/x.png"),
        ("Images/cat/x.jpg", "Masks/cat/x_mask.png"),
        ("train/imgs/cat/x.jpg", "train/labels/cat/x.png"),
        ("images/train/x.png", "annotations/train/x.png"),
        ("cat/images/x.jpg", "cat/masks/x.png"),
        ("cat/x.jpg", "cat/masks/x.png"),
        ("train/cat/1.png", "__masks__/train/cat/1.png"),
        ("VOC/JPEGImages/1.jpg", "VOC/SegmentationClass/1.png"),
    ],
)
def test_a_mask_is_found_by_its_ending_or_its_folder(image, mask):
    assert result(image, mask) == ({image: mask}, [])
    assert result(mask, image) == ({image: mask}, [])


@pytest.mark.parametrize(
    "names",
    [
        ("mask/1.png", "mask/2.png", "cat/1.png", "cat/2.png"),
        ("carnival/venice_mask.png", "carnival/rio_mask.png", "cat/1.png"),
        ("masks/cat/1.png", "labels/cat/1.png"),
        ("1.png", "mask/1.png", "mask/2.png", "mask/3.png"),
        ("face_mask.png",),
        ("images/1.png", "other/1.png"),
        ("cat/x.jpg", "cat/x_mask.txt"),
    ],
)
def test_a_class_or_an_image_that_is_merely_called_so_is_no_mask(names):
    assert result(*names) == (dict.fromkeys(names, ""), [])


def test_a_mask_without_an_image_and_a_second_one_are_alone_where_others_are_paired():
    names = ["cat/1.jpg", "cat/1_mask.png", "cat/2_mask.png", "cat/3.jpg", "dog/my_mask.png"]
    assert result(*names) == (
        {"cat/1.jpg": "cat/1_mask.png", "cat/3.jpg": "", "dog/my_mask.png": ""},
        ["cat/2_mask.png"],
    )
    assert result("1.jpg", "1_mask.png", "1_mask.gif")[1] == ["1_mask.png"]
    assert result("images/1.jpg", "masks/1.png", "masks/2.png") == ({"images/1.jpg": "masks/1.png"}, ["masks/2.png"])


def listed(root, names, pair_masks=True):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [(e.name, e.label, e.split, e.mask) for e in open_source(root).listing(pair_masks=pair_masks).entries]


@pytest.mark.parametrize(
    ("folder", "label", "split"),
    [
        ("images/", "set", ""),
        ("images/cat/", "cat", ""),
        ("train/images/", "all", "train"),
        ("images/train/cat/", "cat", "train"),
        ("cat/images/", "cat", ""),
        ("train/cat/images/", "cat", "train"),
    ],
)
def test_folders_that_tell_images_from_masks_are_no_labels(tmp_path, folder, label, split):
    others = [folder.replace("train", "val")] if split else []
    names = [f"{one}{row}.png" for one in [folder, *others] for row in range(2)]
    masks = [name.replace("images", "masks") for name in names]
    got = listed(tmp_path / "set", names + masks)
    assert [(name, mask) for name, _, _, mask in got] == sorted(zip(names, masks, strict=True))
    assert {(one, part) for name, one, part, _ in got if name.startswith(folder)} == {(label, split)}


def test_two_images_of_one_name_keep_their_names(tmp_path):
    names = ["images/1.png", "img/1.png", "1.png", "masks/1.png"]
    got = listed(tmp_path / "set", names)
    assert [name for name, _, _, _ in got] == sorted(names[:3])
    assert [mask for _, _, _, mask in got].count("masks/1.png") == 1


def test_with_masks_none_every_file_is_an_image(tmp_path):
    names = ["images/1.png", "masks/1.png"]
    assert listed(tmp_path, names, pair_masks=False) == [
        ("images/1.png", "images", "", ""),
        ("masks/1.png", "masks", "", ""),
    ]


def test_an_exported_dataset_with_masks_is_read_back_as_it_was(tmp_path):
    names = [f"{split}/{label}/{row}.png" for split in ("train", "val", "test") for label in "ab" for row in range(2)]
    got = listed(tmp_path, names + [f"__masks__/{name}" for name in names])
    assert got == sorted((name, name.split("/")[1], name.split("/")[0], f"__masks__/{name}") for name in names)
