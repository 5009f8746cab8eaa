"""Finds a Chromium and starts it through Playwright, for tests and screenshots alike."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Browser, BrowserContext, sync_playwright

Theme = Literal["light", "dark"]

UNPACKED = Path(__file__).parent / ".chromium"
SYSTEM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",  # the sandbox refuses to start as root, which is what a container runs as
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--font-render-hinting=none",  # text is as wide here as there
]


class ChromiumMissing(RuntimeError):
    """No Chromium stands where one may."""


class Chromium(NamedTuple):
    executable: Path
    environment: dict[str, str]


def find_chromium(
    environment: Mapping[str, str] = os.environ, *, unpacked: Path = UNPACKED, system: Path = SYSTEM
) -> Chromium:
    """Return what GRADLAB_CHROMIUM names, else the one `npm ci` unpacked, else the system's."""
    named = environment.get("GRADLAB_CHROMIUM")
    if named:
        if not Path(named).is_file():
            raise ChromiumMissing(
                f"GRADLAB_CHROMIUM names a file that does not exist: {named}. Set it to a "
                "Chromium or Chrome "
                "executable, or unset it and run `npm ci --prefix tests/browser` from the "
                "repository root."
            )
        return Chromium(Path(named).absolute(), dict(environment))
    if (unpacked / "chromium").is_file():
        libraries = [str(unpacked / "lib"), environment.get("LD_LIBRARY_PATH", "")]
        own = {
            "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
            "FONTCONFIG_FILE": str(unpacked / "fonts.conf"),
        }
        return Chromium(unpacked / "chromium", {**environment, **own})
    if system.is_file():
        return Chromium(system, dict(environment))
    raise ChromiumMissing(
        "No Chromium to test the pages in. Run `npm ci --prefix tests/browser` from the "
        "repository root (x86-64 "
        "Linux), or set GRADLAB_CHROMIUM to a Chromium or Chrome executable."
    )


@contextmanager
def launch(chromium: Chromium) -> Iterator[Browser]:
    """Run a headless browser for as long as the block lasts."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.executable, args=ARGUMENTS, env={**chromium.environment}
        )
        try:
            yield browser
        finally:
            browser.close()


def new_context(
    browser: Browser, *, theme: Theme, width: int, height: int, offline: bool = True
) -> BrowserContext:
    """Return a fresh profile whose pages have this size in CSS pixels and prefer this theme."""
    return browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": height}, offline=offline
    )
