"""Labels from tables: every form, what a row may say, and what is wrong with it."""

import contextlib
import json
import time
import unicodedata
import zipfile

import numpy as np
import pandas as pd
import pytest

from morelike.storage import labelling
from morelike.storage.errors import SourceError
from morelike.storage.labels import Entry
from morelike.storage.sources import open_source
from tests.raw_trees import fill, make_tar, placed, refused

ROWS = [("1.png", "007", "train"), ("2.png", "None", "test")]
GIVEN = {"1.png": ("007", "train"), "2.png": ("None", "test")}
CSV = "file_name,label,split\n1.png,007,train\n2.png,None,test\n"


def frame():
    return pd.DataFrame(ROWS, columns=["file_name", "label", "split"])


def parquet():
    return frame().to_parquet()


def json_lines():
    return frame().to_json(orient="records", lines=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", CSV),
        ("metadata.csv", CSV.replace(",", ";")),
        ("labels.tsv", CSV.replace(",", "\t")),
        ("Labels.CSV", CSV.replace("\n", "\r\n").encode("utf-8-sig")),
        ("metadata.csv", CSV.encode("utf-16")),
        ("labels.csv", CSV.replace("file_name", "Path").replace("label", " Class")),
        ("metadata.jsonl", json_lines),
        ("metadata.parquet", parquet),
    ],
)
def test_every_form_of_table_gives_the_same(tmp_path, name, content):
    content = content() if callable(content) else content
    source = open_source(fill(tmp_path, "1.png", "2.png", **{name.replace(".", "__"): content}))
    assert placed(source) == GIVEN
    assert source.skipped() == {"table": 1}
    assert name in source.listing().notes[0]


@pytest.mark.parametrize("column", ["id", "image_id", "file_name"])
def test_an_id_names_the_one_image_that_is_called_so_but_for_the_ending(tmp_path, column):
    table = f"{column},label\n1,cat\nb.2,dog\n3,emu\n4.x,fox\n"
    source = open_source(fill(tmp_path, "1.png", "b.2.jpg", "3.png", "3.jpg", "4.x", "4.x.png", labels__csv=table))
    assert placed(source) == {"1.png": ("cat", ""), "b.2.jpg": ("dog", ""), "4.x": ("fox", "")}
    assert refused(source) == {"3": "missing", "3.png": "no_label", "3.jpg": "no_label", "4.x.png": "no_label"}


def test_a_table_in_a_zip_a_tar_or_a_shard_counts_too(tmp_path):
    folder = fill(tmp_path / "set", "1.png", "2.png", labels__csv=CSV)
    for name in ("set.tar", "shards/0.tar"):
        make_tar(tmp_path / name, "1.png", "2.png", labels__csv=CSV.encode())
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"./set/{path.name}")
    assert placed(open_source(tmp_path / "set.tar")) == GIVEN
    assert placed(open_source(tmp_path / "set.zip")) == {f"set/{name}": given for name, given in GIVEN.items()}
    assert placed(open_source(tmp_path / "shards")) == {f"0.tar/{name}": given for name, given in GIVEN.items()}


def test_further_columns_become_attributes_of_strings(tmp_path):
    rows = [{"file_name": "1.png", "label": 3, "patient": "A", "age": 41.0, "box": [1, 2], "note": None}]
    text = "\n".join(map(json.dumps, rows))
    (entry,) = open_source(fill(tmp_path, "1.png", metadata__jsonl=text)).entries()
    assert entry.label == "3"
    assert entry.attributes == '{"age": "41", "box": "[1, 2]", "note": "", "patient": "A"}'


def test_a_table_comes_before_folders_and_its_split_before_a_split_folder(tmp_path):
    table = "file_name,label,split\ntrain/cat/1.png,lynx,test\ntest/cat/2.png,lynx,\n"
    source = open_source(fill(tmp_path, "train/cat/1.png", "test/cat/2.png", labels__csv=table))
    assert placed(source) == {"train/cat/1.png": ("lynx", "test"), "test/cat/2.png": ("lynx", "test")}
    assert source.listing().notes == ["labels, not the folders', from labels.csv"]
    by_folders = placed(source, labels="folders")
    assert (by_folders["train/cat/1.png"], by_folders["test/cat/2.png"]) == (("train", ""), ("test", ""))


