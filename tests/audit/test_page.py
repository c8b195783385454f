"""The page of an audit: every fault with its files, nothing loaded from outside, every name escaped."""

import base64
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from morelike.audit import audit, page
from tests import raw_sets
from tests.pictures import picture

EVIL = "<script>document.title='taken'<"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    raw = raw_sets.odd(home / "raw")
    (raw / f"dog/{EVIL}\x1b[31m.png").write_bytes(b"no image")
    for number in range(page.SHOWN + 2):
        raw_sets.save(raw / f"cat/black_{number}.png", np.full((20, 20 + number, 3), number, np.uint8))
    (home / "rules.yaml").write_text(raw_sets.RULES)
    found = audit(raw, home / "rules.yaml", {"constant": "warn"}, workers=1)
    page.write(found, home / "page.html", workers=1)
    return home, found, (home / "page.html").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Collect tags with attributes, and the text outside styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self._silent = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._silent = tag == "style"

    def handle_endtag(self, tag):
        self._silent = False

    def handle_data(self, data):
        self.text += "" if self._silent else data


def test_every_fault_has_a_section_with_its_first_files_and_how_many_more_there_are(home):
    _, found, text = home
    outline = Outline(text)
    sections = {of["id"] for tag, of in outline.tags if tag == "section"}
    assert sections == {"faults", "accepted", *found.findings["code"]}
    assert f"{len(found.images)} of {found.summary['files']} files are accepted" in outline.text
    blacks = len(found.findings[found.findings["code"] == "constant"])
    assert f"And {blacks - page.SHOWN} more." in text.partition('<section id="constant">')[2].partition("</section>")[0]


def test_nothing_is_loaded_from_outside(home):
    outline = Outline(home[2])
    addresses = [of.get(name) for _, of in outline.tags for name in ("src", "href", "srcset", "action", "data")]
    assert all(address.startswith(("data:", "#")) for address in addresses if address)
    assert not re.search(r"https?://|@import|url\(", home[2])
    assert not [tag for tag, _ in outline.tags if tag in ("script", "iframe", "object")]


def test_names_are_escaped_and_control_characters_shown(home):
    assert EVIL not in home[2]
    assert "\x1b" not in home[2]
    assert f"{EVIL}\\x1b[31m.png" in Outline(home[2]).text


def test_a_file_without_pixels_has_the_reason_in_place_of_a_picture(home):
    section = home[2].partition('<section id="truncated">')[2].partition("</section>")[0]
    assert "<img" not in section
    assert re.search(r"no picture: .+", section)
    assert "cat/cut.png" in section


@pytest.mark.parametrize(("height", "width", "kind"), [(40, 32, "PNG"), (300, 200, "JPEG"), (1, 4000, "JPEG")])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_thumbnail_is_the_picture_in_small(height, width, kind, channels):
    drawn = picture(height, width, channels)
    data = base64.b64decode(page.thumbnail(drawn).partition("base64,")[2])
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == kind
        assert max(image.size) == min(max(height, width), page.SIDE_PX)
        shown = np.atleast_3d(np.asarray(image)).astype(float)
    assert np.abs(shown.mean((0, 1)) - drawn.mean((0, 1))).max() < 4


def test_a_set_without_a_fault_says_so(tmp_path):
    found = audit(raw_sets.plain(tmp_path / "raw"), workers=1)
    assert not len(found.findings)
    page.write(found, tmp_path / "page.html", workers=1)
    assert ">Passes</h1>" in (tmp_path / "page.html").read_text()


@pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on this machine")
def test_a_real_browser_without_network_shows_it_and_runs_no_name(home):
    folder, _, text = home
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
        "--disable-sync --no-first-run --enable-logging=stderr --virtual-time-budget=2000 --dump-dom"
    )
    offline = [f"--user-data-dir={folder / 'browser'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command = [BROWSER, *flags.split(), *offline, (folder / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.count("<figure") == text.count("<figure") > page.SHOWN
    assert "<title>taken</title>" not in done.stdout
    assert "CONSOLE" not in done.stderr, done.stderr
