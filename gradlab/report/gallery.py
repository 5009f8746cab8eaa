"""The gallery: every experiment of a folder as a page, and one page that opens them all.

An experiment is a Python file with `TITLE`, `QUESTION`, `ORDER` and `run(quick=...)`;
`article(result)` makes its page, or `write(result, path, links)` writes one of its own and
`answer(result)` says what came out. `experiments/README.md` shows one.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from gradlab.comparison import Comparison
from gradlab.errors import ArgumentError, GradlabError, suggest
from gradlab.live import quiet
from gradlab.ranges import check_jobs
from gradlab.report import thumbnail
from gradlab.report.article import write_article
from gradlab.report.render import render_gallery, write_page

INDEX = "index.html"
HERE = Path(__file__).parent.parent
COURSES = (HERE / "course" / "experiments", HERE.parent / "experiments")
"""Where gradlab's own course is: in an installed wheel, or beside the package in its source."""
USUAL_SECONDS = 10.0
TITLE = "Why does a network learn, or not? A course to run, look at and change"


@dataclass(frozen=True)
class Experiment:
    """An experiment of a folder, before it has run.

    Attributes
    ----------
    path : Path
        Its file; the stem is its name and its page's.
    title, question : str
    order : float
        Its place in the course.
    spreads : bool
        Whether it spreads itself over the cores (`SPREADS = True`) and so gets the machine to
        itself.
    seconds : float
        About how long it takes on two cores (`SECONDS = 20`): what a bar goes by.
    """

    path: Path
    title: str
    question: str
    order: float
    spreads: bool
    seconds: float = USUAL_SECONDS

    @property
    def name(self) -> str:
        """What users type."""
        return self.path.stem

    @property
    def page(self) -> str:
        """The name of its page's file."""
        return f"{self.name.replace('_', '-')}.html"

    @property
    def address(self) -> str:
        """Where its page is linked to: the name, with what addresses give a meaning escaped."""
        return quote(self.page)


@dataclass(frozen=True)
class Built:
    """What became of one experiment: an answer, or in `error` one sentence on why there is none."""

    experiment: Experiment
    answer: str
    error: str
    seconds: float
    still: str = ""
    """A small SVG of the page's first picture, or nothing."""


def experiments(folder: str | Path | None = None) -> list[Experiment]:
    """Find the experiments of a folder, in the course's order.

    A file whose name starts with "_" is none.

    Parameters
    ----------
    folder : path, optional
        By default gradlab's own course.

    Raises
    ------
    ArgumentError
        There is no such folder, it holds no experiment, or one lacks a title, a question, an order
        or `run`.
    """
    root = _own_course() if folder is None else Path(folder)
    files = sorted(root.glob("[!_]*.py")) if root.is_dir() else []
    if not files:
        raise ArgumentError(
            f"{root} holds no experiments; give a folder that does, or none for gradlab's course"
        )
    found = []
    for path in files:
        module = _load(path)
        missing = [
            name for name in ("TITLE", "QUESTION", "ORDER", "run") if not hasattr(module, name)
        ]
        if missing:
            raise ArgumentError(
                f"{path} is no experiment: it has no {missing[0]}; see README.md in {root}"
            )
        found.append(
            Experiment(
                path,
                title=str(module.TITLE),
                question=str(module.QUESTION),
                order=float(module.ORDER),
                spreads=bool(getattr(module, "SPREADS", False)),
                seconds=float(getattr(module, "SECONDS", USUAL_SECONDS)),
            )
        )
    return sorted(found, key=lambda each: (each.order, each.name))


def _own_course() -> Path:
    return next((each for each in COURSES if (each / "README.md").is_file()), COURSES[0])


def choose(course: Sequence[Experiment], names: Sequence[str]) -> list[Experiment]:
    """Return the experiments called `names`, all of them where it is empty.

    ArgumentError for an unknown name.
    """
    known = {each.name: each for each in course}
    for name in names:
        if name not in known:
            raise ArgumentError(f"experiment {name!r} is unknown; {suggest(name, known)}")
    return [each for each in course if not names or each.name in names]


