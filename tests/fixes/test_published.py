"""What docs/explanation/fix.md says is what the first run of the held-out halves gave."""

import json
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "explanation" / "fix.md").read_text(encoding="utf-8")
FIGURES = ("right", "first_right", "random", "tenfold")


def rows(name):
    return json.loads((TESTS / name / "fixed_once.json").read_text(encoding="utf-8"))


def published(name):
    """Return the cells of a row of the page's table."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.mark.parametrize("name", ["corpus", "zoo"])
def test_the_table_counts_the_kept_rows(name):
    kept = rows(name)
    able = [row for row in kept if row["curable"]]
    fixed, curable, *counts = published(name)
    assert fixed.split(" of ")[0] == str(len(kept))
    assert curable == str(len(able))
    assert counts == [counted(able, key) for key in FIGURES]


def counted(able, key):
    """Return how many were cured; of how many, where not all were asked."""
    asked = [row[key] for row in able if key in row]
    return f"{sum(asked)}" if len(asked) == len(able) else f"{sum(asked)} of {len(asked)}"


def test_what_was_run_again_after_mending_is_counted():
    since = json.loads((TESTS / "zoo" / "fixed_since.json").read_text(encoding="utf-8"))
    fixed, curable, winner, first, *_ = published("zoo, after mending")
    assert [fixed, curable] == [f"{len(since)} of 74", f"{len(since)}"]
    assert [winner, first] == [str(sum(row[key] for row in since)) for key in FIGURES[:2]]


def test_the_later_batches_are_counted():
    later = json.loads((TESTS / "zoo" / "fixed_later.json").read_text(encoding="utf-8"))
    able = [row for row in later if row["curable"]]
    fixed, curable, winner, first, *_ = published("zoo, batches 9 to 11")
    assert [fixed, curable] == [f"{len(later)} of {len(later)}", f"{len(able)}"]
    assert [winner, first] == [counted(able, key) for key in FIGURES[:2]]
    assert [row["name"] for row in later if row["cured"] and not row["right"]] == []


def test_the_goals_are_met_on_what_was_run():
    able = [row for name in ("corpus", "zoo") for row in rows(name) if row["curable"]]
    assert sum(row["right"] for row in able) >= 0.85 * len(able)
    assert sum(row["first_right"] for row in able) >= 0.70 * len(able)


def test_none_is_called_cured_that_is_not():
    assert [row["name"] for row in rows("corpus") if row["called_wrongly"]] == []
    assert [row["name"] for row in rows("zoo") if row["cured"] and not row["right"]] == []


def test_the_labels_of_the_corpus_were_there_before():
    labels = json.loads((TESTS / "corpus" / "curable.json").read_text(encoding="utf-8"))
    known = {row["name"]: row["curable"] for row in labels}
    assert {row["name"]: row["curable"] for row in rows("corpus")}.items() <= known.items()
