"""Who may know whom, and the code's one form."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from tests import dvc_deps

ROOT = Path(__file__).resolve().parent.parent
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
LIBRARY = sorted((ROOT / "src" / "morelike").rglob("*.py"))
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("flows", "stages", "morelike", include_external_packages=True, cache_dir=None)


def run(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_layers_hold():
    run(BIN / "lint-imports", "--no-cache")


def test_code_has_no_lint():
    run(sys.executable, "-m", "ruff", "check", ".")


def test_code_is_in_the_one_form():
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_stages_never_import_each_other(graph):
    for stage in STAGES:
        assert not {name for name in graph.find_modules_directly_imported_by(f"stages.{stage}") if "stages" in name}


@pytest.mark.parametrize("package", ["torch", "torchvision", "numpy", "pandas", "cv2", "PIL"])
def test_stages_leave_the_work_to_the_library(graph, package):
    importers = graph.find_modules_that_directly_import(package) if package in graph.modules else set()
    assert not {name for name in importers if name.split(".")[0] == "stages"}


@pytest.mark.parametrize("package", ["prefect", "dvc"])
def test_neither_library_nor_stages_know_what_runs_them(graph, package):
    importers = graph.find_modules_that_directly_import(package) if package in graph.modules else set()
    assert {name.split(".")[0] for name in importers} <= {"flows"}


def test_dvclive_is_known_to_the_loggers_alone(graph):
    assert graph.find_modules_that_directly_import("dvclive") == {"morelike.train.loggers"}


def test_flows_know_stages_only_by_name_and_of_the_library_the_search_alone_its_settings_errors_files_and_seeds(graph):
    flows = {"flows"} | graph.find_descendants("flows")
    search = {"flows.search"} | graph.find_descendants("flows.tuning")
    known = {f"morelike.{name}" for name in ("params", "errors", "files", "randomness")}
    for name in flows:
        imported = graph.find_modules_directly_imported_by(name)
        ours = {one for one in imported if one.split(".")[0] in ("stages", "morelike")}
        assert ours <= (known | {"morelike"} if name in search else set()), name


@pytest.mark.parametrize("stage", ["train", "synthesize"])
def test_a_gpu_runner_needs_few_packages(stage):
    absent = ["prefect", "dvc", "dvclive", "great_expectations", "sklearn", "plotly", "mlxtend", "datasets"]
    without = f"import sys; sys.modules |= dict.fromkeys({absent})"
    run(sys.executable, "-c", f"{without}; import stages.{stage}; from morelike.models import dae, vae")


@pytest.mark.parametrize("stage", ["train", "synthesize"])
def test_what_runs_the_pipeline_is_not_loaded_into_a_stage(stage):
    without = "import json, sys; sys.modules['dvclive'] = None"  # logs beside TensorBoard where it is there
    code = f"{without}; import stages.{stage}; print(json.dumps(sorted(sys.modules)))"
    loaded = {name.split(".")[0] for name in json.loads(run(sys.executable, "-c", code).splitlines()[-1])}
    assert not loaded & {"prefect", "dvc", "great_expectations"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_paths_and_params_into_one_library_call(stage):
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree).startswith(f"{stage}: ")
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While)]
    assert not loops, f"line {loops[0].lineno}: a loop belongs in the library"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(ROOT / "src").as_posix())
def test_files_and_functions_stay_small(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{path.name}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.relative_to(ROOT / "src").as_posix())
def test_user_input_is_never_judged_by_assert_and_only_the_edge_prints_errors(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}"
        if path.name not in ("edge.py", "progress.py"):
            assert not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.exit")), node.lineno


def test_packages_of_the_library_hold_no_code_in_their_init():
    inits = (ROOT / "src" / "morelike").rglob("__init__.py")
    assert not [init for init in inits if dvc_deps.holds_code(init)]
