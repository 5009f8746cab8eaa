"""Every rule by its code, those of other packages included; and the choice among them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Mapping
from importlib import metadata

from gradlab.errors import RuleError, nearest, suggest
from gradlab.rules import BUILT_IN, Rule

GROUP = "gradlab.rules"  # the entry points by which other packages name their rules


@functools.cache
def registry() -> dict[str, Rule]:
    """Return every known rule by its code: the built-in ones and those of other packages.

    A rule of another package that fails to load is named in a warning and stops nothing.

    Raises
    ------
    RuleError
        Two rules have the same code.
    """
    rules = [kind() for kind in BUILT_IN]
    for entry in metadata.entry_points(group=GROUP):
        try:
            rule = entry.load()()
            if not (isinstance(rule, Rule) and isinstance(rule.code, str)):
                raise TypeError("not a gradlab.Rule with a code")
            if not isinstance(rule.name, str):
                raise TypeError("not a gradlab.Rule with a name")
        except Exception as error:
            warnings.warn(
                f"rule {entry.name!r} ({entry.value}) cannot be loaded: {error}", stacklevel=2
            )
            continue
        rules.append(rule)
    return by_code(rules)


def by_code(rules: Iterable[Rule]) -> dict[str, Rule]:
    """Sort rules by their codes.

    Raises
    ------
    RuleError
        Two rules have the same code.
    """
    table: dict[str, Rule] = {}
    for rule in rules:
        if rule.code in table:
            raise RuleError(
                f"two rules have the code {rule.code}: {table[rule.code].name} and {rule.name}; "
                "rename one"
            )
        table[rule.code] = rule
    return dict(sorted(table.items()))


def choose(
    rules: Mapping[str, Rule], select: Iterable[str] | None, ignore: Iterable[str] | None
) -> dict[str, Rule]:
    """Choose rules by codes and prefixes of codes.

    Of two that fit the same rule, the longer one counts: GL101 may be selected where GL1 is
    ignored, and ignored where GL1 is selected. Of the same code in both, `ignore` counts.

    Parameters
    ----------
    rules : mapping of str to Rule
    select : iterable of str or None
        Codes and prefixes, such as "GL101" and "GL1"; None: all.
    ignore : iterable of str or None

    Raises
    ------
    RuleError
        A code or prefix that fits no rule; the message names the nearest.
    """
    wanted = None if select is None else [checked_code(rules, code) for code in select]
    dropped = [checked_code(rules, code) for code in (() if ignore is None else ignore)]
    chosen = {}
    for code, rule in rules.items():
        selected = 0 if wanted is None else _longest(code, wanted)
        if selected > _longest(code, dropped):
            chosen[code] = rule
    return chosen


def _longest(code: str, prefixes: Iterable[str]) -> int:
    """Return the length of the longest prefix that fits a code; -1 where none does."""
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=-1)


def checked_code(rules: Mapping[str, Rule], given: object) -> str:
    """Return a code or prefix in capitals.

    Raises
    ------
    RuleError
        It fits no rule.
    """
    code = str(given).upper()
    if code and any(known.upper().startswith(code) for known in rules):
        return code
    raise RuleError(unknown_code(rules, given))


def unknown_code(rules: Mapping[str, Rule], given: object) -> str:
    """Say that a code or prefix fits no rule, and which is the nearest."""
    if not rules:
        return f"rule {given!r} is unknown: rules=[] holds none"
    names = {rule.name: code for code, rule in rules.items()}
    if str(given).lower() in names:  # typed by its name
        return (
            f"rule {given!r} is unknown by that name; did you mean {names[str(given).lower()]!r}?"
        )
    near = nearest(given, names)
    if near is not None:
        return f"rule {given!r} is unknown; did you mean {near!r} ({names[near]})?"
    return f"rule {given!r} is unknown; {suggest(given, rules)}"


def matching(rules: Mapping[str, Rule], prefix: str) -> tuple[str, ...]:
    """Return the codes that a code or prefix stands for."""
    return tuple(code for code in rules if code.startswith(prefix.upper()))
