import pytest

from morelike.storage import folders as class_folders


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
    assert list(class_folders.names(labels).values()) == folders
