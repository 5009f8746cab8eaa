"""`[tool.gradlab]` of a project's pyproject.toml: which rules are asked, by what limits, and what
is muted and why.

    [tool.gradlab]
    ignore = ["GL402"]

    [tool.gradlab.limits.GL101]
    alarm = 0.001

    [[tool.gradlab.mute]]
    run = "baseline-*"
    rule = "GL101"
    reason = "the plain sigmoid net is what the others are compared with"

A mistake in it is an error that names the file and the line.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn

from gradlab.diagnosis import toml_lines
from gradlab.diagnosis.judge import diagnose
from gradlab.diagnosis.known_rules import checked_code, registry, unknown_code
from gradlab.diagnosis.verdict import Diagnosis
from gradlab.errors import RuleError, SettingsError, suggest
from gradlab.files import is_file
from gradlab.rules import Rule
from gradlab.rules.limits import problem
from gradlab.run import Run

FILE = "pyproject.toml"
KEYS, MUTE_KEYS = ("select", "ignore", "limits", "mute"), ("run", "rule", "reason")


@dataclass(frozen=True)
class Mute:
    """One `[[tool.gradlab.mute]]`: in runs whose name fits `run`, findings of `rule` do not count.

    Attributes
    ----------
    rule : str
        A code, or a prefix of codes such as "GL1".
    reason : str
    run : str
        A pattern of run names.
    """

    rule: str
    reason: str
    run: str = "*"


@dataclass(frozen=True)
class Settings:
    """What a project sets.

    Attributes
    ----------
    select, ignore : tuple of str or None
        Codes of the rules to ask and not to ask, and prefixes of codes.
    limits : mapping
        Code -> limits of that rule by their names.
    mutes : tuple of Mute
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    mutes: tuple[Mute, ...] = ()

    def judge(
        self,
        run: Run,
        *,
        select: Iterable[str] | None = None,
        ignore: Iterable[str] | None = None,
    ) -> Diagnosis:
        """Diagnose a run as the project wants it; `select` and `ignore` replace the project's."""
        muted = {mute.rule: mute.reason for mute in self.mutes if fnmatchcase(run.name, mute.run)}
        return diagnose(
            run,
            select=self.select if select is None else select,
            ignore=self.ignore if ignore is None else ignore,
            limits=self.limits,
            mute=muted,
        )

    def rule(self, code: str) -> Rule:
        """Return a rule with the limits that the project sets for it.

        Raises
        ------
        RuleError
            A code that no rule has; the message names the nearest.
        """
        known = registry()
        if code.upper() not in known:
            raise RuleError(unknown_code(known, code))
        return known[code.upper()].with_limits(self.limits.get(code.upper(), {}))


def nearest(folder: Path | None = None) -> Settings:
    """Return the settings of the nearest pyproject.toml, from `folder` (the current one) upwards;
    else the defaults.

    Raises
    ------
    SettingsError
        The file is no TOML, or its [tool.gradlab] holds a mistake; the message names the line.
    """
    start = (folder or Path.cwd()).resolve()
    for each in (start, *start.parents):
        path = each / FILE
        if is_file(path):
            return _read(path, path.stat().st_mtime_ns)
    return Settings()


@functools.lru_cache(maxsize=16)
def _read(path: Path, _changed: int) -> Settings:
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    tools = document.get("tool", {})
    if not isinstance(tools, dict):
        return Settings()  # somebody else's mistake
    table = tools.get("gradlab")
    return Settings() if table is None else _Reader(path, text).settings(table)


class _Reader:
    """Checks one table [tool.gradlab], and knows the line of everything in it."""

    def __init__(self, path: Path, text: str):
        self._path, self._text = path, text

    def settings(self, table: Any) -> Settings:
        """Return what the table says, or raise SettingsError."""
        if not isinstance(table, dict):
            self._fail(
                (), f"[tool.gradlab] is {table!r}; make it a table with the keys {', '.join(KEYS)}"
            )
        self._check_keys(table, KEYS, (), "[tool.gradlab]")
        return Settings(
            select=self._codes(table, "select"),
            ignore=self._codes(table, "ignore"),
            limits=self._limits(table.get("limits", {})),
            mutes=self._mutes(table.get("mute", [])),
        )

    def _check_keys(
        self, table: Mapping[str, Any], allowed: tuple[str, ...], path: tuple, where: str
    ) -> None:
        for key in table:
            if key not in allowed:
                self._fail((*path, key), f"{where} has no key {key!r}; {suggest(key, allowed)}")

    def _codes(self, table: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
        codes = table.get(key)
        if codes is None:
            return None
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            self._fail(
                (key,),
                f"{key} = {codes!r} must be a list of rule codes, such as ['GL101', 'GL102']",
            )
        if key == "select" and not codes:
            self._fail(
                (key,),
                "select = [] leaves nothing to judge by; name at least one rule, or remove it",
            )
        return tuple(self._code(code, (key,), code) for code in codes)

    def _code(self, code: str, path: tuple, seen: str | None = None) -> str:
        try:
            return checked_code(registry(), code)
        except RuleError as error:
            self._fail(path, str(error), seen)

    def _limits(self, table: Any) -> dict[str, dict[str, float]]:
        if not isinstance(table, dict) or not all(
            isinstance(limits, dict) for limits in table.values()
        ):
            self._fail(
                ("limits",),
                "limits must be tables of numbers by rule, such as [tool.gradlab.limits.GL101]",
            )
        result: dict[str, dict[str, float]] = {}
        known = registry()
        for given, limits in table.items():
            code = given.upper()
            if code not in known:  # limits belong to one rule: a prefix is no answer here
                self._fail(("limits", given), unknown_code(known, given))
            for name, value in limits.items():
                if wrong := problem(code, known[code].limits, name, value):
                    self._fail(("limits", given, name), wrong)
            result[code] = dict(limits)
        return result

    def _mutes(self, tables: Any) -> tuple[Mute, ...]:
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self._fail(
                ("mute",), "mute must be a list of tables, each headed [[tool.gradlab.mute]]"
            )
        return tuple(self._mute(table, number) for number, table in enumerate(tables))

    def _mute(self, table: Mapping[str, Any], number: int) -> Mute:
        here, where = ("mute", number), "[[tool.gradlab.mute]]"
        self._check_keys(table, MUTE_KEYS, here, where)
        for key in ("rule", "reason"):
            if key not in table:
                self._fail(
                    here,
                    f"{where} lacks {key!r}; a mute names the rule and says why",
                )
        for key, value in table.items():
            if not isinstance(value, str) or not value.strip():
                self._fail((*here, key), f"{key} = {value!r} must be a text that is not empty")
        return Mute(
            self._code(table["rule"], (*here, "rule")),
            table["reason"].strip(),
            table.get("run", "*"),
        )

    def _fail(self, path: tuple, message: str, seen: str | None = None) -> NoReturn:
        line = toml_lines.find(self._text, ("tool", "gradlab", *path), seen)
        raise SettingsError(f"{self._path}:{line}: {message}")
