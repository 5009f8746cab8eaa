"""`Gradients`: what the fixture `gradients` is; it keeps what a test trains, and asserts on it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gradlab.errors import ArgumentError, suggest
from gradlab.recorder import watching
from gradlab.run import Run
from gradlab.testing.bounds import assert_gradient_bounds, assert_ratio
from gradlab.testing.health import assert_healthy, assert_no_exploding, assert_no_vanishing
from gradlab.testing.mistakes import at_the_callers_line
from gradlab.testing.profile import assert_profile
from gradlab.testing.select import GradientError, Resolvable, resolve

PROFILES = "gradient_profiles"  # the folder beside a test file
HEALTH, BOUNDS, WHERE = (
    ("select", "ignore", "strict"),
    ("minimum", "maximum"),
    ("statistic", "layers", "iterations", "quantile"),
)
MARKER_KEYS = (*HEALTH, *BOUNDS, "first_to_last", *WHERE)


class Gradients:
    """The trainings of one test.

    Whatever feeds a `gradlab.Recorder` in this process is recorded while the test runs:
    `gradlab.train`, a loop of one's own, and every adapter. Training in another process is not;
    hand its run to `add`.

    Attributes
    ----------
    profiles_written : list of Path
        By `assert_profile` under --gradlab-update.
    spared : int
        Assertions not made because of --gradlab-off.
    """

    def __init__(
        self, nodeid: str, file: Path, *, folder: Path, update: bool = False, off: bool = False
    ):
        self._nodeid, self._file, self._folder, self._update, self._off = (
            nodeid,
            file,
            folder,
            update,
            off,
        )
        self._trained: list[Resolvable] = []
        self._watch = contextlib.ExitStack()
        self.profiles_written: list[Path] = []
        self.spared = 0

    def __repr__(self) -> str:
        return f"<Gradients: {len(self._trained)} trained>"

    def start(self) -> Gradients:
        """Begin to keep what is trained."""
        self._watch.enter_context(watching(self._trained.append))
        return self

    def stop(self) -> None:
        """Keep nothing more; a closed recorder's files go with the last reference to it."""
        self._watch.close()

    def add(self, run: Run | str | Path | Any) -> Run:
        """Count a run that was trained elsewhere, as in a fixture, as this test's; return it."""
        found = resolve(run)
        self._trained.append(found)
        return found

    @property
    def runs(self) -> list[Run]:
        """Every run of the test so far, in the order of their beginning."""
        found: list[Run] = []
        for each in self._trained:
            run = resolve(each)
            if not any(run is other for other in found):
                found.append(run)
        return found

    @property
    def run(self) -> Run:
        """The one run of the test.

        Raises
        ------
        GradientError
            There is none yet, or there are several.
        """
        __tracebackhide__ = True
        runs = self._some()
        if len(runs) > 1:
            raise GradientError(
                f"the test trained {len(runs)} runs ({', '.join(run.name for run in runs[:4])}); "
                f"choose one by "
                "gradients.runs[...]"
            )
        return runs[0]

    def _some(self) -> list[Run]:
        __tracebackhide__ = True
        runs = self.runs
        if not runs:
            raise GradientError(
                "nothing was trained in this test that gradlab records, so nothing can be judged; "
                "train by "
                "gradlab.train, feed a gradlab.Recorder, or hand over another fixture's run by "
                "gradients.add(run)"
            )
        return runs

    @at_the_callers_line
    def assert_healthy(self, **options: Any) -> None:
        """Assert `gradlab.testing.assert_healthy` of every run."""
        __tracebackhide__ = True
        self._each(assert_healthy, folder=self._folder, **options)

    @at_the_callers_line
    def assert_no_vanishing(self, **options: Any) -> None:
        """Assert `gradlab.testing.assert_no_vanishing` of every run."""
        __tracebackhide__ = True
        self._each(assert_no_vanishing, **options)

    @at_the_callers_line
    def assert_no_exploding(self, **options: Any) -> None:
        """Assert `gradlab.testing.assert_no_exploding` of every run."""
        __tracebackhide__ = True
        self._each(assert_no_exploding, **options)

    @at_the_callers_line
    def assert_gradient_bounds(
        self, minimum: float | None = None, maximum: float | None = None, **options: Any
    ) -> None:
        """Assert `gradlab.testing.assert_gradient_bounds` of every run."""
        __tracebackhide__ = True
        self._each(assert_gradient_bounds, minimum=minimum, maximum=maximum, **options)

    @at_the_callers_line
    def assert_ratio(self, first_to_last: Any, **options: Any) -> None:
        """Assert `gradlab.testing.assert_ratio` of every run."""
        __tracebackhide__ = True
        self._each(assert_ratio, first_to_last=first_to_last, **options)

    def _each(self, assertion: Callable[..., None], **options: Any) -> None:
        __tracebackhide__ = True
        if self._off:
            self.spared += 1
            return
        failures = [
            message for run in self._some() if (message := _failure(assertion, run, options))
        ]
        if failures:
            raise GradientError("\n\n".join(failures))

    @at_the_callers_line
    def assert_profile(
        self,
        name: str,
        *,
        decades: float = 0.5,
        statistic: str = "grad_norm",
        run: Any | None = None,
    ) -> None:
        """Assert that no layer's gradient moved more than `decades` from the stored profile.

        `--gradlab-update` writes it, to gradient_profiles/FILE-NAME.toml; see
        `gradlab.testing.assert_profile`.

        Parameters
        ----------
        name : str
            Of letters, digits, dots, dashes and underscores; no two tests of a file may share one.
        decades : float
            Powers of ten, above 0.
        statistic : str
            A column of a Run.
        run : Run, path or recorder, optional
            Where the test trains several.
        """
        __tracebackhide__ = True
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
            raise ArgumentError(
                f"profile name {name!r} must be of letters, digits, dots, dashes and underscores"
            )
        if self._off:
            self.spared += 1
            return
        path = self._file.parent / PROFILES / f"{self._file.stem}-{name}.toml"
        command = f'pytest "{self._nodeid}" --gradlab-update'
        chosen = self.run if run is None else run
        assert_profile(
            chosen, path, decades=decades, statistic=statistic, update=self._update, command=command
        )
        if self._update:
            self.profiles_written.append(path)

    def judge(self, wanted: Mapping[str, Any]) -> None:
        """Assert what a marker asks for: the rules, where it names some or asks for nothing.

        And the bounds it sets.
        """
        __tracebackhide__ = True
        if not self._off:
            self._some()
        rules = {key: value for key, value in wanted.items() if key in HEALTH}
        bounds = {key: value for key, value in wanted.items() if key in BOUNDS}
        where = {key: value for key, value in wanted.items() if key in WHERE}
        asked: list[tuple[Callable[..., None], dict[str, Any]]] = []
        if rules or not wanted:
            asked.append((self.assert_healthy, rules))
        if bounds or (where and "first_to_last" not in wanted):
            asked.append((self.assert_gradient_bounds, {**bounds, **where}))
        if "first_to_last" in wanted:
            asked.append((self.assert_ratio, {"first_to_last": wanted["first_to_last"], **where}))
        failures = [
            message
            for assertion, options in asked
            if (message := _failure(assertion, None, options))
        ]
        if failures:
            raise GradientError("\n\n".join(failures))


def _failure(
    assertion: Callable[..., None], run: Run | None, options: Mapping[str, Any]
) -> str | None:
    """Return what an assertion complains of, or None; a wrong argument is raised on."""
    try:
        assertion(*(() if run is None else (run,)), **options)
    except GradientError as error:
        return str(error)
    return None


def check_marker(args: tuple[Any, ...], wanted: Mapping[str, Any]) -> None:
    """Raise ArgumentError for a marker that says something it cannot."""
    unknown = [key for key in wanted if key not in MARKER_KEYS]
    if args or unknown:
        if unknown:
            meant = suggest(unknown[0], MARKER_KEYS)
            raise ArgumentError(f"the marker gradients takes no argument {unknown[0]!r}; {meant}")
        raise ArgumentError(
            f"the marker gradients got {args[0]!r} without a name; it takes "
            f"{', '.join(MARKER_KEYS)}, each by name"
        )
