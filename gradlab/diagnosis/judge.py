"""`diagnose(run)`: every rule asked once, roots told from consequences, worst first."""

from __future__ import annotations

import functools
import textwrap
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any

import numpy as np

from gradlab import display
from gradlab.diagnosis import causes, expectation
from gradlab.errors import RuleError
from gradlab.rules import BUILT_IN, Finding, Rule
from gradlab.rules.base import ERROR, WARNING
from gradlab.rules.limits import adjusted
from gradlab.rules.windows import broken, final_loss, finite_prefix, learning, losses
from gradlab.run import Run

LEARNED, SLOW, NOT_LEARNED = "learned", "slow", "not learned"
WIDTH = 80  # of a printed line
NAMED = 6  # layers that are named
NUMBERS = "GL0"  # the family of rules on numbers that are none
LEARNED_BELOW, NOT_LEARNED_FROM = 0.5, 0.95  # of the best constant predictor's loss


@dataclass(frozen=True)
class Diagnosis:
    """The verdict on one run.

    Attributes
    ----------
    run : str
        The run's name.
    findings : tuple of Finding
        The ROOTS, worst first; what they explain is folded under them as `consequences`.
    statuses : dict
        Code -> "passed", "fired", "skipped", "crashed" or "muted" (it fired, and was told not to count), for every
        rule asked.
    reasons : dict
        Code -> why a rule was skipped (what it lacks, how to record it) or muted, or how it crashed.
    nonfinite : bool
        Whether the run holds a NaN or an infinity: it is then never ok, whatever rules were asked.
    names : tuple of str
        Of the layers, first one first, where they say more than their numbers: modules of a framework.
    notes : tuple of str
        Where iteration 0 is not what theory expects of the configuration: no verdict, but a place to look at.
    """

    run: str
    findings: tuple[Finding, ...]
    statuses: Mapping[str, str]
    reasons: Mapping[str, str] = field(default_factory=dict)
    nonfinite: bool = False
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """No error, no crashed rule, no NaN, and something was judged at all."""
        judged = any(status in ("passed", "fired", "muted") for status in self.statuses.values())
        errors = any(finding.severity == ERROR for finding in self.every_finding)
        return judged and not errors and not self.nonfinite and "crashed" not in self.statuses.values()

    @property
    def every_finding(self) -> list[Finding]:
        """Roots and consequences in one list."""
        return [each for root in self.findings for each in (root, *root.consequences)]

    @property
    def verdict(self) -> str:
        """A few words: the worst root's name, or "healthy"."""
        if self.findings:
            return self.findings[0].name
        if self.ok:
            return "healthy"
        if "crashed" in self.statuses.values():
            return "a rule crashed"
        return "non-finite" if self.nonfinite else "nothing judged"

    @property
    def share(self) -> str:
        """How many seeds the worst root hits, such as "2 of 8 seeds"; nothing where it is all of them, or no root."""
        if not self.findings:
            return ""
        hit, total = (self.findings[0].replicates[key] for key in ("hit", "total"))
        return "" if hit == total else f"{hit} of {total} seeds"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "name": self.run,
            "ok": self.ok,
            "findings": [finding.to_dict() for finding in self.findings],
            "statuses": dict(self.statuses),
            "reasons": dict(self.reasons),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{self.run}: {self._headline()}"]
        for finding in self.findings:
            lines += ["", *_finding_lines(finding, self._places(finding))]
        for note in self.notes:
            lines += ["", *_wrapped("note: ", note)]
        skipped = [code for code, status in self.statuses.items() if status == "skipped"]
        troubled = [code for code, status in self.statuses.items() if status in ("crashed", "muted")]
        for code in [*troubled, *skipped]:
            lines += _wrapped(f"{code} {self.statuses[code]}: ", self.reasons.get(code, ""), margin=2)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [display.paragraph(f"{self.run}: {self._headline()}", bold=True)]
        for finding in self.findings:
            parts.append(
                display.paragraph(f"{finding.rule} {finding.name} ({finding.severity})", colour=finding.severity)
            )
            parts.append(display.paragraph(finding.message))
            if self._places(finding):
                parts.append(display.paragraph(f"Layers: {self._places(finding)}"))
            if finding.cause:
                parts.append(display.paragraph(f"Why: {finding.cause['sentence']}."))
            if finding.remedies:
                parts += [display.paragraph("What to try:"), display.listed(finding.remedies)]
            if finding.consequences:
                explained = ", ".join(f"{each.rule} {each.name}" for each in finding.consequences)
                parts.append(display.paragraph(f"It explains {explained}."))
        parts += [display.paragraph(f"Note: {note}") for note in self.notes]
        return display.box(*parts)

    def _places(self, finding: Finding) -> str:
        """Name a finding's layers, as their framework does: "3 (blocks.0.up), 7 (blocks.1.up) and 2 more"."""
        if not self.names:
            return ""
        shown = [f"{layer} ({self.names[layer - 1]})" for layer in finding.layers[:NAMED]]
        rest = len(finding.layers) - len(shown)
        return ", ".join(shown) + (f" and {rest} more" if rest else "")

    def _headline(self) -> str:
        if self.findings:
            groups = [(root, *root.consequences) for root in self.findings]  # a root is as bad as what it leads to
            errors = sum(any(each.severity == ERROR for each in group) for group in groups)
            parts = [_count(errors, "error"), _count(len(self.findings) - errors, "warning")]
            return " and ".join(part for part in parts if part)
        passed = sum(status == "passed" for status in self.statuses.values())
        if self.ok:
            muted = sum(status == "muted" for status in self.statuses.values())
            return f"healthy, {passed} rules passed" + (f", {muted} muted" if muted else "")
        if self.nonfinite:
            return "not healthy: it holds NaN or infinity, and no rule that was asked names it"
        crashed = [code for code, status in self.statuses.items() if status == "crashed"]
        return f"not judged in full, {', '.join(crashed)} crashed" if crashed else "nothing could be judged"


