"""The command: exit codes by policy, one line per error, a table or JSON on the standard output."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

import morelike
import morelike.audit as audit_module
from morelike import cli
from morelike.audit import audit
from morelike.audit import cli as audit_cli
from tests import raw_sets


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return raw_sets.plain(tmp_path_factory.mktemp("plain") / "raw")


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    return raw_sets.odd(tmp_path_factory.mktemp("odd") / "raw")


@pytest.fixture
def command(monkeypatch, capsys):
    """Run ``morelike`` with arguments; return its exit code and what it printed."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["morelike", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def test_a_set_without_a_breach_exits_with_0(command, raw):
    code, out, err = command("audit", raw, "--workers", 1)
    assert (code, err) == (0, "")
    assert out == "12 of 12 files accepted, in 2 classes\npasses: no limit is breached\n"


@pytest.mark.parametrize(
    ("rules", "options", "reason"),
    [
        ("{alpha: {policy: fail}}", [], "alpha"),
        ("{palette: {at_most: 1}}", [], "palette"),
        ("{}", ["--policy", "alpha=fail"], "alpha"),
    ],
)
def test_a_breach_exits_with_1_and_says_which(rules, options, reason, command, odd, tmp_path):
    (tmp_path / "rules.yaml").write_text(f"validate: {{max_quarantined_share: 0.9, codes: {rules}}}")
    code, out, _ = command("audit", odd, "--params", tmp_path / "rules.yaml", "--workers", 1, *options)
    assert code == 1
    assert f"\nfails: {reason}: " in out


def test_a_set_of_which_nothing_is_usable_exits_with_1(command, tmp_path):
    (tmp_path / "raw/cat").mkdir(parents=True)
    (tmp_path / "raw/cat/1.png").touch()
    assert command("audit", tmp_path / "raw", "--workers", 1, "--fix", tmp_path / "out")[0] == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such folder or file"),
        (["RAW", "--fix", "RAW"], "nothing is overwritten"),
        (["RAW", "--fix", "RAW/new"], "where nothing is written"),
        (["RAW", "--html", "RAW/page.html"], "where nothing is written"),
        (["RAW", "--json", "RAW/found.json"], "where nothing is written"),
        (["RAW", "--cache", "RAW/cat"], "where nothing is written"),
        (["RAW", "--html", "."], "expected the name of a file"),
        (["RAW", "--params", "nowhere.yaml"], "No such file"),
        (["RAW", "--policy", "alpha"], "CODE=POLICY"),
        (["RAW", "--policy", "alpha=mend"], "validate.codes.alpha.policy"),
        (["RAW", "--workers", "0"], "from 1 on"),
        (["EMPTY"], "found no file"),
        ([], "FOLDER"),
    ],
)
def test_what_cannot_run_exits_with_2_and_one_line(arguments, said, command, raw, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    places = {"RAW": str(raw), "EMPTY": str(tmp_path / "empty")}
    given = [argument.replace("RAW", places["RAW"]).replace("EMPTY", places["EMPTY"]) for argument in arguments]
    code, out, err = command("audit", *given)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert err.startswith(("usage: ", "morelike audit: "))
    assert err.startswith("usage: ") or len(err.splitlines()) == 1


def test_an_error_that_nobody_foresaw_is_not_taken_for_a_verdict(command, raw, monkeypatch):
    monkeypatch.setattr(audit_module, "audit", lambda *_: 1 / 0)
    code, out, err = command("audit", raw)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "unexpected ZeroDivisionError" in err


def test_json_on_the_standard_output_stands_alone(command, odd):
    code, out, _ = command("audit", odd, "--json", "-", "--workers", 1)
    assert json.loads(out) == audit(odd, workers=1).as_json()
    assert code == (1 if json.loads(out)["failed"] else 0)


def test_everything_that_is_asked_for_is_written(command, odd, tmp_path):
    options = ["--json", tmp_path / "found.json", "--html", tmp_path / "page.html", "--fix", tmp_path / "out"]
    _, out, err = command("audit", odd, *options, "--workers", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.json", "out", "page.html"]
    assert json.loads((tmp_path / "found.json").read_text("utf-8"))["accepted"] == int(
        out.split(" of ")[-2].split()[-1]
    )
    assert "images written to" in err


def test_the_table_names_each_code_and_escapes_what_does_not_print(command, odd, tmp_path):
    raw = shutil.copytree(odd, tmp_path / "raw")
    (raw / "cat/\x1b]0;a\nb\u202e[red].png").touch()
    (raw / "cat/empty.png").unlink()
    _, out, _ = command("audit", raw, "--workers", 1)
    assert "cat/\\x1b]0;a\\nb\\u202e[red].png" in out
    assert "\x1b" not in out
    codes = {line.split()[0] for line in out.splitlines() if line.startswith(" ")}
    assert codes == {"code", *audit(raw, workers=1).findings["code"]}


def test_on_a_terminal_the_table_has_a_frame(odd):
    assert "│" in audit_cli.table(audit(odd, workers=1), terminal=True)


def test_help_and_version_load_no_heavy_package():
    show = "import sys; sys.argv = ['morelike', *sys.argv[1:]]; from morelike.cli import main"
    check = "import atexit; atexit.register(lambda: print({'torch', 'pandas', 'numpy', 'PIL'} & set(sys.modules)))"
    for arguments, said in ((["--version"], morelike.__version__), (["audit", "--help"], "exit code: 0 passes")):
        done = subprocess.run(
            [sys.executable, "-c", f"{show}\n{check}\nmain()", *arguments], capture_output=True, text=True, check=True
        )
        assert said in done.stdout
        assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_exits_with_130_and_leaves_nothing(raw, tmp_path):
    pipe = tmp_path / "rules.yaml"
    os.mkfifo(pipe)  # it reads the rules until it is interrupted
    command = [sys.executable, "-m", "morelike.audit", raw, "--params", pipe, "--fix", tmp_path / "out"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with pipe.open("w"):  # returns once the other end is open
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["rules.yaml"]
