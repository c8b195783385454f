"""The documents name what there is, and nothing that there is not."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)
WHOLE = {
    "validate.split",
    "validate.codes",
    "corrupt.recipes",
    "export.mix",
    "search.space",
}  # one row for all that is inside


def dotted(values: dict, prefix: str = "") -> list[str]:
    """Name every setting, with the ones that the table explains as a whole left whole."""
    names = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        names += dotted(value, f"{name}.") if isinstance(value, dict) and name not in WHOLE else [name]
    return names


SETTINGS = {
    name: cells for name, *cells in re.findall(r"^\| `([a-z_.]+)` \| ([^|]*) \| ([^|]*) \|$", README, re.MULTILINE)
}


def value_of(name: str) -> object:
    value = PARAMS
    for part in name.split("."):
        value = value[part]
    return value


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_row_in_the_readme(stage):
    assert f"| `{stage}` |" in README


@pytest.mark.parametrize("name", dotted(PARAMS))
def test_every_setting_has_a_row_with_its_default_in_the_readme(name):
    assert name in SETTINGS, f"params.yaml has {name}, the table in README.md does not"
    if name not in WHOLE:
        default = value_of(name)
        written = str(default).lower() if isinstance(default, bool) else str(default)
        assert SETTINGS[name][0] == written


def test_the_readme_names_no_setting_that_is_not_there():
    rows = {name for name in SETTINGS if "." in name}
    options = {name for name in re.findall(r"-S ([a-z_.]+)=", README) if not name.startswith("validate.codes.")}
    assert not (rows | options) - set(dotted(PARAMS))


def test_every_code_of_the_audit_has_a_row_with_its_rule_in_the_readme():
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| [^|]+ \|$", README, re.MULTILINE)
    written = {name: [policy, limit.strip(), at_most.strip()] for name, policy, limit, at_most in rows}
    rules = {
        name: [str(rule.get(key, "")) for key in ("policy", "limit", "at_most")]
        for name, rule in PARAMS["validate"]["codes"].items()
    }
    assert written == rules


def test_every_kind_of_noise_is_in_the_readme():
    from morelike.core import params

    kinds = re.findall(r'kind: Literal\["(\w+)"\]', Path(params.__file__).read_text(encoding="utf-8"))
    assert kinds
    assert not [kind for kind in kinds if f"| `{kind}` |" not in README]


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_of_make_is_in_the_readme(target):
    assert f"make {target}" in README


def test_documents_name_no_target_stage_or_flow_that_is_not_there():
    text = README + ARCHITECTURE
    assert set(re.findall(r"(?<=[`\n])make ([a-z-]+)", text)) <= set(TARGETS)
    assert set(re.findall(r"python -m stages\.(\w+)", text)) <= set(STAGES)
    for module in re.findall(r"python -m (flows\.\w+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


def test_architecture_is_one_page():
    assert len(ARCHITECTURE.splitlines()) <= 65


def test_every_file_that_the_architecture_names_is_there():
    named = re.findall(r"`((?:flows|stages|src|tests)/[\w./]*|[\w-]+\.(?:yaml|toml|md))`", ARCHITECTURE)
    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).exists()]


def test_no_tracked_file_holds_the_address_of_a_package_index():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    host = re.compile(
        "|".join(["py" + r"pi\.org", "python" + r"hosted\.org", r"--(extra-)?index" + "-url[ =]", "/sim" + "ple/"])
    )
    texts = {name: (ROOT / name).read_bytes().decode("utf-8", "replace") for name in tracked if (ROOT / name).is_file()}
    assert not [name for name, text in texts.items() if host.search(text)]


def test_every_pin_is_exact_and_has_no_address():
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert len(pins) > 100
    bad = [pin for pin in pins if not re.fullmatch(r'[a-z0-9-]+==[\w.]+( ; sys_platform == "linux")?', pin)]
    assert not bad


def test_every_error_line_in_the_readme_is_said_somewhere():
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("src", "stages", "flows")
        for path in (ROOT / folder).rglob("*.py")
    )
    rows = README.split("| it says |")[1].split("\n\n")[0].splitlines()[2:]
    for row in rows:
        said = row.split("|")[1]
        if "DVC" in said or "exited with" in said:
            continue
        for quoted in re.findall(r"`([^`]+)`", said)[:1]:
            words = [part.strip() for part in re.split(r"\.\.\.|\(|[A-Z]{3,}|:", quoted) if len(part.strip()) > 3]
            assert all(word in code + MAKEFILE for word in words), f"nothing says {quoted!r}"
