"""For all tests: no deadline, and an option that runs what the last run skipped.

The latter is for when what it lacked is installed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# One thread a process, in the processes of pytest-xdist, too: where each of them had as many as
# there are cores, most of their time would be spent waiting for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
settings.load_profile("untimed")

# Files that take a core longest. Where each core takes one file after another, they are the first:
# one of them at the end would leave the other cores without work.
LONG = [
    f"tests/{name}.py"
    for name in (
        "adapters/test_corpus",
        "adapters/test_distributed",
        "test_docs",
        "adapters/test_models",
        "corpus/test_corpus",
        "experiments/test_cures",
        "invariances/test_invariances",
        "cli/test_commands",
        "test_faults",
        "test_kills",
        "fuzz/test_fuzz",
        "packaging/test_wheel",
        "test_readme",
        "adapters/test_interrupts",
        "adapters/origins/test_origins",
        "experiments/test_activation_depth",
    )
]

SKIPPED = "gradlab/skipped"  # in pytest's cache: tests, and files that could not be imported


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(
        "--skipped-last-time",
        action="store_true",
        help="run only the tests that the last run skipped (all, where it skipped none)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist take files in the order of the tests, not by how many tests they have."""
    config.option.loadscopereorder = False


def skipped_last_time(config: pytest.Config) -> set[str]:
    """Return the tests and files that the option asks for; none where it asks for all."""
    cache = getattr(config, "cache", None)  # none with `-p no:cacheprovider`
    if cache is None or not config.getoption("--skipped-last-time"):
        return set()
    return set(cache.get(SKIPPED, []))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the files of which no test was skipped."""
    files = {each.split("::")[0] for each in skipped_last_time(config)}
    if not files or collection_path.suffix != ".py":
        return None
    return collection_path.relative_to(config.rootpath).as_posix() not in files or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests that were skipped, and those of files that were skipped whole; long first."""
    skipped = skipped_last_time(config)
    if skipped:
        files = {each for each in skipped if "::" not in each}
        kept = [i for i in items if i.nodeid in skipped or i.nodeid.split("::")[0] in files]
        config.hook.pytest_deselected(items=[each for each in items if each not in set(kept)])
        items[:] = kept
    order = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.nodeid.split("::")[0], len(LONG)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Remember what was skipped; under xdist, the process that hands out the tests does."""
    config = terminalreporter.config
    cache = getattr(config, "cache", None)
    if cache is not None and not config.getoption("--skipped-last-time"):
        found = [each.nodeid for each in terminalreporter.stats.get("skipped", [])]
        cache.set(SKIPPED, found)
