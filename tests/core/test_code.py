"""Which files a module depends on, against grimp, which reads imports by other means."""

import grimp
import pytest

from morelike.core import code


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("morelike", cache_dir=None, exclude_type_checking_imports=True)


@pytest.mark.parametrize(
    "module", ["train.images", "validate.run", "export.export", "evaluate.evaluation", "report.page", "corrupt.corrupt"]
)
def test_the_sources_of_a_module_are_those_that_grimp_finds(graph, module):
    name = f"morelike.{module}"
    theirs = {code.file_of(one) for one in {name, *graph.find_upstream_modules(name)}}
    assert code.sources(name) == {path for path in theirs if path.name != "__init__.py" or code.holds_code(path)}


def test_a_digest_changes_with_a_file_that_is_reached_and_with_no_other(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("def f():\n    from morelike import b\n")
    (tmp_path / "b.py").write_text("x = 1\n")
    (tmp_path / "c.py").write_text("y = 1\n")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    before = code.digest("morelike.a")
    (tmp_path / "c.py").write_text("y = 2\n")
    assert code.digest("morelike.a") == before
    (tmp_path / "b.py").write_text("x = 2\n")
    assert code.digest("morelike.a") != before