def test_a_table_of_hugging_face_lies_in_each_split(tmp_path):
    for split in ("train", "test"):
        fill(tmp_path / split, "1.png", metadata__csv="file_name,label\n1.png,cat\n")
    assert placed(open_source(tmp_path)) == {"train/1.png": ("cat", "train"), "test/1.png": ("cat", "test")}


def test_a_table_without_labels_leaves_them_to_the_folders(tmp_path):
    table = "file_name,patient\ncat/1.png,A\n"
    entries = open_source(fill(tmp_path, "cat/1.png", "dog/2.png", metadata__csv=table)).entries()
    assert [(entry.label, entry.attributes, entry.code) for entry in entries] == [
        ("cat", '{"patient": "A"}', ""),
        ("dog", "{}", ""),
    ]


def test_a_table_of_any_name_is_found_by_its_path_and_may_name_files_from_the_root(tmp_path):
    fill(tmp_path / "notes", my__csv="image;cls\nimages/1.png;cat\n..\\images\\2.png;dog\n")
    source = open_source(fill(tmp_path, "images/1.png", "images/2.png"))
    assert placed(source, labels="notes/my.csv") == {"images/1.png": ("cat", ""), "images/2.png": ("dog", "")}
    with pytest.raises(SourceError, match=r"data.labels: .*inside .*got 'nowhere.csv'"):
        source.listing("nowhere.csv")


def test_both_unicode_forms_of_a_name_are_one_file(tmp_path):
    on_disk, written = (unicodedata.normalize(form, "é.png") for form in ("NFD", "NFC"))
    source = open_source(
        fill(tmp_path, on_disk, labels__csv=f"file,label\n{written},{unicodedata.normalize('NFD', 'é')}\n")
    )
    assert placed(source) == {on_disk: ("é", "")}


@pytest.mark.parametrize(
    ("row", "name", "code", "why"),
    [
        ("", "2.png", "no_label", "no table of labels names it"),
        ("2.png,", "2.png", "no_label", "it is empty"),
        ("2.png,../x", "2.png", "no_label", "cannot name a folder"),
        ("2.png,a\x1bb", "2.png", "no_label", "cannot name a folder"),
        (f"2.png,{'x' * 257}", "2.png", "no_label", "257 bytes, limit 256"),
        ("2.png,cat\n2.png,dog", "2.png", "no_label", "line 4: label 'dog', an earlier row says 'cat'"),
        ("2.png,cat\n3.png,cat", "3.png", "missing", "labels.csv, line 4: no such file"),
        ("2.png,cat\n../../x.png,cat", "../../x.png", "member_escapes", "line 4: its path leads out"),
        ("2.png,cat\n/etc/x.png,cat", "/etc/x.png", "member_escapes", "line 4: its path leads out"),
        ("2.png,cat\nC:\\x.png,cat", "C:/x.png", "member_escapes", "line 4: its path leads out"),
    ],
)
def test_a_row_that_cannot_be_used_is_a_finding_of_its_file(tmp_path, row, name, code, why):
    source = open_source(fill(tmp_path, "1.png", "2.png", labels__csv=f"file_name,label\n1.png,cat\n{row}\n"))
    found = {entry.name: (entry.code, entry.detail) for entry in source.entries() if entry.code}
    assert list(found) == [name]
    assert found[name][0] == code
    assert why in found[name][1]
    assert "1.png" in placed(source)


def test_a_table_that_may_not_be_read_is_not_passed_over(tmp_path):
    fill(tmp_path / "raw", "cat/1.png")
    (tmp_path / "raw/labels.csv").symlink_to(fill(tmp_path / "outside", my__csv=CSV) / "my.csv")
    with pytest.raises(
        SourceError, match=r"labels\.csv: expected a table of labels, got a file with the fault link_out"
    ):
        open_source(tmp_path / "raw").entries()


