"""What is said of a command line that cannot be read: what is wrong, what is allowed, what to type.

typer tells apart the mistakes, and what it says of them is for programmers; here each is a sentence
like those of all other errors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import typer

from gradlab.errors import nearest, shown, suggest


def sentence(error: Any, application: typer.Typer, arguments: Sequence[str]) -> str:
    """Say what is wrong with a command line, and what to type.

    Parameters
    ----------
    error : typer.exceptions.TyperException
        What was raised of it.
    application : typer.Typer
        The whole command line.
    arguments : sequence of str
        What was typed.
    """
    group: Any = typer.main.get_command(application)
    command = _command(error, group, arguments)
    kind = type(error).__name__
    if kind == "MissingParameter":
        return _missing(command, error.param)
    if kind == "NoSuchOption":
        return _no_option(group, command, error.option_name)
    if kind == "BadOptionUsage":
        return _value_of_option(command, error.option_name, arguments)
    if "\x00" in "".join(arguments):
        return f"{command.name} was given a null character, which no name holds; leave it out"
    said = error.format_message()
    if found := re.search(r"No such command '(.*)'\.", said):
        known = suggest(found[1], group.commands)
        return f"{shown(found[1])} is no command; {known}. gradlab --help explains them"
    if found := re.search(r"unexpected extra argument\S* \((.*)\)$", said):
        return _too_many(command, found[1])
    return f"{said.rstrip('.')}; {_help(command)} says what it takes"


def _command(error: Any, group: Any, arguments: Sequence[str]) -> Any:
    """Return the command that the mistake is in; the group if it stands before any command."""
    context = getattr(error, "ctx", None)
    if context is not None:
        return context.command
    named = [word for word in arguments if word in group.commands]
    return group.commands[named[0]] if named else group


def _missing(command: Any, parameter: Any) -> str:
    """Say what an argument that was not given is, with the first example of the help."""
    example = f"; such as: {command.examples[0][0]}" if command.examples else ""
    return f"{command.name} needs {parameter.metavar}: {_first_words(parameter)}{example}"


def _no_option(group: Any, command: Any, typed: str) -> str:
    if _is_group(command):
        knowing = [each.name for each in group.commands.values() if typed in _options(each)]
        if knowing:
            return (
                f"{typed} is an option of {', '.join(knowing)}; type it behind the command, "
                f"such as: gradlab {knowing[0]} {typed}"
            )
        return f"{typed} is no option of gradlab; {suggest(typed, _options(group))}"
    known = [name for name in _options(command) if name.startswith("--")]
    if not known:
        return f"{typed} is no option of {command.name}, which has none; leave it out"
    near = nearest(typed, known)
    if near is not None:
        return (
            f"{typed} is no option of {command.name}; did you mean {near}? "
            f"{_help(command)} lists all"
        )
    return f"{typed} is no option of {command.name}; {suggest(typed, known)}"


def _value_of_option(command: Any, name: str, arguments: Sequence[str]) -> str:
    """Say that an option lacks its value, or was given one although it takes none."""
    option = _options(command).get(name)
    if option is None:
        return f"{name} was given too few values; {_help(command)} says what it takes"
    if option.is_flag:
        typed = next((word for word in arguments if word.startswith(f"{name}=")), name)
        return f"{shown(typed)} cannot be: {name} takes no value; type {name} alone"
    value = option.metavar or "VALUE"
    return f"{name} needs a value: {name} {value} ({_first_words(option)})"


def _too_many(command: Any, extra: str) -> str:
    taken = [each.metavar for each in command.params if each.param_type_name == "argument"]
    if taken:
        count = "one " if len(taken) == 1 else ""
        return (
            f"{command.name} takes {count}{' and '.join(taken)}, and {shown(extra)} is too many; "
            "leave it out, or put a name that holds spaces in quotes"
        )
    if not _options(command):
        return f"{command.name} takes nothing behind it; leave {shown(extra)} out"
    return (
        f"{command.name} takes options alone, and {shown(extra)} is none; {_help(command)} "
        "lists them"
    )


def _options(command: Any) -> dict[str, Any]:
    """Return a command's options by each of their names."""
    options = [each for each in command.params if each.param_type_name == "option"]
    return {name: each for each in options for name in (*each.opts, *each.secondary_opts)}


def _first_words(parameter: Any) -> str:
    """Return the first sentence of a parameter's help, to go on with."""
    first = (parameter.help or "").partition(". ")[0]
    first = first if first.endswith("...") else first.removesuffix(".")
    return first[:1].lower() + first[1:] if first[1:2].islower() else first


def _is_group(command: Any) -> bool:
    return hasattr(command, "commands")


def _help(command: Any) -> str:
    name = "" if _is_group(command) else f"{command.name} "
    return f"gradlab {name}--help"