def _count(number: int, noun: str) -> str:
    return "" if not number else f"{number} {noun}{'s' if number > 1 else ''}"


def _finding_lines(finding: Finding, places: str) -> list[str]:
    lines = [f"  {finding.rule} {finding.name} ({finding.severity})", *_wrapped("", finding.message)]
    if places:
        lines += _wrapped("layers: ", places)
    if finding.cause:
        lines += _wrapped("why: ", finding.cause["sentence"])
    for remedy in finding.remedies:
        lines += _wrapped("try: ", remedy)
    for each in finding.consequences:
        if each.rule.startswith(NUMBERS):  # where a NaN arose is asked for, though it is a consequence
            lines += _wrapped("then: ", each.message)
    if finding.consequences:
        lines += _wrapped("explains: ", ", ".join(f"{each.rule} {each.name}" for each in finding.consequences))
    return lines


def _wrapped(label: str, text: str, margin: int = 4) -> list[str]:
    start, indent = " " * margin + label, " " * (margin + len(label))
    return textwrap.wrap(start + text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


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
        Codes of the rules to ask, or not to ask; a root that is not asked leaves its consequences to stand alone.
    rules : iterable of Rule, optional
        Instead of the registered ones.
    limits : mapping of str to mapping, optional
        Code -> other limits for that rule, such as {"GL101": {"alarm": 0.001}}; see `gradlab rule CODE`.
    mute : mapping of str to str, optional
        Code -> why a finding of that rule does not count in this run, nor what it explains; NaN and infinity always do.

    Raises
    ------
    RuleError
        A code that no rule has, or a limit that the rule has not.
    """
    known = registry() if rules is None else _by_code(rules)
    asked, limits, mute = _choose(known, select, ignore), limits or {}, mute or {}
    _choose(known, [*limits, *mute], None)
    statuses: dict[str, str] = {}
    reasons: dict[str, str] = {}
    found: list[tuple[Rule, Finding]] = []
    part = run.condensed()
    for code, rule in asked.items():
        statuses[code], reason, finding = _ask(adjusted(rule, limits.get(code, {})), run if rule.whole else part)
        if reason:
            reasons[code] = reason
        if finding is not None:
            found.append((rule, finding))
    roots, crashed = causes.fold(found)
    always = [code for code, rule in asked.items() if rule.always]
    findings, silenced = causes.without(roots, mute, always)
    statuses |= dict.fromkeys(silenced, "muted") | dict.fromkeys(crashed, "crashed")
    nonfinite = run.iterations > 0 and bool(broken(run).any())
    notes = (*_notes(run), *_how(run, part))
    said = reasons | silenced | crashed
    return Diagnosis(run.name, findings, statuses, said, nonfinite, notes, _telling_names(run))


def _telling_names(run: Run) -> tuple[str, ...]:
    """Return the layers' names if they tell more than "hidden3" and "output" do."""
    names = run.layer("name").tolist()
    usual = [*(f"hidden{number}" for number in range(1, len(names))), "output"]
    return () if names == usual else tuple(str(name) for name in names)


def _how(run: Run, part: Run) -> tuple[str, ...]:
    """Say on how much of a long run the verdict rests."""
    if part is run:
        return ()
    return (
        f"The layers were judged on {part.iterations:,} of {run.iterations:,} iterations: the first and the last, "
        "those with the largest and smallest values, the first NaN or infinity, and others evenly in between; the loss "
        "on all.",
    )


def _notes(run: Run) -> tuple[str, ...]:
    """What theory has to say; a run file that misleads it is no reason to lose the verdict."""
    try:
        return expectation.parting(run)
    except Exception as error:
        return (f"theory could not be compared: {type(error).__name__}: {error}"[:300],)


def _ask(rule: Rule, run: Run) -> tuple[str, str, Finding | None]:
    """Return (status, reason, finding) of one rule; whatever it raises is a row, not the end."""
    if run.iterations == 0:
        return "skipped", "the run holds no iteration; train it for at least one", None
    try:
        with np.errstate(all="ignore"):
            missing = rule.missing(run)
            if missing:
                return "skipped", missing, None
            finding = rule.judge(run)
            return ("passed", "", None) if finding is None else ("fired", "", _told(finding, run))
    except Exception as error:
        return "crashed", f"{type(error).__name__}: {error}"[:300], None


def _told(finding: Finding, run: Run) -> Finding:
    """Return a finding by the run's own iterations; what a rule should not have returned is an error of that rule."""
    if not isinstance(finding, Finding):
        raise TypeError(f"judge returned {type(finding).__name__}, not a Finding or None")
    if finding.severity not in (ERROR, WARNING) or not {"hit", "total", "which"} <= set(finding.replicates):
        raise TypeError(f"its Finding is of severity {finding.severity!r} with replicates {finding.replicates!r}")
    first, last = (int(run.times[row]) for row in finding.iterations)
    return replace(finding, iterations=(first, last))


def outcomes(run: Run) -> list[str]:
    """Say of each replicate whether it "learned", is "slow", or has "not learned" anything about its input.

    By its final loss as a share of the best constant predictor's: below a half, in between, or 95 % and more (or NaN).
    Where that one is not known, by how much of its own first loss is gone, in the same shares.
    """
    if run.iterations == 0:
        return [NOT_LEARNED] * run.replicates
    share = learning(run)
    if share is None:
        first = losses(run)[0]
        with np.errstate(all="ignore"):
            share = 1 - (first - final_loss(run)) / np.abs(first)  # a loss may be negative: a log-likelihood, say
    return [LEARNED if s <= LEARNED_BELOW else NOT_LEARNED if not s < NOT_LEARNED_FROM else SLOW for s in share]


def outcome(run: Run) -> str:
    """Return the outcome of most replicates; of a tie, the worse."""
    each = outcomes(run)
    return max((NOT_LEARNED, SLOW, LEARNED), key=each.count)


def accuracy(run: Run) -> list[float | None]:
    """Return each replicate's last accuracy on the held-out data; None where there is none, or the run ended in NaN."""
    if run.iterations == 0:
        return [None] * run.replicates
    values = run.step("validation_accuracy")
    ended = finite_prefix(run) < run.iterations
    result: list[float | None] = []
    for k in range(run.replicates):
        known = values[np.isfinite(values[:, k]), k]
        result.append(None if ended[k] or not len(known) else float(known[-1]))
    return result


def clipped(run: Run) -> float | None:
    """Return the share of updates whose gradient clipping made smaller; None where nothing clips."""
    before, after = run.step("grad_norm"), run.step("clipped_grad_norm")
    known = np.isfinite(before) & np.isfinite(after)
    # 1e-5: the two norms are summed apart, in another order.
    return float((after[known] < before[known] * (1 - 1e-5)).mean()) if known.any() else None


def summary(run: Run, diagnosis: Diagnosis) -> dict[str, Any]:
    """Return what `check --format json` and `compare --json` say of one run."""
    verdict, share = diagnosis.to_dict(), clipped(run)
    return {
        "name": run.name,
        "config": run.config,
        "ok": verdict["ok"],
        "outcome": outcome(run),
        "accuracy": accuracy(run),
        "findings": verdict["findings"],
        "statuses": verdict["statuses"],
        "reasons": verdict["reasons"],
        **({} if share is None else {"clipped": share}),
    }


@functools.cache
def registry() -> dict[str, Rule]:
    """Return every known rule by its code: the built-in ones and those of the entry point group `gradlab.rules`.

    A rule of another package that fails to load is named in a warning and stops nothing.

    Raises
    ------
    RuleError
        Two rules have the same code.
    """
    rules = [kind() for kind in BUILT_IN]
    for entry in metadata.entry_points(group="gradlab.rules"):
        try:
            rule = entry.load()()
            if not (isinstance(rule, Rule) and isinstance(rule.code, str) and isinstance(rule.name, str)):
                raise TypeError("not a gradlab.Rule with a code and a name")
        except Exception as error:
            warnings.warn(f"rule {entry.name!r} ({entry.value}) cannot be loaded: {error}", stacklevel=2)
            continue
        rules.append(rule)
    return _by_code(rules)


def _by_code(rules: Iterable[Rule]) -> dict[str, Rule]:
    table: dict[str, Rule] = {}
    for rule in rules:
        if rule.code in table:
            raise RuleError(f"two rules have the code {rule.code}: {table[rule.code].name} and {rule.name}; rename one")
        table[rule.code] = rule
    return dict(sorted(table.items()))


def _choose(rules: dict[str, Rule], select: Iterable[str] | None, ignore: Iterable[str] | None) -> dict[str, Rule]:
    chosen = list(rules) if select is None else [code.upper() for code in select]
    dropped = [] if ignore is None else [code.upper() for code in ignore]
    unknown = [code for code in [*chosen, *dropped] if code not in rules]
    if unknown:
        raise RuleError(f"rule {unknown[0]!r} is unknown; choose from: {', '.join(rules)}")
    return {code: rule for code, rule in rules.items() if code in chosen and code not in dropped}