def test_a_row_twice_is_no_fault(tmp_path):
    source = open_source(fill(tmp_path, "1.png", labels__csv="file_name,label\n1.png,cat\n1.png,cat\n"))
    assert placed(source) == {"1.png": ("cat", "")}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("name,label\n1.png,cat\n", r"expected a column file_name .*got 'name', 'label'; rename"),
        ("", r"expected a column file_name .*got nothing"),
        ("file_name,label\n", "got no rows"),
        ("file_name,label\nhome/a/1.png,cat\n", r"such as '1\.png', got none of 1 rows.*'home/a/1\.png'"),
        ("file_name,label\n1.png,cat,dog\n", r"line 2: expected 2 values, got 3; put quotes"),
        ('file_name,label\n1.png,"cat\n', r"line 3: cannot be read: unexpected end of data"),
        ("file_name,label,split\n1.png,cat,extra\n", r"line 2: expected the split train, val or test, .*'extra'"),
        ("file_name,label\n1.png,café\n".encode("latin-1"), r"cannot be read: 'utf-8' codec.*; save it as UTF-8"),
        (b"file_name,label\n1.png," + b"x" * 200_000, r"cannot be read: field larger"),
    ],
)
def test_a_table_that_cannot_be_used_says_why_in_one_line(tmp_path, content, why):
    source = open_source(fill(tmp_path, "1.png", labels__csv=content))
    with pytest.raises(SourceError, match=rf"labels\.csv: .*{why}") as caught:
        source.entries()
    assert "\n" not in str(caught.value)
    assert placed(source, labels="folders")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels__jsonl", '{"file_name": "1.png"\n'),
        ("labels__jsonl", "[1]\n"),
        ("labels__jsonl", "[" * 100_000),
        ("labels__parquet", b"PAR1"),
        ("labels__parquet", b""),
        ("labels__parquet", lambda: parquet().replace(b"007", b"\xff07")),
    ],
)
def test_damaged_json_and_parquet_are_refused(tmp_path, name, content):
    content = content() if callable(content) else content
    with pytest.raises(SourceError, match=r"labels\.\w+: line \d: (cannot be read|expected a JSON object)"):
        open_source(fill(tmp_path, "1.png", **{name: content})).entries()


@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl", "labels.parquet"])
def test_damage_anywhere_in_a_table_is_refused_or_a_finding(tmp_path, name):
    whole = {"labels.csv": CSV.encode(), "labels.jsonl": json_lines().encode(), "labels.parquet": parquet()}[name]
    source = open_source(fill(tmp_path, "1.png", "2.png"))
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 150):
        (tmp_path / name).write_bytes(whole[:at] + rng.bytes(1) + whole[at + rng.integers(0, 3) :])
        with contextlib.suppress(SourceError):
            entries = source.entries()
            assert all(entry.label or entry.code for entry in entries if entry.name.endswith(".png"))


def test_a_name_that_no_file_system_can_hold_does_not_crash(tmp_path):
    table = '{"file_name": "\\ud800.png", "label": "\\ud800"}\n{"file_name": "1.png", "label": "a\\ud800"}\n'
    source = open_source(fill(tmp_path, "1.png", labels__jsonl=table))
    assert refused(source) == {"1.png": "no_label", "\\ud800.png": "missing"}
    for entry in source.entries():
        f"{entry}".encode()


def test_the_time_grows_with_the_rows_and_no_faster():
    def seconds(count):
        files = [Entry(f"images/{row}.png") for row in range(count)] + [Entry("labels.csv")]
        table = "file_name,label,age\n" + "".join(f"images/{row}.png,c{row % 7},{row}\n" for row in range(count))
        start = time.process_time()
        labelled = labelling.from_tables(files, "auto", lambda _: table.encode(), "raw")
        assert len(labelled.files) == count
        return time.process_time() - start

    seconds(1000)
    assert seconds(20_000) < 40 * max(seconds(2000), 0.005)
