"""Assertions on a run's diagnosis: its rules say whether it is healthy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gradlab.diagnosis import Diagnosis, diagnose, project
from gradlab.errors import ArgumentError
from gradlab.kinds import FLAG, PATH, TEXTS, of_kinds
from gradlab.rules import Finding
from gradlab.rules.windows import broken
from gradlab.rules.wording import number
from gradlab.run import Run
from gradlab.testing.message import Row, apart, finding_lines, table, wrapped
from gradlab.testing.mistakes import at_the_callers_line
from gradlab.testing.select import GradientError, as_run, names_of

VANISHING, EXPLODING, NONFINITE = "GL101", "GL102", "GL001"


@at_the_callers_line
@of_kinds(strict=FLAG, folder=PATH.or_none)
def assert_healthy(
    run: Any,
    *,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    strict: bool = False,
    folder: Path | None = None,
) -> None:
    """Assert that gradlab's rules find no error in a run.

    Parameters
    ----------
    run : Run, path or recorder
    select, ignore : iterable of str, optional
        Codes of the rules to ask, or not to ask, and prefixes of codes ("GL1"), in place of those
        in the project's [tool.gradlab].
    strict : bool
        Fail on a warning too.
    folder : path, optional
        Where to look for the project's pyproject.toml, upwards; default: the current folder.

    Raises
    ------
    GradientError
        There is an error, a NaN or an infinity, or a rule selected here cannot be judged (an
        AssertionError).
    ArgumentError, RuleError, SettingsError
        No rule, or an unknown one, or a mistake in [tool.gradlab].
    """
    __tracebackhide__ = True
    chosen, dropped = _codes("select", select), _codes("ignore", ignore)
    record = as_run(run)
    diagnosis = project.nearest(None if folder is None else Path(folder)).judge(
        record, select=chosen, ignore=dropped
    )
    if not diagnosis.statuses:
        raise ArgumentError(
            "select and ignore together leave no rule to judge by; ask at least one"
        )
    _refuse_unjudged(record, diagnosis, chosen or ())
    if not diagnosis.ok or (strict and diagnosis.faults):
        raise GradientError(health_message(record, diagnosis, "is not healthy"))


@at_the_callers_line
@of_kinds(strict=FLAG)
def assert_no_vanishing(run: Any, *, strict: bool = False) -> None:
    """Assert that the gradient does not vanish: GL101 finds no error, `strict`: nor warning.

    Raises
    ------
    GradientError
        It vanishes, the run holds NaN or infinity, or it lacks what GL101 needs (an
        AssertionError).
    """
    __tracebackhide__ = True
    _assert_rule(as_run(run), VANISHING, "has a vanishing gradient", strict)


@at_the_callers_line
@of_kinds(strict=FLAG)
def assert_no_exploding(run: Any, *, strict: bool = False) -> None:
    """Assert that the gradient does not explode: GL102 finds no error, `strict`: nor warning.

    Raises
    ------
    GradientError
        It explodes, the run holds NaN or infinity, or it lacks what GL102 needs (an
        AssertionError).
    """
    __tracebackhide__ = True
    _assert_rule(as_run(run), EXPLODING, "has an exploding gradient", strict)


def _assert_rule(run: Run, code: str, complaint: str, strict: bool) -> None:
    __tracebackhide__ = True
    diagnosis = diagnose(
        run, select=[code], limits={k: v for k, v in project.nearest().limits.items() if k == code}
    )
    _refuse_unjudged(run, diagnosis, [code])
    if diagnosis.ok and not (strict and diagnosis.faults):
        return
    if not diagnosis.faults:  # NaN or infinity: the rule judged what came before
        diagnosis, complaint = (
            diagnose(run, select=[code, EXPLODING, NONFINITE]),
            "holds NaN or infinity",
        )
    raise GradientError(health_message(run, diagnosis, complaint))


def _codes(argument: str, codes: Iterable[str] | None) -> list[str] | None:
    if codes is None:
        return None
    if not isinstance(codes, str):
        TEXTS.check(argument, codes)
    listed = [part.strip() for part in codes.split(",")] if isinstance(codes, str) else list(codes)
    if argument == "select" and not listed:
        raise ArgumentError(
            "select=[] leaves nothing to judge by; name at least one rule, or leave it out for all"
        )
    return [str(code).upper() for code in listed]


def _refuse_unjudged(run: Run, diagnosis: Diagnosis, wanted: Iterable[str]) -> None:
    """Fail if every rule, or every rule of a code or prefix that was asked for, is skipped."""
    __tracebackhide__ = True
    for prefix in ("", *wanted):
        statuses = {c: s for c, s in diagnosis.statuses.items() if c.startswith(prefix)}
        if statuses and set(statuses.values()) == {"skipped"}:
            missed = next(iter(statuses))
            reason = diagnosis.reasons.get(missed, "")
            raise GradientError(f"run {run.name!r} cannot be judged by {missed}: it {reason}.")


def health_message(run: Run, diagnosis: Diagnosis, complaint: str) -> str:
    """Word a diagnosis that fails a test: root cause, where it is worst, why, what to try."""
    if not diagnosis.faults:
        return f"run {run.name!r} {complaint}: {_without_finding(run, diagnosis)}."
    root, *others = diagnosis.faults
    worst = _worst(run, root)
    spot = f", worst in {worst[0]}" if worst else ""
    head = (
        f"run {run.name!r} {complaint}: {root.rule} {root.name} ({root.severity}){spot}; "
        f"value {apart(root.value, root.limit)} against limit {number(root.limit)}."
    )
    lines = [head, *(worst[1] if worst else []), *finding_lines(root)]
    also = [*root.consequences, *others]
    if also:
        lines += wrapped(
            "also: ", ", ".join(f"{each.rule} {each.name} ({each.severity})" for each in also)
        )
    lines += _crashes(diagnosis)
    return "\n".join(lines)


def _without_finding(run: Run, diagnosis: Diagnosis) -> str:
    if diagnosis.nonfinite:
        where = np.argwhere(broken(run))[0]
        return (
            f"it holds NaN or infinity from iteration {where[0]}, replicate {where[1]}, which no "
            f"rule asked names; "
            f"ask {NONFINITE} for the layer"
        )
    return "; ".join(_crashes(diagnosis)) or diagnosis.verdict


def _crashes(diagnosis: Diagnosis) -> list[str]:
    crashed = [code for code, status in diagnosis.statuses.items() if status == "crashed"]
    return [
        line
        for code in crashed
        for line in wrapped(f"{code} crashed: ", diagnosis.reasons.get(code, ""))
    ]


def _worst(run: Run, finding: Finding) -> tuple[str, list[str]] | None:
    """Say where a finding's first statistic is worst, and list it by layer at that place."""
    column = next((name for name in finding.columns if name in run), None)
    if column is None:
        return None
    first, last = finding.iterations
    which = list(finding.replicates["which"])
    run = run.matrices if max(finding.layers, default=1) <= run.matrices.shape[2] else run
    layers = [layer - 1 for layer in finding.layers] or list(range(run.shape[2]))
    cut = np.ix_(range(first, last + 1), which, layers)
    values, recorded = run[column][cut], run.recorded(column)[cut]
    if not recorded.any():
        return None
    low = finding.value < finding.limit
    badness = np.where(
        np.isfinite(values), -values if low else values, np.inf
    )  # what is not finite is worst
    at = np.unravel_index(np.argmax(np.where(recorded, badness, -np.inf)), badness.shape)
    iteration, replicate, layer = first + int(at[0]), which[int(at[1])], layers[int(at[2])]
    names = names_of(run)
    rows = [
        Row(
            k + 1, names[k], float(run[column][iteration, replicate, k]), _note(run, finding, k + 1)
        )
        for k in range(run.shape[2])
        if run.recorded(column)[iteration, replicate, k]
    ]
    heading = f"{column} at iteration {iteration}, replicate {replicate}"
    where = f"layer {layer + 1} ({names[layer]}) at iteration {iteration}, replicate {replicate}"
    return where, table(heading, rows, layer + 1)


def _note(run: Run, finding: Finding, layer: int) -> str:
    return finding.name if layer in finding.layers and len(finding.layers) < run.shape[2] else ""


def said_of(run: Run, diagnosis: Diagnosis) -> str:
    """Say in a few lines what the rules make of a run whose test failed for a reason of its own."""
    told = diagnosis.faults or not diagnosis.ok
    return str(diagnosis) if told else f"{run.name}: {diagnosis.verdict}"
