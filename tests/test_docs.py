"""The documents name what there is, and nothing that there is not."""

import ast
import html
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import dvc
import pytest
import yaml
from mkdocs.exceptions import PluginError
from pydantic import Field

from morelike.core.settings import Section
from morelike.export import filters, rows
from morelike.images import noise
from morelike.train.checks import CHECKS
from morelike.validate.codes import CODES

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "src/morelike"
ROOMS = sorted(path.parent.name for path in LIBRARY.glob("*/__init__.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
DOCUMENTS = {"README.md": README, "ARCHITECTURE.md": ARCHITECTURE} | PAGES
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
DVC_STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)
WHOLE = {"validate.codes", "corrupt.recipes", "export.mix", "search.space"}  # one row for all that is inside
KINDS = [get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(noise.NoiseStep)[0])]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def dotted(values: dict, prefix: str = "") -> list[str]:
    """Name every setting, with the ones that the table explains as a whole left whole."""
    names = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        names += dotted(value, f"{name}.") if isinstance(value, dict) and name not in WHOLE else [name]
    return names


def tracked(*patterns: str) -> list[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    return subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


def quoted(text: str) -> list[str]:
    """Return what stands in backticks, but for blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built strictly: a dead link, a dead anchor or a page that the navigation lacks is an error."""
    out = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def first_cells(site: Path, page: str) -> list[str]:
    """Return the code in the first cells of the tables of a built page."""
    text = (site / f"{page}.html").read_text(encoding="utf-8")
    return [html.unescape(cell) for cell in re.findall(r"<tr>\s*<td><code>([^<]*)</code></td>", text)]


def test_the_site_has_a_row_for_every_setting_and_none_for_another(site):
    rows = first_cells(site, "settings")
    assert len(rows) == len(set(rows))
    assert set(rows) == set(dotted(PARAMS))


def test_a_setting_without_a_description_fails_the_build(hooks):
    class Explained(Section):
        """A section."""

        width_px: int = Field(description="pixels")

    class Silent(Explained):
        """A section."""

        height_px: int

    assert "| `width_px` | a whole number | pixels |" in hooks.field_table(Explained)
    with pytest.raises(PluginError, match=r"Silent\.height_px has no description"):
        hooks.field_table(Silent)


def test_the_site_has_a_row_for_every_fault_with_its_rule(site, hooks):
    assert first_cells(site, "faults")[3:] == [name for name in CODES if name in PARAMS["validate"]["codes"]]
    rows = {row.split(" | ")[0]: row for row in hooks.faults().splitlines()}
    for name, rule in PARAMS["validate"]["codes"].items():
        assert f"| {rule['policy']} |" in rows[f"| `{name}`"]
        assert f"| {rule.get('at_most', '')} |" in rows[f"| `{name}`"]
        assert CODES[name].about.replace("*", r"\*") in rows[f"| `{name}`"]


def test_the_site_has_a_row_for_every_kind_of_noise_check_stage_command_and_filter(site):
    assert first_cells(site, "noise") == KINDS
    assert first_cells(site, "checks") == list(CHECKS)
    assert sorted(first_cells(site, "stages")) == STAGES
    assert first_cells(site, "develop") == [f"make {target}" for target in TARGETS]
    assert set(first_cells(site, "dataset")) == {*rows.MANIFEST, *filters.FILTERS}


def test_every_table_that_is_made_stands_in_a_page(hooks):
    assert {name for text in PAGES.values() for name in hooks.MARK.findall(text)} == set(hooks.TABLES)


def test_the_words_of_bounds(hooks):
    assert hooks.allowed({"type": "number", "exclusiveMinimum": 0, "maximum": 1}) == "a number above 0, at most 1"
    assert hooks.allowed({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}]}) == (
        "`auto` or a whole number from 1"
    )
    assert hooks.allowed({"anyOf": [{"type": "integer"}, {"type": "number"}]}) == "a number"
    assert "or text such as `5%` or `null`" in hooks.TABLES["fault_rule"]()
    assert hooks.words("Add ``std``, see :func:`apply`.\n\nMore.") == "Add `std`, see `apply`."


