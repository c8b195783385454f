"""tables: what people open holds no formula, what cannot be read names its file."""

import csv

import pandas as pd
import pytest

from morelike.core.errors import DamagedFile
from morelike.storage import tables

FORMULAS = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\uff1d1"]
PLAIN = ["a", "a=b", "-1", "+2.5", "-1e9", "", "'", "é", "a\u00a0b"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text_for_a_spreadsheet(tmp_path, text):
    table = pd.DataFrame({"file": ["a.png", text], "value": [-1.5, -2.0]})
    tables.write_csv(tmp_path / "t.csv", table)
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["file", "value"], ["a.png", "-1.5"], [f"'{text}", "-2.0"]]
    assert not tables.is_for_people(table)


def test_a_hidden_character_is_written_out_and_ends_no_row(tmp_path):
    tables.write_csv(tmp_path / "t.csv", pd.DataFrame({"file": ["\r=1+1,\n\u202egnp\x00"]}))
    assert (tmp_path / "t.csv").read_text() == 'file\n"\\r=1+1,\\n\\u202egnp\\x00"\n'


def test_other_texts_and_numbers_are_as_they_were(tmp_path):
    table = pd.DataFrame({"file": PLAIN, "value": range(len(PLAIN))})
    tables.write_csv(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_text() == table.to_csv(index=False, lineterminator="\n")
    assert tables.is_for_people(table)


def test_a_table_without_a_column_names_its_file_and_the_column(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"file": ["a"]}).to_parquet(path)
    assert tables.read(path, ["file"])["file"].tolist() == ["a"]
    with pytest.raises(DamagedFile, match=r"t\.parquet is damaged: expected a table in parquet with file, label, got"):
        tables.read(path, ["file", "label"])
    with pytest.raises(FileNotFoundError):
        tables.read(tmp_path / "none.parquet")
