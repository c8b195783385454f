"""The page: verdict first, every section, nothing loaded from outside, every name escaped, any piece missing."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from morelike.core import files, settings
from morelike.images import pixels
from morelike.judge import statistics
from morelike.report import judged, likeness, page, pictures, provenance
from morelike.report.settings import Report
from morelike.storage import shards
from tests import summaries

EVIL = "<script>document.title='taken'</script>"
QUOTED = '"quo\'ted" & <b>bold</b>'
CLASSES = [EVIL, QUOTED, "plain"]
SECTIONS = ["ladder", "images", "training", "counts", "left-out", "validation", "origin"]
PARAMS = settings.read(Path(__file__).parents[2] / "params.yaml")
SETTINGS = PARAMS.section("report", Report)
TRAINED = ("vae", "dae")


def inputs(root: Path) -> page.Inputs:
    names = {
        name: root / "data" / name for name in ("validated", "resized", "noisy", "models", "synthetic", "augmented")
    }
    reports = {"evaluation": root / "reports/evaluation", "metrics": root / "reports/metrics"}
    return page.Inputs(**names, **reports, trained=TRAINED)


def write_store(folder: Path, index: dict) -> None:
    random, count = np.random.default_rng(0), len(index["label"])
    writer = shards.ShardWriter(folder, 9, 7, 3)
    writer.append(random.integers(0, 256, (count, 9, 7, 3)).astype(np.uint8))
    writer.close(pd.DataFrame(index))


@pytest.fixture(scope="module")
def summary(tmp_path_factory) -> dict:
    return summaries.summary(tmp_path_factory.mktemp("summary"), CLASSES, generator=EVIL)


@pytest.fixture
def full(tmp_path, summary) -> page.Inputs:
    where = inputs(tmp_path)
    labels, splits = CLASSES * 4, ["train"] * 6 + ["val"] * 6
    write_store(where.resized, {"label": labels, "split": splits})
    checks = {"float_view": {"min": 0.0, "max": 1.0}}
    about = {"width_px": 7, "height_px": 9, "color": "rgb", "checks": checks}
    files.write_json(where.resized / "normalisation.json", about)
    write_store(where.noisy, {"label": labels, "split": splits, "recipe": ["gaussian"] * 12})
    for model in ("vae", "dae"):
        folder = where.models / model
        measured = {"psnr_before_db": 11.25} if model == "dae" else {}
        write_store(folder / "examples", {"row": range(6, 12), "label": labels[6:], **measured})
        pd.DataFrame({"images": [1, 2], "train_loss": [2.0, 1.0], "val_loss": [3.0, 2.0]}).to_csv(
            folder / "history.csv"
        )
        (folder / "grids").mkdir()
        for images in (64, 6400, 12800, 19200):
            grid = pixels.encode_png(np.full((4, 4, 1), images % 251, np.uint8))
            (folder / "grids" / f"samples-{images:09d}.png").write_bytes(grid)
        write_store(where.synthetic / model, {"label": CLASSES, "nearest_row": [0, 1, 2]})
    watched = {"check": "colour_shift", "limit": 0.15, "worst": 0.0625, "at_images": 6464, "meaning": "m", "mend": "n"}
    files.write_json(where.models / "dae" / "checks.json", [watched])
    restored = {"psnr_before_db": 11.25, "psnr_classical_db": 17.5, "psnr_after_db": 22.5}
    restored |= {"ssim_before": 0.25, "ssim_classical": 0.5, "ssim_after": 0.75}
    about = {"noise": [EVIL], "images": 6, "denoiser": "median, 3 px"}
    pd.DataFrame(about | restored).to_csv(where.models / "dae" / "restoration.csv", index=False)
    where.validated.mkdir()
    bad = [{"file": f"{EVIL}.png", "label": EVIL, "code": "truncated", "value": np.nan, "limit": 8.0, "detail": QUOTED}]
    pd.DataFrame(bad).to_parquet(where.validated / "quarantine.parquet")
    audit = {"files": 13, "accepted": 12, "quarantined_by_code": {"truncated": 1}, "splits": {"train": 6, "val": 6}}
    blurred = {"policy": "warn", "count": 2, "limit": 0.65, "at_most": None, "about": "Blurred.", "first": [EVIL]}
    audit["found"] = {"blurred": blurred}
    files.write_json(where.validated / "summary.json", audit)
    result = {
        "rule": "std is above 0",
        "severity": "critical",
        "success": False,
        "result": {"unexpected_count": 1},
        "files": [QUOTED],
    }
    files.write_json(
        where.validated / "expectations.json", {"success": False, "met": 0, "expectations": 1, "results": [result]}
    )
    where.augmented.mkdir()
    rows = [("train", k, s) for k in CLASSES for s in (False, True)] + [("test", k, False) for k in CLASSES]
    manifest = pd.DataFrame(rows, columns=["split", "label", "synthetic"])
    manifest.to_parquet(where.augmented / "manifest.parquet")
    pd.DataFrame([{"generator": "dae", "reason": "blank"}]).to_parquet(where.augmented / "filtered.parquet")
    files.write_json(where.evaluation / "summary.json", summary)
    files.write_json(where.metrics / "evaluate.json", {"verdict": summary["verdict"], "chance": 1 / 3})
    lock = "stages:\n  resize:\n    outs:\n    - {path: data/resized, md5: abc123.dir, size: 5, nfiles: 2}\n"
    (tmp_path / "dvc.lock").write_text(lock)
    return where


def written(where: page.Inputs, root: Path) -> tuple[Path, str]:
    out = root / "reports" / "index.html"
    page.write(where, SETTINGS, PARAMS.values, root, out)
    return out, out.read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Collect tags with attributes, and the text outside scripts and styles."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.text, self._silent = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._silent = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._silent = False

    def handle_data(self, data):
        self.text += "" if self._silent else data


def test_the_verdict_comes_first_and_every_section_is_there(full, summary, tmp_path):
    outline = Outline(written(full, tmp_path)[1])
    order = [of["id"] for tag, of in outline.tags if "id" in of and tag in ("h1", "section")]
    assert order == ["verdict", *SECTIONS]
    assert outline.text.index(summary["sentence"]) < outline.text.index("The numbers behind the verdict")
    for piece in ("11.25", "17.50", "22.50", "median, 3 px", "truncated", "blank", "std is above 0", "abc123.dir"):
        assert piece in outline.text
    for piece in ("evaluate.confidence",):
        assert piece in outline.text


def test_nothing_is_loaded_from_outside(full, tmp_path):
    outline = Outline(written(full, tmp_path)[1])
    for tag, attributes in outline.tags:
        if (tag, attributes.get("href")) == ("a", "data_docs/index.html"):
            continue  # a link to the pages beside this one: followed by a person, not loaded
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, name)
    assert sum(tag == "script" and "src" in of for tag, of in outline.tags) == 0
    assert not re.search(
        r"@import|url\(\s*['\"]?(https?:)?//", "".join(re.findall(r"<style>.*?</style>", page_text(full), re.S))
    )


def page_text(where: page.Inputs) -> str:
    return page.render(page.gathered(where, SETTINGS, PARAMS.values, where.validated.parents[1]))


def changed(where: page.Inputs, **values: object) -> str:
    """Return the page of a summary with other values."""
    path = where.evaluation / "summary.json"
    files.write_json(path, files.read_json(path) | values)
    return page_text(where)


@pytest.mark.parametrize(
    ("said", "colour"),
    [
        (statistics.HELPS, "helps"),
        (statistics.HARMS, "harms"),
        (statistics.NO_DIFFERENCE, "even"),
        (statistics.CANNOT_TELL, "unsure"),
        ("not measured: one class", "unsure"),
    ],
)
def test_each_verdict_has_its_colour(tmp_path, said, colour):
    where = inputs(tmp_path)
    files.write_json(where.evaluation / "summary.json", {"verdict": said, "sentence": "", "arms": {}, "fidelity": None})
    assert f'<h1 id="verdict" class="{colour}">' in page_text(where)


def test_it_says_what_the_verdict_rests_on(full):
    text = Outline(page_text(full)).text
    for piece in (
        "No groups are known",
        "opened 2 times",
        "97.5% confidence",
        "5 trainings",
        "Not ended: some trainings of",
    ):
        assert piece in text
    text = Outline(changed(full, sentence="", groups=12, openings=1, unended=[])).text
    assert "No groups are known" not in text
    assert "There are 12." in text
    assert "was opened once. Each" in text
    assert "Not ended: some trainings of" not in text


def test_every_cell_of_the_tables_is_on_the_page(full, summary):
    of_verdict, of_likeness = judged.tables(summary), likeness.tables(summary["fidelity"])
    rows = [*of_verdict["glance"], *of_verdict["arms"], *of_verdict["differences"], *of_verdict["trials"]]
    rows += [*of_likeness["spaces"], *of_likeness["spectrum"][0], *of_likeness["by_class"][0]]
    shown = Outline(page_text(full)).text
    missing = [value for row in rows for value in row.values() if value not in shown]
    assert not missing
    for piece in ("A classifier that", "synthetic images are perturbations", "Power of", "KID"):
        assert piece in shown


@pytest.mark.parametrize("measured", [True, False])
def test_likeness_of_a_dataset_without_synthetic_images_is_left_out(full, tmp_path, measured):
    nothing = summaries.likeness(tmp_path / "none_made", CLASSES, made_per_class=0) if measured else None
    text = Outline(changed(full, fidelity=nothing)).text
    assert "The numbers behind the verdict" in text
    for piece in ("A classifier that", "synthetic images are perturbations", "Power of", "KID"):
        assert piece not in text


def test_a_class_in_test_alone_is_marked_beside_its_recall(full):
    text = changed(full, classes_not_in_train=[CLASSES[0]], rare_classes=[])
    assert text.count("(not in train)") == 1
    assert "Not in train, so nothing could learn them, and left out of balanced accuracy:" in text


def test_names_of_classes_and_files_are_escaped(full, tmp_path):
    text = written(full, tmp_path)[1]
    assert EVIL not in text
    assert "<b>bold</b>" not in text
    shown = Outline(text).text
    assert f"{EVIL}.png" in shown
    assert QUOTED in shown


def test_plotly_is_inlined_once(full):
    assert page_text(full).count("plotly.js v") == 1


@pytest.mark.parametrize(
    "gone", ["validated", "resized", "noisy", "models", "synthetic", "augmented", "evaluation", "metrics"]
)
def test_any_piece_may_be_missing(full, gone):
    shutil.rmtree(getattr(full, gone))
    order = [of["id"] for tag, of in Outline(page_text(full)).tags if tag == "section"]
    assert order == SECTIONS


def test_with_nothing_there_or_one_class_it_says_not_measured(tmp_path):
    where = inputs(tmp_path)
    assert "Not measured" in Outline(page_text(where)).text
    sentence = "Not measured: one class, and a classifier needs two."
    summary = {"verdict": "not measured: one class, and a classifier needs two", "sentence": sentence, "arms": {}}
    files.write_json(where.evaluation / "summary.json", summary | {"fidelity": None})
    assert sentence in Outline(page_text(where)).text


def test_a_model_that_is_no_longer_trained_is_nowhere_on_the_page_whatever_it_left_behind(full, tmp_path):
    before = page_text(full)
    left = "gone_model"
    shutil.copytree(full.models / "dae", full.models / left)
    shutil.copytree(full.synthetic / "dae", full.synthetic / left)
    files.write_json(full.metrics / f"train-{left}.json", {"val_loss": 0.5})
    with (tmp_path / "dvc.lock").open("a") as lock:
        for stage, out in (("train", "models"), ("synthesize", "synthetic")):
            lock.write(f"  {stage}@{left}:\n    outs:\n    - {{path: data/{out}/{left}, md5: abc, size: 5}}\n")
    after = page_text(full)
    assert left not in after
    assert after == before


def test_half_written_folders_are_not_shown(full):
    (full.models / "dae").rename(full.models / ".dae.new.1.partial")
    assert ".partial" not in Outline(page_text(full)).text


def test_the_first_the_middle_and_the_last_grid_are_shown_and_what_was_watched(full, tmp_path):
    text = Outline(written(full, tmp_path)[1]).text
    for model in ("vae", "dae"):
        assert f"{model}: samples" in text
    shown = [text.count(f"{images} images seen") for images in ("64", "6,400", "12,800", "19,200")]
    assert shown == [2, 0, 2, 2]
    assert "colour_shift0.06250.156,464" in "".join(text.split())


def test_each_restoration_stands_under_its_own_image(full):
    folders = pictures.Folders(full.resized, full.noisy, full.models, full.synthetic, full.trained)
    strips = pictures.class_strips(folders, examples=2)["plain"]
    assert [strip.what for strip in strips] == [
        *("real", "noisy", "denoised (dae)", "reconstructed (vae)"),
        *("synthetic (dae)", "nearest real train", "synthetic (vae)", "nearest real train"),
    ]
    real = shards.ShardStore(full.resized)
    assert strips[0] == pictures.strip("real", real.read([8, 11]))
    assert strips[5] == pictures.strip("nearest real train", real.read([2]))


def test_the_commit_and_whether_it_is_dirty_are_those_of_git(tmp_path):
    assert provenance.commit(tmp_path) is None
    run = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    (tmp_path / "file").write_text("one")
    (tmp_path / "dvc.lock").write_text("one")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*run, *command], cwd=tmp_path, check=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tmp_path, text=True).strip()
    (tmp_path / "dvc.lock").write_text("two")
    assert provenance.commit(tmp_path) == {"hash": head, "dirty": False}
    (tmp_path / "file").write_text("two")
    assert provenance.commit(tmp_path) == {"hash": head, "dirty": True}


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on this machine")
def test_a_real_browser_without_network_draws_every_chart_and_runs_no_name(full, tmp_path):
    out, text = written(full, tmp_path)
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
        "--disable-sync --no-first-run --enable-logging=stderr --virtual-time-budget=10000 --dump-dom"
    )
    command = [
        BROWSER,
        *flags.split(),
        f"--user-data-dir={tmp_path / 'browser'}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    done = subprocess.run([*command, out.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    charts = set(re.findall(r'id="(chart-[\w-]+)"', text))
    assert charts == {
        "chart-forest",
        "chart-differences",
        "chart-recalls",
        "chart-counts",
        "chart-curves-dae",
        "chart-curves-vae",
    }
    drawn = re.split(r'(?=id="chart-)', done.stdout.partition("<body>")[2])[1:]
    assert {re.match(r'id="(chart-[\w-]+)"', part)[1] for part in drawn if '<svg class="main-svg"' in part} == charts
    assert "<title>taken</title>" not in done.stdout
    assert "CONSOLE" not in done.stderr, done.stderr
