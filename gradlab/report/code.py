"""Code in the words of a remedy: what a reader can copy."""

from __future__ import annotations

import re
from typing import Any

from gradlab.report.wording import typeset
from gradlab.rules.remedies import Remedy

# A dotted or capitalized name before "(", or "name=value": `nn.init.xavier_normal_(`, `lr=0.01`.
CALL = re.compile(r"(?:[A-Za-z_]\w*(?:\[[^\]\s]*\])*\.)+[A-Za-z_]\w*\(|[A-Z]\w+\(")
STANDARDIZED = re.compile(r"\((\w+) - \1\.mean\(\)\) / \1\.std\(\)")
SETTING = re.compile(r"""[A-Za-z_]\w*=(?:"[^"]*"|[\d.]+(?:e[+-]?\d+)?)""")


def steps(remedy: Remedy, known: str = "") -> dict[str, Any]:
    """Return a remedy as the page shows it; evidence that is `known` already is not repeated.

    Returns
    -------
    dict
        `words`, a list of {"text", "code"} in their order, and `code`: the lines to copy, those of
        the remedy or else of its words; empty where neither holds any.
    """
    parts = parts_of(str(remedy))
    return {
        "action": remedy.action,
        "words": [{"text": text if code else typeset(text), "code": code} for text, code in parts],
        "code": remedy.code or "\n".join(dict.fromkeys(text for text, code in parts if code)),
        "evidence": "" if remedy.evidence in known else typeset(remedy.evidence),
    }


def parts_of(words: str) -> list[tuple[str, bool]]:
    """Part words into (text, whether it is code).

    Examples
    --------
    >>> parts_of("lower the learning rate tenfold (lr=0.01)")
    [('lower the learning rate tenfold (', False), ('lr=0.01', True), (')', False)]
    """
    parts: list[tuple[str, bool]] = []
    start = at = 0
    while at < len(words):
        end = _code_ends(words, at)
        if end is None:
            at += 1
            continue
        if at > start:
            parts.append((words[start:at], False))
        parts.append((words[at:end], True))
        start = at = end
    if start < len(words):
        parts.append((words[start:], False))
    return parts


def _code_ends(words: str, at: int) -> int | None:
    """Return where the code that begins here ends; None where none begins."""
    if at and (words[at - 1].isalnum() or words[at - 1] in "_."):
        return None
    if formula := STANDARDIZED.match(words, at):
        return formula.end()
    if call := CALL.match(words, at):
        return _closing(words, call.end() - 1)
    setting = SETTING.match(words, at)
    if setting is None:
        return None
    end = setting.end()
    return end - 1 if words[end - 1] == "." else end  # a full stop is the sentence's


def _closing(words: str, opening: int) -> int | None:
    """Return the place behind the bracket that closes the one at `opening`; None if none does."""
    depth = 0
    for place in range(opening, len(words)):
        depth += {"(": 1, ")": -1}.get(words[place], 0)
        if depth == 0:
            return place + 1
    return None
