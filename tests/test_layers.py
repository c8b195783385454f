"""Who may import whom, the one form of the code, and its size."""

import ast
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from morelike.core import code

ROOT = Path(__file__).resolve().parent.parent
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
LIBRARY = sorted((ROOT / "src" / "morelike").rglob("*.py"))
CODE = [path for folder in ("src", "stages", "flows") for path in sorted((ROOT / folder).rglob("*.py"))]
REST = sorted(path for folder in ("tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py"))
TEMPLATES = sorted((ROOT / "src").rglob("*.j2"))
DATA_PATH = re.compile(r"\b(data|reports)/")
MOST_LINES, MOST_IN_THE_MIDDLE, MOST_OF_A_FUNCTION = 350, 120, 60
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("flows", "stages", "morelike", include_external_packages=True, cache_dir=None)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def docstrings(tree):
    """Return the docstrings of a file, as nodes."""
    holders = [node for node in ast.walk(tree) if hasattr(node, "body") and isinstance(node.body, list) and node.body]
    first = [node.body[0] for node in holders]
    return [node.value for node in first if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]


def lines_of_code(path):
    """Count the lines of a file that are neither empty nor a comment nor part of a docstring."""
    text = path.read_text(encoding="utf-8")
    documented = {line for node in docstrings(ast.parse(text)) for line in range(node.lineno, node.end_lineno + 1)}
    lines = [line.strip() for number, line in enumerate(text.splitlines(), 1) if number not in documented]
    return len([line for line in lines if line and not line.startswith("#")])


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


def test_flows_know_stages_only_by_name_and_of_the_library_its_settings_errors_files_and_seeds(graph):
    allowed = {f"morelike.core.{name}" for name in ("settings", "errors", "files", "randomness")}
    for name in {"flows"} | graph.find_descendants("flows"):
        imported = graph.find_modules_directly_imported_by(name)
        assert {one for one in imported if one.split(".")[0] in ("stages", "morelike")} <= allowed, name


@pytest.mark.parametrize("stage", ["demo_data", "validate", "resize", "corrupt", "export", "report"])
def test_stages_without_networks_start_without_torch(stage):
    loads = f"import sys; from morelike.core import settings; settings.read(); import stages.{stage}"
    assert run(sys.executable, "-c", f"{loads}; print('torch' in sys.modules)").split()[-1] == "False"


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
def test_a_stage_names_itself_and_is_one_function_without_a_loop(stage):
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree).startswith(f"{stage}: ")
    functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda)]
    assert functions == ["main"], "the work belongs in the library"
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While | ast.comprehension)]
    assert not loops, "a loop belongs in the library"


@pytest.mark.parametrize("path", [*CODE, *REST], ids=name_of)
def test_files_stay_small(path):
    assert lines_of_code(path) <= MOST_LINES


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_functions_stay_small(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < MOST_OF_A_FUNCTION, f"{path.name}:{node.lineno} {node.name}"


def test_most_files_are_much_smaller():
    counts = [len(path.read_text(encoding="utf-8").splitlines()) for path in CODE if path.name != "__init__.py"]
    assert statistics.median(counts) < MOST_IN_THE_MIDDLE


@pytest.mark.parametrize("path", [*CODE, *TEMPLATES], ids=name_of)
def test_data_paths_stand_in_dvc_yaml_alone(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        assert not DATA_PATH.search(text)
        return
    tree = ast.parse(text)
    documented = docstrings(tree)
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    spelled = [node for node in texts if DATA_PATH.search(node.value) and node not in documented]
    assert not [f"line {node.lineno}: {node.value}" for node in spelled]


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_user_input_is_never_judged_by_assert_and_only_the_command_line_prints_errors(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}"
        if path.name not in ("cli.py", "progress.py"):
            assert not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.exit")), node.lineno


def test_packages_of_the_library_hold_no_code_in_their_init_but_for_the_one_that_notebooks_call():
    inits = (ROOT / "src" / "morelike").rglob("__init__.py")
    assert [init.parent.name for init in inits if code.holds_code(init)] == ["audit"]
