"""Command lines that cannot be read: what is wrong, what is allowed, and what to type instead."""

from typing import Any

import pytest

from gradlab import cli
from gradlab.cli.application import application
from tests.cli.calls import call, error


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("trainn", "'trainn' is no command; did you mean 'train'? Choose one of: compare, "),
        ("help", "kernels. gradlab --help explains them"),
        ("train --depht 3", "--depht is no option of train; did you mean --depth? gradlab train "),
        ("check -x", "-x is no option of check; choose one of: --select, --ignore, --layers, "),
        ("kernels --x", "--x is no option of kernels, which has none; leave it out"),
        ("--seeds 3", "--seeds is an option of compare, train, fix; type it behind the command"),
        ("--versoin", "--versoin is no option of gradlab; did you mean '--version'?"),
        ("train --depth", "--depth needs a value: --depth N (hidden layers)"),
        ("check a --fail-on", "--fail-on needs a value: --fail-on error|warning|note (exit with"),
        ("theory --activation", "--activation NAME (sigmoid, tanh, relu, ...)"),
        ("train -o", "-o needs a value: -o FILE (the report; default: "),
        ("train --force=yes", "'--force=yes' cannot be: --force takes no value; type --force alo"),
        ("check", "check needs RUN...: folders of recorded runs, or folders that hold some; such"),
        ("diff a", "diff needs B: folder of another recorded run; such as: gradlab diff runs/bef"),
        ("diff a b c", "diff takes A and B, and 'c' is too many; leave it out, or put a name tha"),
        ("rule a b", "rule takes one CODE, and 'b' is too many; leave it out"),
        ("train relu", "train takes options alone, and 'relu' is none; gradlab train --help list"),
        ("rules x", "rules takes nothing behind it; leave 'x' out"),
        ("diff a b --offset x", "--offset=x must be a whole number of at least 0"),
        ("diff a b --offset -1", "--offset=-1 must be a whole number of at least 0"),
    ],
)
def test_a_mistake_is_named_with_what_to_type(capsys, typed, said):
    assert said in error(capsys, *typed.split())


def options_that_take_a_value():
    import typer

    group: Any = typer.main.get_command(application())
    for command in group.commands.values():
        for each in command.params:
            if each.param_type_name == "option" and not each.is_flag:
                yield command.name, each.opts[0], each.metavar


@pytest.mark.parametrize(("command", "option", "metavar"), [*options_that_take_a_value()])
def test_an_option_without_its_value_says_what_it_takes(capsys, command, option, metavar):
    said = error(capsys, command, option)
    assert f"{option} needs a value: {option} {metavar} (" in said
    assert len(said) < 400


def test_nothing_after_two_dashes_is_the_help(capsys):
    assert call(capsys, "--") == call(capsys)
    assert cli.run(["--"]) == 2


def test_a_very_long_or_hostile_word_is_still_one_line(capsys):
    for word in ("--" + "x" * 5000, "-\x1b[2J", "--é\n", "\x00", "--x\udcff"):
        assert len(error(capsys, "train", word)) < 1100
        assert len(error(capsys, word)) < 1100
        assert "Input should" not in error(capsys, "check", "nothing", "--select", word)


def test_a_null_character_is_named(capsys):
    assert "check was given a null character, which no name holds" in error(capsys, "check", "\0")