def build(
    chosen: Sequence[Experiment],
    output: str | Path,
    *,
    course: Sequence[Experiment] | None = None,
    quick: bool = False,
    jobs: int = -1,
) -> Iterator[Built]:
    """Run experiments, write the page of each into `output`, and tell of each as it is done.

    One that fails stops no other; its `Built.error` says why.

    Parameters
    ----------
    chosen : sequence of Experiment
    output : path
    course : sequence of Experiment, optional
        The whole course, to which each page links; `chosen` by default.
    quick : bool
        The short form of each.
    jobs : int
        Processes; -1: one a core.

    Raises
    ------
    ArgumentError
        `jobs` is neither -1 nor at least 1.
    """
    import joblib

    jobs = check_jobs(jobs)
    folder = Path(output)
    links = _links(course or chosen)
    for each in chosen:
        if each.spreads:
            yield _build(each, folder, links[each.name], quick)
    # The course's last pages take longest; what takes longest must not start last.
    alone = [each for each in reversed(chosen) if not each.spreads]
    rest = [joblib.delayed(_build)(each, folder, links[each.name], quick) for each in alone]
    done: Any = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(rest)
    yield from done


def write_index(built: Sequence[Built], output: str | Path) -> Path:
    """Write the page that opens all others, in the course's order, and return its path."""
    entries: list[dict[str, Any]] = [
        {
            "step": f"{each.experiment.order:g}",
            "title": each.experiment.title,
            "question": each.experiment.question,
            "address": "" if each.error else each.experiment.address,
            "answer": each.answer,
            "error": each.error,
            "still": Markup(each.still),
        }
        for each in sorted(built, key=lambda each: (each.experiment.order, each.experiment.name))
    ]
    return write_page(render_gallery(entries, TITLE), Path(output) / INDEX)


def _links(course: Sequence[Experiment]) -> dict[str, list[tuple[str, str]]]:
    """The way from each page: to the gallery, to the page before and to the one after."""
    links = {}
    for place, each in enumerate(course):
        before = [
            (f"← {other.title}", other.address) for other in course[max(place - 1, 0) : place]
        ]
        after = [(f"{other.title} →", other.address) for other in course[place + 1 : place + 2]]
        links[each.name] = [("The course", INDEX), *before, *after]
    return links


def _build(each: Experiment, folder: Path, links: list[tuple[str, str]], quick: bool) -> Built:
    start = time.perf_counter()
    answer = error = still = ""
    try:
        module = _load(each.path)
        with quiet():  # what breaks there is what the page is about
            result = module.run(quick=quick)
        if hasattr(module, "article"):
            article = module.article(result)
            write_article(article, folder / each.page, links)
            answer = article.answer
            drawn = [section.figure for section in article.sections if section.figure is not None]
            still = thumbnail.of_figures(drawn)
        else:
            module.write(result, folder / each.page, links)
            answer = module.answer(result)
            still = thumbnail.of_comparison(result) if isinstance(result, Comparison) else ""
    except GradlabError as failure:
        error = str(failure)
    except (Exception, SystemExit) as failure:  # a broken experiment must not end the others
        error = f"{type(failure).__name__}: {failure}"
    return Built(each, answer, error, time.perf_counter() - start, str(still))


def _load(path: Path) -> ModuleType:
    """Import an experiment's file as a module of its folder, so that it finds its neighbours."""
    root = str(path.resolve().parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    name = f"{path.resolve().parent.name}.{path.stem}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path.resolve()):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{path} cannot be imported; an experiment is a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as failure:
        del sys.modules[name]
        raise ArgumentError(
            f"{path} cannot be imported: {type(failure).__name__}: {failure}"
        ) from failure
    return module