def test_the_built_pages_load_nothing_from_elsewhere(site):
    loads = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)\s*=\s*[\"']?((?:https?:)?//[^\"'\s>]*)")
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    assert not [(page.name, loads.findall(text)) for page in pages if loads.findall(text := page.read_text("utf-8"))]
    styles = [text for path in site.rglob("*.css") if "//" in (text := path.read_text("utf-8"))]
    assert not [text for text in styles if re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text)]
    assert '<script src="javascripts/iframe-worker.js">' in (site / "index.html").read_text("utf-8")


def test_the_readme_is_a_page_with_a_picture_two_commands_and_one_table_of_results():
    assert len(README.splitlines()) <= 130
    assert re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README) == ["docs/letters.png"]
    assert {"make repro", "make test"} <= {line.split("  ")[0] for line in README.splitlines()}
    assert len(re.findall(r"^\|[ -|]+\|\n(?:\|.*\n)+", README, re.MULTILINE)) == 1
    assert "balanced accuracy" in README


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md"])
def test_links_of_the_documents_outside_the_site_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#]+)", DOCUMENTS[name])
    assert not [link for link in links if not (ROOT / link).is_file()]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_no_command_that_is_not_there(name):
    text = DOCUMENTS[name]
    assert set(re.findall(r"(?<=[`\n])make ([a-z-]+)", text)) <= set(TARGETS)
    assert set(re.findall(r"python -m stages\.(\w+)", text)) <= set(STAGES)
    for module in re.findall(r"python -m (flows\.\w+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
    repros = [stage for stage in re.findall(r"dvc repro ([\w@-]+)", text) if not stage.isupper()]
    assert {stage.split("@")[0] for stage in repros} <= set(DVC_STAGES)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_no_setting_that_is_not_there(name):
    known = set(dotted(PARAMS))
    prefixes = {".".join(key.split(".")[:depth]) for key in known for depth in range(1, 4)}
    named = [re.match(r"[\w.]+", text)[0] for text in quoted(DOCUMENTS[name]) if re.match(r"[a-z_]+\.\w", text)]
    named += re.findall(r"-S ([a-z_.]+)=", DOCUMENTS[name])
    for key in named:
        is_a_key = key.split(".")[0] in PARAMS and not re.search(r"[A-Z]|\.(yaml|py|json|csv)\b", key)
        inside = any(key.startswith(f"{whole}.") for whole in WHOLE)
        assert not is_a_key or inside or key in known | prefixes, f"{name} names {key}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_no_file_that_is_not_there(name):
    files = tracked()
    outs = [out for stage in DVC_STAGES.values() for out in stage["outs"] + stage.get("metrics", [])]
    written = [out.split("$")[0].rstrip("/") for out in outs] + ["data/augmented", "reports/search", "data/demo"]
    for text in quoted(DOCUMENTS[name]):
        if re.fullmatch(r"(?:flows|stages|src|tests|docs|benchmarks)/[\w./-]*", text):
            example = ROOT / "docs" / "examples" / Path(text).name
            assert (ROOT / text).exists() or example.is_file(), f"{name} names {text}"
        elif re.fullmatch(rf"(?:{'|'.join(ROOMS)})/[\w.]*", text):
            assert (LIBRARY / text).exists(), f"{name} names {text}"
        elif re.fullmatch(r"[\w-]+\.(?:py|yaml|toml|md)", text):
            assert any(Path(file).name == text for file in files), f"{name} names {text}"
        elif re.fullmatch(r"(?:data|reports)/[\w./-]+", text):
            lies = [out for out in written if text.startswith(out) or out.startswith(text.rstrip("/"))]
            assert lies, f"{name} names {text}, which no stage writes"


def test_architecture_is_one_page():
    assert len(ARCHITECTURE.splitlines()) <= 70
    named = [text for text in quoted(ARCHITECTURE) if re.match(rf"(?:flows|stages|src|tests|{'|'.join(ROOMS)})/", text)]
    assert len(named) > 20


def templates(text: str) -> list[str]:
    """Return what Python code can say: its strings but for docstrings, with ``\\ufffd`` for what is filled in."""
    tree, said = ast.parse(text), []
    not_said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            said.append("".join(part.value if isinstance(part, ast.Constant) else "\ufffd" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in not_said:
            said.append(node.value)
    return said


def pattern(line: str) -> re.Pattern:
    """Return what matches a quoted line: `...` and words in capitals stand for anything, the rest for itself."""
    fixed = re.split(r"\.\.\.|\b[A-Z]{3,}\b", line)
    return re.compile(".+?".join(re.escape(part) for part in fixed), re.DOTALL)


def quoted_errors(head: str) -> list[str]:
    """Return the first quoted line of each row of a table of what can go wrong."""
    rows = PAGES["what-can-go-wrong.md"].split(f"| {head} |")[1].split("\n\n")[0].splitlines()[2:]
    return [quoted(row.split("|")[1])[0] for row in rows]


@pytest.fixture(scope="module")
def our_strings():
    paths = [path for folder in ("src", "stages", "flows") for path in (ROOT / folder).rglob("*.py")]
    return [said for path in paths for said in templates(path.read_text("utf-8"))] + MAKEFILE.splitlines()


@pytest.mark.parametrize("line", quoted_errors("it says"))
def test_every_error_line_of_the_docs_is_said_by_the_code(line, our_strings):
    assert re.search(r"[a-z]{2}", re.sub(r"\b[A-Z]{3,}\b", "", line)), "nothing in it is fixed"
    assert any(pattern(line).search(said) for said in our_strings)


@pytest.mark.parametrize("line", quoted_errors("DVC says"))
def test_every_error_line_of_dvc_in_the_docs_is_said_by_dvc(line):
    package = Path(dvc.__file__).parent
    code = [(package / name).read_text("utf-8") for name in ("lock.py", "stage/exceptions.py")]
    said = " ".join(one for text in code for one in templates(text))
    fixed = [part for part in re.split(r"\.\.\.|-9", line) if part.strip(" ,")]
    assert fixed
    assert all(part.strip() in said for part in fixed)


def test_a_made_up_error_line_is_not_taken_for_one_of_the_code(our_strings):
    for line in ("CHECK: NAME has gone astray", "FILE: KEY: expected ..., but found ...", "is damaged beyond repair"):
        assert not any(pattern(line).search(said) for said in our_strings)


def test_no_tracked_file_holds_the_address_of_a_package_index():
    host = re.compile(
        "|".join(["py" + r"pi\.org", "python" + r"hosted\.org", r"--(extra-)?index" + "-url[ =]", "/sim" + "ple/"])
    )
    texts = {
        name: (ROOT / name).read_bytes().decode("utf-8", "replace") for name in tracked() if (ROOT / name).is_file()
    }
    assert not [name for name, text in texts.items() if host.search(text)]


def test_every_pin_is_exact_and_has_no_address():
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert len(pins) > 100
    bad = [pin for pin in pins if not re.fullmatch(r'[a-z0-9-]+==[\w.]+( ; sys_platform == "linux")?', pin)]
    assert not bad


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_stage_called_by_hand_is_given_all_that_it_asks_for(name):
    for stage, options in re.findall(r"-m stages\.(\w+)((?:\\\n|[^\n`#])*)", DOCUMENTS[name]):
        if options.strip() in ("--help", "") or "--explain" in options or "..." in options:
            continue
        asked = inspect.signature(importlib.import_module(f"stages.{stage}").main).parameters.values()
        wanted = {f"--{one.name.replace('_', '-')}" for one in asked if one.default is inspect.Parameter.empty}
        assert wanted <= set(options.split()), f"{name}: stages.{stage}"
