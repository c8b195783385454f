import pytest

from morelike.storage import names


@pytest.mark.parametrize(
    ("labels", "folders"),
    [
        (["α", "b c"], ["α", "b c"]),
        (["a/b", "a\\b", "A_B"], ["a_b", "a_b-2", "A_B-3"]),
        ([".hidden", "__x", "end.", ".."], ["_hidden", "_x", "end_", "_"]),
        (["x" * 300], ["x" * 200]),
    ],
)
def test_folder_names_change_only_what_a_file_system_or_loader_cannot_hold(labels, folders):
    assert list(names.folder_names(labels).values()) == folders


def test_many_files_of_one_name_are_numbered_in_order():
    assert names.unlike(["1"] * 3 + ["1-2"]) == ["1", "1-2", "1-3", "1-2-2"]
    assert len(set(names.unlike(["same"] * 20_000))) == 20_000
