"""The site of the documentation is built without a warning; a dead link is an error; the README is short and stands alone."""

import re
import shutil
import subprocess
import sys

import pytest

from scram_plugin.heuristics.catalogue import HEURISTICS
from scram_plugin.heuristics.heuristic import FAMILIES
from tests.paths import ROOT

README = ROOT / "README.md"


@pytest.fixture
def site(tmp_path):
    """A copy of what the site is made from; `build` makes it."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)

    def build():
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    build.root = tmp_path
    return build


def test_it_is_built_with_a_page_for_each_check(site):
    done = site()
    assert done.returncode == 0, done.stderr
    assert "WARNING  -" not in done.stderr
    pages = {page.parent.name for page in (site.root / "site" / "checks").glob("*/index.html")}
    assert {heuristic.id for heuristic in HEURISTICS} <= pages
    assert "search_index.json" in [path.name for path in (site.root / "site" / "search").iterdir()]


def test_dead_links_are_errors(site):
    dead = ("nowhere.md", "cli.md#no-such-heading", "checks/nothing.md")
    with (site.root / "docs" / "index.md").open("a") as page:
        page.write("".join(f"\n[dead]({link})\n" for link in dead))
    done = site()
    assert done.returncode != 0
    assert [link for link in dead if link not in done.stderr] == []


def test_the_readme_is_short_and_has_no_relative_link():
    text = README.read_text(encoding="utf-8")
    assert len(text.encode()) <= 10_240
    links = re.findall(r"!?\[[^\]]*\]\(([^)]*)\)", text)
    assert [link for link in links if not link.startswith("https://")] == ["docs/tab.png"], "the wheel leaves out the picture"


def test_the_pages_that_the_readme_names_are_there():
    named = re.findall(r"`(docs/[a-z-]+\.md)`", README.read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [page for page in named if not (ROOT / page).is_file()] == []


def test_no_recipe_takes_scram_from_an_index_of_packages():
    files = [
        README,
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "scram_plugin").rglob("*.py"),
        *(ROOT / "scram_plugin").rglob("*.md"),
    ]
    asked = re.compile(r"pip install [^\n`]*?(?<![/_])tensorboard-plugin-scram")
    assert [path for path in files if asked.search(path.read_text(encoding="utf-8"))] == []


def test_the_families_of_checks_are_those_of_the_code():
    text = (ROOT / "docs" / "writing-a-check.md").read_text(encoding="utf-8")
    for family, meaning in FAMILIES.items():
        assert f'| `"{family}"` | {meaning} |' in text
