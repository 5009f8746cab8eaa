"""Which findings are root causes, which are consequences, and what is left if some are muted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from gradlab.rules import Finding, Rule
from gradlab.rules.base import NOTE, SEVERITIES
from gradlab.statistics import COSTLY_EVERY

LINGERS = 50  # iterations that a cause's effect may take to show: a window of what rules look at


def fold(found: Sequence[tuple[Rule, Finding]]) -> tuple[tuple[Finding, ...], dict[str, str]]:
    """Put every finding that another one explains, directly or through a third, under it.

    One explains another where its rule says so, it hits at least half of the seeds that the other
    hits, and it comes first: it begins no later, and does not end long before the other begins. A
    note, being harmless, explains nothing but notes; unless its rule says that it rises: then it
    becomes as severe as the worst that it explains.

    Returns
    -------
    roots : tuple of Finding
    crashed : dict
        Code -> how the rule crashed when it was asked what it explains: nothing, then.
    """
    findings = {rule.code: finding for rule, finding in found}
    rules = {rule.code: rule for rule, _ in found}
    crashed: dict[str, str] = {}
    effects: dict[str, list[str]] = {}
    for rule, finding in found:
        others = [code for code in findings if code != rule.code]
        try:
            effects[rule.code] = [
                code for code in others if _explains(rule, finding, rules[code], findings[code])
            ]
        except Exception as error:
            effects[rule.code] = []
            crashed[rule.code] = f"asked what it explains, {type(error).__name__}: {error}"[:300]
    reach = {code: _reachable(code, effects) for code in findings}
    folded: dict[str, list[Finding]] = {code: [] for code in findings if _is_root(code, reach)}
    for code in findings:
        if code not in folded:
            folded[next(root for root in folded if code in reach[root])].append(findings[code])
    return _ordered(
        _risen(rules[code], findings[code].with_consequences(under))
        for code, under in folded.items()
    ), crashed


def _explains(rule: Rule, finding: Finding, effect: Rule, other: Finding) -> bool:
    harmless = finding.severity == NOTE and other.severity != NOTE and not rule.rises
    if effect.is_cause(other):
        return False
    in_time = effect.timeless or rule.timeless or _precedes(rule, finding, other)
    return rule.explains_it(finding, other) and in_time and not harmless


def _risen(rule: Rule, root: Finding) -> Finding:
    if not rule.rises:
        return root
    found = [root.severity, *(each.severity for each in root.consequences)]
    return replace(root, severity=min(found, key=SEVERITIES.index))


def _precedes(rule: Rule, finding: Finding, other: Finding) -> bool:
    """Whether a finding began no later than another one, and did not end long before it began.

    A statistic that is measured every tenth iteration may show its finding nine iterations late.
    """
    began, ended = finding.iterations
    if ended == 0:
        return True  # by construction, before the first update: it lasts
    late = 0 if rule.exact else COSTLY_EVERY - 1
    return began <= other.iterations[0] + late and ended >= other.iterations[0] - LINGERS


def _ordered(roots: Iterable[Finding]) -> tuple[Finding, ...]:
    """Put the worst first: errors, then those that explain most, then those that began first."""
    return tuple(
        sorted(
            roots,
            key=lambda root: (
                SEVERITIES.index(root.severity),
                -len(root.consequences),
                root.iterations[0],
                root.rule,
            ),
        )
    )


def _is_root(code: str, reach: Mapping[str, set[str]]) -> bool:
    """Whether nothing else explains it; of rules that explain each other, the first is the root."""
    causes = [other for other in reach if code in reach[other] and other != code]
    return all(other in reach[code] and code < other for other in causes)


def _reachable(root: str, effects: Mapping[str, list[str]]) -> set[str]:
    seen: set[str] = set()
    frontier = [root]
    while frontier:
        new = [code for code in effects[frontier.pop()] if code not in seen]
        seen.update(new)
        frontier += new
    return seen


def without(
    roots: Sequence[Finding], mute: Mapping[str, str], always: Collection[str]
) -> tuple[tuple[Finding, ...], dict[str, str]]:
    """Take out the muted findings, each with what it explains.

    Parameters
    ----------
    mute : mapping of str to str
        Code -> why.
    always : collection of str
        Codes that are told even where the root that explains them is muted.

    Returns
    -------
    roots : tuple of Finding
    silenced : dict
        Code -> why, and what was found, of all that was taken out.
    """
    kept: list[Finding] = []
    silenced: dict[str, str] = {}
    for root in roots:
        left = [each for each in root.consequences if each.rule not in mute]
        silenced |= {
            each.rule: _why(each, mute[each.rule])
            for each in root.consequences
            if each.rule in mute
        }
        if root.rule not in mute:
            kept.append(root.with_consequences(left))
            continue
        silenced[root.rule] = _why(root, mute[root.rule])
        kept += [each for each in left if each.rule in always]
        explained = f"{root.rule} explains it and is muted: {mute[root.rule]}"
        silenced |= {each.rule: _why(each, explained) for each in left if each.rule not in always}
    return _ordered(kept), silenced


def _why(finding: Finding, reason: str) -> str:
    return f"{reason} (it found: {finding.message})"
