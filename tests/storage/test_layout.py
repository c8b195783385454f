"""What folders mean: the table in docs/your-images.md, and what else it says."""

import re
import unicodedata
from pathlib import Path

import pytest

from morelike.storage.errors import SourceError
from morelike.storage.layout import arrange
from morelike.storage.sources import Entry, open_source
from tests.raw_trees import fill, make_zip, placed, refused

PAGE = (Path(__file__).parents[2] / "docs/your-images.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("| Folders that hold images |")[2].partition("\n\n")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines()[2:]]


def folders(cell):
    return [name.strip("`") for name in cell.split(", ")]


def arranged(names, unwrap=False, **settings):
    entries = arrange(
        [Entry(f"{name}{number}.png") for number, name in enumerate(names)], Path("raw"), unwrap, **settings
    )
    return {entry.name.rpartition("/")[0] + "/": entry for entry in entries}


def expected(folder, label, split):
    """Return the label and split that a row of the table promises for the images in ``folder``."""
    parts = folder.strip("/").split("/")
    if "stray" in label and folder.startswith("more/"):
        return "", ""
    words = {"train": "train", "dev": "val", "val": "val", "test": "test"}
    of_split = next((short for word, short in words.items() for part in parts if part.startswith(word)), "")
    given = of_split if split.startswith("as given") or split == "drawn from train" else ""
    return {"top folder": parts[0], "folder in the split": parts[-1], "all": "all"}[label.partition(";")[0]], given


@pytest.mark.parametrize(("tree", "label", "split"), ROWS, ids=[row[0] for row in ROWS])
def test_folders_mean_what_the_page_says_or_are_asked_about(tree, label, split):
    if label.startswith("it asks"):
        with pytest.raises(SourceError, match=r"raw.*data\.labels: folders$"):
            arranged(folders(tree))
    else:
        found = arranged(folders(tree))
        assert {name: (entry.label, entry.split) for name, entry in found.items()} == {
            name: expected(name, label, split) for name in folders(tree)
        }
        assert [name for name, entry in found.items() if entry.code] == [n for n in found if n == "more/cat/"]


@pytest.mark.parametrize("tree", [row[0] for row in ROWS if not row[0].startswith("`set/")])
def test_a_way_out_is_always_that_top_folders_are_the_classes(tree):
    found = arranged(folders(tree), labels="folders")
    assert {(name, entry.label, entry.split, entry.code) for name, entry in found.items()} == {
        (name, name.partition("/")[0], "", "") for name in folders(tree)
    }


def test_the_question_names_the_folders():
    with pytest.raises(SourceError, match=r"part1/, part2/ all hold the folders cat/, dog/"):
        arranged(["part1/cat/", "part1/dog/", "part2/cat/", "part2/dog/"])
    with pytest.raises(SourceError, match=r"set data.raw to raw/a/b; if a/ is the only class"):
        arranged(["a/b/cat/", "a/b/dog/"])


def test_an_archive_is_looked_into_through_all_folders_around_its_classes(tmp_path):
    source = open_source(make_zip(tmp_path / "set.zip", "a/b/cat/1.png", "a/b/dog/2.png"))
    assert placed(source) == {"a/b/cat/1.png": ("cat", ""), "a/b/dog/2.png": ("dog", "")}
    with pytest.raises(SourceError, match="expected train/ beside test/"):
        open_source(make_zip(tmp_path / "test.zip", "a/test/cat/1.png", "a/test/dog/2.png")).entries()


def test_both_unicode_forms_of_a_name_are_one_class(tmp_path):
    forms = [unicodedata.normalize(form, "Café") for form in ("NFC", "NFD")]
    source = open_source(fill(tmp_path, *(f"{form}/1.png" for form in forms), "naïve/1.png"))
    assert {label for label, _ in placed(source).values()} == {forms[0], "naïve"}
    assert source.listing().notes == [f"both Unicode forms of {forms[0]} are one class"]


def test_backslashes_in_an_archive_part_folders():
    assert {entry.label for entry in arrange([Entry("cat\\1.png"), Entry("dog\\2.png")], Path("raw"), True)} == {
        "cat",
        "dog",
    }


def test_a_flat_folder_is_named_whole_though_it_has_a_dot(tmp_path):
    assert placed(open_source(fill(tmp_path / "moths.v2", "1.png"))) == {"1.png": ("moths.v2", "")}


def test_an_archive_among_the_images_is_named_as_one(tmp_path):
    source = open_source(fill(tmp_path, "cat/1.png", "cat/more.ZIP", "more.tar.gz"))
    found = {entry.name: (entry.code, entry.detail) for entry in source.entries() if entry.code}
    assert set(found) == {"cat/more.ZIP", "more.tar.gz"}
    assert all(code == "not_an_image" and re.search("an archive.*unpack it", detail) for code, detail in found.values())


def test_empty_folders_are_counted(tmp_path):
    for name in ("empty", "cat/empty", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    assert open_source(fill(tmp_path, "cat/1.png")).skipped() == {"empty folder": 2}


def test_a_folder_whose_name_cannot_be_a_label_is_a_finding_and_joined_letters_are_fine(tmp_path):
    persian = "\u0645\u06cc\u200c\u062e"  # with a zero-width non-joiner
    names = [f"{folder}/1.png" for folder in (persian, "a\nb", "a\x1b[31mb", "x" * 300)]
    source = open_source(make_zip(tmp_path / "a.zip", *names))
    assert placed(source) == {names[0]: (persian, "")}
    assert refused(source) == dict.fromkeys(names[1:], "no_label")
    assert {entry.label for entry in source.entries()} == {persian, ""}
