"""What the tab key completes: names of experiments, rules, activations and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def beginning(candidates: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return what completes a word from candidates, which are looked up when it is asked."""

    def complete(incomplete: str) -> list[str]:
        return [each for each in candidates() if each.startswith(incomplete)]

    return complete


def of_a_list(candidates: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return what completes the last of several words that are joined by commas."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{each}" for each in candidates() if each.startswith(last)]

    return complete


def codes() -> Iterable[str]:
    """Return the codes of all rules."""
    from gradlab.diagnosis import registry

    return registry()


def activations() -> Iterable[str]:
    """Return the names of activations."""
    from gradlab.activations import ACTIVATIONS

    return ACTIVATIONS


def initializers() -> Iterable[str]:
    """Return the names of initializations that theory knows."""
    from gradlab.theory import INITIALIZERS

    return INITIALIZERS


def data_sets() -> Iterable[str]:
    """Return the names of data sets."""
    from gradlab.datasets import BUNDLED

    return ("digits", *BUNDLED)


def experiments() -> Iterable[str]:
    """Return the names of the course's experiments."""
    from gradlab.report import gallery

    return [each.name for each in gallery.experiments()]
