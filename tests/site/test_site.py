"""The built site, which the variable GRADLAB_SITE names: its links, and whether it answers.

The ten questions are a newcomer's. Each has the page that answers it, and what stands there. Clicks
are counted in the text of pages alone: the bar at the side would lead there in fewer.
"""

import importlib.util
import os
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gradlab.diagnosis import registry
from gradlab.statistics import BLOCK_STATISTICS, LAYER_STATISTICS, STEP_STATISTICS
from tests.test_public import COMMANDS, NAMES

NAMED = os.environ.get("GRADLAB_SITE", "")
SITE = Path(NAMED)
DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.skipif(not NAMED, reason="GRADLAB_SITE names no built site")

QUESTIONS = [
    (
        "What is the rule for dead units, and its limit?",
        "generated/rules/GL201.html",
        ["dead", "Limits", "0.5"],
    ),
    (
        "How do I send the verdict to wandb from diagnosis.to_dict()?",
        "how-to/runs.html",
        ["diagnosis.to_dict()", "run.summary.update(numbers)"],
    ),
    (
        "How do I stop at the first NaN?",
        "how-to/nan-loss.html",
        ['on_nonfinite="stop"', "NonFiniteError"],
    ),
    ("How do I compare two runs?", "how-to/runs.html", ["gradlab report runs/plain runs/large"]),
    (
        "How do I assert bounds on gradients in CI?",
        "testing-gradients.html",
        ["@pytest.mark.gradients(minimum=1e-4", "--format junit"],
    ),
    (
        "How do I read a run whose process was killed?",
        "how-to/runs.html",
        ['gradlab.load("runs/killed")', "unfinished"],
    ),
    ("How do I look at some layers alone?", "how-to/runs.html", ["--layers", "run.layers"]),
    ("How do I sweep on a cluster?", "how-to/sweep.html", ["--cluster"]),
    (
        "How do I add a rule?",
        "generated/project/contributing.html",
        ["gradlab/rules/", "class DominantLayer(Rule)"],
    ),
    ("What does a watch cost?", "how-to/cost.html", ["1.68", "modules=False"]),
]


class Article(HTMLParser):
    """The links of a page's own text."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self._depth = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._depth += tag == "article"
        if self._depth and tag == "a":
            self.links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag):
        self._depth -= tag == "article"


def linked(page: str) -> set[str]:
    """Return the pages of the site that a page's text links to."""
    path = SITE / page
    links = Article(path.read_text(encoding="utf-8")).links if path.suffix == ".html" else []
    own = [urlsplit(link).path for link in links if not urlsplit(link).netloc]
    targets = [os.path.normpath(path.parent / link) for link in own if link]
    return {os.path.relpath(target, SITE) for target in targets}


def clicks_to(page: str) -> int:
    """Count the clicks from the start page."""
    seen = frontier = {"index.html"}
    for clicks in range(9):
        if page in frontier:
            return clicks
        frontier = set().union(*map(linked, frontier)) - seen
        seen = seen | frontier
    raise AssertionError(f"no way to {page}")


def text_of(page: str) -> str:
    markup = (SITE / page).read_text(encoding="utf-8")
    return " ".join(unescape(re.sub(r"<[^>]+>", "", markup)).split())


@pytest.mark.parametrize(
    ("question", "page", "words"), QUESTIONS, ids=lambda value: str(value)[:40]
)
def test_a_question_is_answered_within_three_clicks(question, page, words):
    assert clicks_to(page) <= 3
    text = text_of(page)
    assert [each for each in words if each not in text] == []


def test_every_link_leads_somewhere():
    spec = importlib.util.spec_from_file_location("links", DOCS / "_site" / "check_links.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.problems(SITE.resolve()) == []


def test_every_rule_has_its_page_with_limits_and_an_example():
    for code, rule in registry().items():
        text = text_of(f"generated/rules/{code}.html")
        for limit in rule.limits:
            assert limit in text, (code, limit)
        assert "What it does" in text
        example = text.rpartition("example: ")[2]
        assert f"{code} {rule.name}" in example, f"{code} shows no verdict"
        assert "try: " in example or "What it proposes:" in example, f"{code} shows no remedy"
    assert len(list((SITE / "generated" / "rules").glob("GL*.html"))) == len(registry())


def test_every_statistic_command_and_public_name_is_there():
    statistics = text_of("generated/statistics.html")
    for each in (*LAYER_STATISTICS, *STEP_STATISTICS, *BLOCK_STATISTICS):
        assert each.name in statistics
    commands = text_of("generated/commands.html")
    for name, options in COMMANDS.items():
        assert f"gradlab {name} [OPTIONS]" in commands
        assert [option for option in options if option not in commands] == []
    functions = [name for name in NAMES["gradlab.testing"] if name.startswith("assert_")]
    testing = text_of("generated/api/gradlab.testing.html")
    assert [name for name in functions if name not in testing] == []


def test_a_language_model_finds_every_page_by_hand():
    listed = (SITE / "llms.txt").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", listed)
    assert [link for link in links if not (SITE / link).is_file()] == []
    by_hand = [
        path.relative_to(DOCS).with_suffix(".html").as_posix()
        for path in (*DOCS.glob("*.md"), *DOCS.glob("[!_g]*/*.md"))
    ]
    assert set(by_hand) - set(links) == {"index.html"}


def test_the_search_knows_the_rules():
    index = (SITE / "searchindex.js").read_text(encoding="utf-8")
    assert "GL101 vanishing-gradient" in index
