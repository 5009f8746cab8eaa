"""`diagnose(run)`: every rule asked once, root causes told from consequences, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gradlab.diagnosis import causes, expectation
from gradlab.diagnosis.known_rules import by_code, choose, matching, registry, unknown_code
from gradlab.diagnosis.verdict import Diagnosis
from gradlab.errors import RuleError
from gradlab.kinds import MAPPING, TEXTS, instance, of_kinds, several
from gradlab.rules import Finding, Remedy, Rule
from gradlab.rules.already import has
from gradlab.rules.base import CONFIDENCES, SEVERITIES
from gradlab.rules.places import in_names, telling_names
from gradlab.rules.snippets import code_of
from gradlab.rules.windows import broken
from gradlab.run import Run

LONGEST = 300  # characters of a crash's text


@dataclass(frozen=True)
class _Answer:
    """What one rule says of a run: `reason` where it was skipped or crashed, `finding` if fired."""

    status: str
    reason: str = ""
    finding: Finding | None = None


@of_kinds(
    run=instance(Run, "a Run"),
    select=TEXTS.or_none,
    ignore=TEXTS.or_none,
    rules=several(instance(Rule, "a Rule"), "a list of Rules").or_none,
    limits=MAPPING.or_none,
    mute=MAPPING.or_none,
)
def diagnose(
    run: Run,
    *,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    rules: Iterable[Rule] | None = None,
    limits: Mapping[str, Mapping[str, float]] | None = None,
    mute: Mapping[str, str] | None = None,
) -> Diagnosis:
    """Judge a run by every rule and return the verdict, root causes first.

    Parameters
    ----------
    run : Run
    select, ignore : iterable of str, optional
        Codes of rules to ask, or not to ask, and prefixes of codes: "GL1" stands for all rules on
        gradients. Of two that fit a rule the longer one counts. If a root cause is ignored, its
        consequences are reported on their own.
    rules : iterable of Rule, optional
        Instead of the registered ones.
    limits : mapping of str to mapping, optional
        Code -> other limits for that rule, such as {"GL101": {"alarm": 0.001}}; see
        `gradlab rule CODE`.
    mute : mapping of str to str, optional
        Code or prefix -> why a finding of that rule does not count in this run, nor what it
        explains; NaN and infinity always do.

    Raises
    ------
    RuleError
        A code or prefix that fits no rule, or a limit that the rule does not have.
    """
    known = registry() if rules is None else by_code(rules)
    asked = choose(known, select, ignore)
    muted = _muted(known, mute or {})
    changed = _with_limits(known, asked, limits or {})
    matrices = run.matrices
    answers: dict[str, _Answer] = {}
    found: list[tuple[Rule, Finding]] = []
    for code, rule in changed.items():
        judged = run if rule.parameters == "all" else matrices
        answer = _ask(rule, judged if rule.whole else judged.condensed())
        answers[code] = answer
        if answer.finding is not None:
            found.append((rule, answer.finding))
    roots, crashed = causes.fold(found)
    always = [code for code, rule in asked.items() if rule.always]
    findings, silenced = causes.without(roots, muted, always)
    statuses = {code: answer.status for code, answer in answers.items()}
    reasons = {code: answer.reason for code, answer in answers.items() if answer.reason}
    return Diagnosis(
        run=run.name,
        findings=findings,
        statuses=statuses | dict.fromkeys(silenced, "muted") | dict.fromkeys(crashed, "crashed"),
        reasons=reasons | silenced | crashed,
        nonfinite=run.iterations > 0 and bool(broken(run).any()),
        remarks=(*_theory(matrices), *_part_judged(matrices), *_not_measured(run)),
        names=telling_names(run),
    )


def _muted(known: Mapping[str, Rule], mute: Mapping[str, str]) -> dict[str, str]:
    """Return code -> why, of codes and prefixes: of two that fit a rule the longer one counts."""
    reasons: dict[str, str] = {}
    for given in sorted(mute, key=len):
        codes = matching(known, given)
        if not codes:
            raise RuleError(unknown_code(known, given))
        reasons |= dict.fromkeys(codes, mute[given])
    return reasons


def _with_limits(
    known: Mapping[str, Rule],
    asked: Mapping[str, Rule],
    limits: Mapping[str, Mapping[str, float]],
) -> dict[str, Rule]:
    """Return the rules asked, those with other limits as copies."""
    for code, values in limits.items():
        if code not in known:
            raise RuleError(unknown_code(known, code))
        MAPPING.check(f"limits[{code!r}]", values)
    return {code: rule.with_limits(limits.get(code, {})) for code, rule in asked.items()}


def _not_measured(run: Run) -> tuple[str, ...]:
    """Name the parameters that the record leaves out."""
    given = run.provenance.get("not_measured")
    names = [str(each) for each in given] if isinstance(given, (list, tuple)) else []
    if not names:
        return ()
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    hold = "hold" if more else "holds"
    return (f"{names[0]}{more} {hold} complex numbers, which are not measured.",)


def _part_judged(run: Run) -> tuple[str, ...]:
    """Say on how much of a long run the verdict rests."""
    part = run.condensed()
    if part is run:
        return ()
    return (
        f"The layers were judged on {part.iterations:,} of {run.iterations:,} iterations: the "
        f"first "
        "and the last, those with the largest and smallest values, the first NaN or infinity, and "
        "others evenly in between; the loss on all.",
    )


def _theory(run: Run) -> tuple[str, ...]:
    """Compare with theory; a run file that misleads it is no reason to lose the verdict."""
    try:
        return tuple(in_names(remark, run) for remark in expectation.parting(run))
    except Exception as error:
        return (f"theory could not be compared: {type(error).__name__}: {error}"[:LONGEST],)


def _ask(rule: Rule, run: Run) -> _Answer:
    """Ask one rule; an exception that it raises becomes its status, and stops nothing."""
    nothing = _Answer("skipped", "the run holds no iteration; train it for at least one")
    if run.iterations == 0 and not rule.empty:
        return nothing
    try:
        with np.errstate(all="ignore"):
            missing = rule.missing(run)
            if missing:
                return _Answer("skipped", missing)
            finding = rule.judge(run)
            if finding is None:
                return _Answer("passed") if run.iterations else nothing
            return _Answer("fired", finding=_completed(finding, run))
    except Exception as error:
        return _Answer("crashed", f"{type(error).__name__}: {error}"[:LONGEST])


def _completed(finding: Finding, run: Run) -> Finding:
    """Return a finding with the run's own iterations, and the blocks and roles of its layers.

    Raises
    ------
    TypeError
        The rule returned what it should not have: its own error.
    """
    if not isinstance(finding, Finding):
        raise TypeError(f"judge returned {type(finding).__name__}, not a Finding or None")
    if finding.severity not in SEVERITIES or finding.confidence not in CONFIDENCES:
        raise TypeError(
            f"its Finding is of severity {finding.severity!r} and confidence {finding.confidence!r}"
        )
    if not {"hit", "total", "which"} <= set(finding.replicates):
        raise TypeError(f"its Finding has replicates {finding.replicates!r}")
    if not all(isinstance(remedy, Remedy) for remedy in finding.remedies):
        raise TypeError("its Finding has remedies that are no gradlab.rules.Remedy")
    first, last = (int(run.times[row]) for row in finding.iterations) if run.iterations else (0, 0)
    finding = _in_names(finding, run)
    return replace(
        finding,
        iterations=(first, last),
        blocks=finding.blocks or _in_blocks(run, "block", finding.layers),
        roles=finding.roles or _in_blocks(run, "role", finding.layers),
        remedies=_complete_remedies(finding, run),
    )


def _in_names(finding: Finding, run: Run) -> Finding:
    """Return a finding whose texts name layers as the model does: rules count them."""
    cause = finding.cause
    if cause is not None:
        cause = {**cause, "sentence": in_names(cause["sentence"], run)}
    remedies = [
        replace(each, words=in_names(each.words, run), evidence=in_names(each.evidence, run))
        for each in finding.remedies
    ]
    return replace(
        finding,
        message=in_names(finding.message, run),
        evidence=in_names(finding.evidence, run),
        cause=cause,
        remedies=tuple(remedies),
    )


def _complete_remedies(finding: Finding, run: Run) -> tuple[Remedy, ...]:
    """Return the remedies with their code and evidence, without what the training has already.

    Where it has everything that a rule proposes, all of it is kept: it may not be enough.
    """
    evidence = finding.evidence or finding.message
    completed = [
        replace(
            each,
            code=each.code or code_of(each, run),
            evidence=each.evidence or evidence,
        )
        for each in finding.remedies
    ]
    return tuple(each for each in completed if not has(run, each)) or tuple(completed)


def _in_blocks(run: Run, column: str, layers: tuple[int, ...]) -> tuple[str, ...]:
    """Return the different words of a column of `run.layers`, of the layers that are in blocks."""
    words, blocks = run.layer(column), run.layer("block")
    inside = [layer - 1 for layer in layers if blocks[layer - 1]]
    return tuple(dict.fromkeys(str(words[each]) for each in inside))
