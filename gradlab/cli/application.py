"""The command line as a whole: parse, call, exit; every error is one sentence on stderr.

Exit codes: 0 fine, 1 a finding at the level of `--fail-on` (`check`), 2 a usage or internal error,
130 interrupted.
"""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer
from typer.exceptions import TyperException

from gradlab.cli import commands, output
from gradlab.cli.help import Command, Group
from gradlab.cli.options import LISTS
from gradlab.errors import GradlabError

DEBUG = "GRADLAB_DEBUG"
"""Set this environment variable to see the traceback of an internal error."""
LONGEST = 1000
"""Characters of an error: the middle of a longer one is left out."""
GROUPS = ("Train", "Judge", "Predict", "Machine")
"""Of commands, in the order in which the help lists them."""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    output.prepare_streams()
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader (head, less) has gone: no error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{error.strerror or error}")
        output.abandon_stdout()
        return 2


def _run(arguments: Sequence[str]) -> int:
    try:
        _refuse_namesake()
        result = application()(_spread_lists(arguments), standalone_mode=False)
        return result if isinstance(result, int) else 0
    except TyperException as error:
        message = error.format_message()
        if message.startswith("Usage:"):  # no command given: the help, as it is
            output.say(message)
        else:
            from gradlab.cli import usage  # at a mistake only

            _complain(usage.sentence(error, application(), arguments))
        return 2
    except GradlabError as error:
        _complain(_as_typed(str(error)))
        return 2
    except MemoryError:
        _complain("not enough memory; make --depth, --width or --seeds smaller")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted; what was finished is kept")
        return 130
    except (BrokenPipeError, OSError):
        raise
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        _complain(
            f"internal error, {type(error).__name__}: {error} "
            f"(set {DEBUG}=1 to see where, and report it)"
        )
        return 2


@functools.cache
def application() -> typer.Typer:
    """Return the application, with a command for each file in `commands/`."""
    made = typer.Typer(
        name="gradlab",
        help="Find out why a neural network does not learn: which layer, since when, and why.",
        cls=Group,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        # as wide as the terminal
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": sys.maxsize},
    )
    made.callback(invoke_without_command=True)(_main)
    found = [_module(each.name) for each in pkgutil.iter_modules(commands.__path__)]
    found.sort(key=lambda module: GROUPS.index(module.GROUP))
    for module in found:
        name = module.__name__.rpartition(".")[2]
        examples = {"examples": getattr(module, "EXAMPLES", ())}
        kind = type(f"{name.title()}Command", (Command,), examples)
        register = made.command(name, cls=kind, rich_help_panel=module.GROUP)
        register(getattr(module, name))
    return made


def _module(name: str):
    return importlib.import_module(f"{commands.__name__}.{name}")


def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        from gradlab._version import __version__

        output.say(f"gradlab {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:  # such as after a lone "--"
        output.say(context.get_help())
        raise typer.Exit(2)


def _complain(message: str) -> None:
    line = output.clean(" ".join(message.split("\n")))
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
    print(f"gradlab: {line}", file=sys.stderr)


def _as_typed(message: str) -> str:
    """Call an argument as it is typed here: "learning_rate=0 must be" is of "--learning-rate=0"."""
    found = re.match(r"([a-z]\w*)=", message)
    if found is None:
        return message
    return f"--{found[1].replace('_', '-')}{message[found.end(1) :]}"


def _refuse_namesake() -> None:
    """Stop where the unrelated PyPI package `gradlab` is installed too.

    The two overwrite each other's modules.
    """
    try:
        version = metadata.version("gradlab")
    except metadata.PackageNotFoundError:
        return
    raise GradlabError(
        f"the unrelated distribution 'gradlab' {version} is installed beside "
        "'gradlab-diagnostics', and both own the module 'gradlab'; run: pip uninstall gradlab, "
        "then install gradlab-diagnostics again"
    )


def _spread_lists(arguments: Sequence[str]) -> list[str]:
    """Let one option take several values.

    `--depth 2 5 10` means `--depth 2 --depth 5 --depth 10`.
    """
    lists = LISTS.get(arguments[0], ()) if arguments else ()
    spread: list[str] = []
    option = None
    for place, argument in enumerate(arguments):
        if option is not None and _is_value(argument):
            spread += [option, argument]
            continue
        if argument in lists:
            option = argument
            if len(arguments) == place + 1 or not _is_value(arguments[place + 1]):
                spread.append(option)  # without a value, which is told
        else:
            option = None
            spread.append(argument)
    return spread


def _is_value(argument: str) -> bool:
    """Whether it is no option; -3 is a number."""
    return not argument.startswith("-") or argument[1:2].isdigit()
