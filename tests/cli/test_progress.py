"""What a terminal shows while cells are trained: one clock, in lines of any width."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

import gradlab
from gradlab.cli import output, progress
from gradlab.cli.progress import Rate, clock
from gradlab.comparison import Cell, plan_cells
from tests.cli.calls import call

DATA = gradlab.datasets.blobs(60, classes=3, features=4)


def plans_of(depths):
    return plan_cells(["relu"], depths, width=4, data=DATA, seeds=1, iterations=100, batch_size=8)


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Return what makes the progress of some depths, and the line of a terminal of 60 columns."""

    def make(depths):
        written = io.StringIO()
        console = Console(file=written, width=60, force_terminal=True, color_system=None)
        monkeypatch.setattr(progress, "console", lambda: console)
        made = progress._Progress(plans_of(depths), 1, tmp_path)
        return made, lambda: line_of(made, console)

    return make


def line_of(made, console):
    with console.capture() as capture:
        console.print(made.bar.get_renderable())
    return capture.get().rstrip("\n")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")],
)
def test_clock(seconds, words):
    assert clock(seconds) == words


def test_the_rate_is_of_what_was_done_between_two_moments():
    """10 of 100 done in 5 s, from second 2 on: 45 s are left then, 44 a second later."""
    rate = Rate((2.0, 0.0), (7.0, 10.0))
    assert rate.left(100.0, 7.0) == pytest.approx(45.0)
    assert rate.left(100.0, 8.0) == pytest.approx(44.0)
    assert rate.left(100.0, 1000.0) == 0.0
    assert Rate((2.0, 5.0), (2.0, 5.0)).left(100.0, 9.0) is None


def test_a_line_fits_sixty_columns(shown):
    made, line = shown([1, 2, 50, 51, 52])
    for plan in plans_of([50, 51, 52]):
        made.hear(plan, 0.01)
    assert "\n" not in line()
    assert len(line()) <= 60
    assert "0 of 5" in line()


def test_one_training_counts_its_iterations(shown):
    made, line = shown([3])
    (plan,) = plans_of([3])
    made.hear(plan, 0.25)
    assert "relu depth 3" in line()
    assert "25 of 100 iterations" in line()
    assert "so far" in line()
    made.hear(plan, 0.5)
    assert "left" in line()


def test_cells_count_by_what_they_cost_and_reused_ones_not_at_all(shown, tmp_path):
    made, _ = shown([1, 4, 9])
    small, middle, large = plans_of([1, 4, 9])
    made.advance(Cell(small, tmp_path, reused=True))
    made.hear(large, 0.5)
    made.advance(Cell(middle, tmp_path))
    (task,) = made.bar.tasks
    assert task.total == pytest.approx(middle.cost + large.cost)
    assert task.completed == pytest.approx(middle.cost + large.cost / 2)
    assert large.cost / middle.cost == pytest.approx(2.0)  # ten layers to five


def test_what_is_heard_of_a_finished_cell_is_late(shown, tmp_path):
    made, _ = shown([1, 2])
    one, _ = plans_of([1, 2])
    made.advance(Cell(one, tmp_path))
    made.hear(one, 0.5)
    assert made.bar.tasks[0].completed == pytest.approx(one.cost)


def test_an_interrupt_counts_the_cells_that_lie_in_the_folder(shown, tmp_path, capsys):
    one, two = plans_of([1, 2])
    gradlab.comparison.train_cell(one, DATA, tmp_path)
    made, _ = shown([1, 2])
    made._say = print
    made.interrupted(False)
    assert "1 of 2 cells are finished and kept" in capsys.readouterr().out
    made.interrupted(True)
    assert "nothing was recorded yet" in capsys.readouterr().out
    gradlab.comparison.train_cell(two, DATA, tmp_path, in_place=True)
    made.interrupted(True)
    assert "100 of 100 iterations are recorded" in capsys.readouterr().out


def test_an_output_that_cannot_be_written_is_refused_before_the_training(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    for path, sentence in (
        (tmp_path / "loop", "is a link that leads back to itself"),
        (tmp_path / "file" / "x.html", "cannot be written: File exists"),
        (tmp_path / ("x" * 300), "cannot be written: File name too long"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(gradlab.errors.GradlabError, match=sentence):
            output.check_writable(path)
    (tmp_path / "link").symlink_to(tmp_path / "there" / "x.html")
    output.check_writable(tmp_path / "link")
    assert (tmp_path / "there").is_dir()


GRID = ["compare", "--network", "relu", "--width", "4", "--seeds", "1", "--iterations", "5"]


def test_a_pipe_is_never_read_and_a_link_leads_to_the_page_that_is_kept(capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    output.keep_another_grid(tmp_path / "pipe", "")
    page = tmp_path / "there" / "page.html"
    page.parent.mkdir()
    page.write_text('<meta name="gradlab-grid" content="abc">')
    link = tmp_path / "link.html"
    link.symlink_to(page)
    output.keep_another_grid(link, "def")
    assert link.is_symlink()
    assert [path.name for path in page.parent.iterdir()] == ["page-1.html"]
    assert str(page.parent / "page-1.html") in capsys.readouterr().out.replace("\n", "")


def test_the_page_of_another_grid_is_kept(capsys, tmp_path):
    def compare(depth):
        return call(capsys, *GRID, "--jobs", "1", "--depth", depth, "-o", "page.html")

    compare(1)
    first = Path("page.html").read_bytes()
    _, out, _ = compare(2)
    assert "page.html held the page of another grid, which is now page-1.html" in out
    assert Path("page-1.html").read_bytes() == first
    second = Path("page.html").read_bytes()
    _, out, _ = compare(2)
    assert "another grid" not in out
    compare(1)
    assert Path("page-2.html").read_bytes() == second
    assert sorted(path.name for path in tmp_path.glob("*.html")) == [
        "page-1.html",
        "page-2.html",
        "page.html",
    ]
