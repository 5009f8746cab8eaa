"""A real browser for the tests in this folder. Without one they fail; they are never skipped."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import ChromiumMissing, find_chromium, launch
from tests.browser.pages import PageOpener


# One browser for this folder (hence its __init__.py), not for the session: while Playwright's
# synchronous interface
# is open, an event loop counts as running in this thread, and asyncio.run() in a test elsewhere
# would be refused.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all tests of this folder (of each worker, under pytest-xdist)."""
    try:
        chromium = find_chromium()
    except ChromiumMissing as missing:
        raise pytest.fail.Exception(str(missing), pytrace=False) from None
    with launch(chromium) as running:
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[PageOpener]:
    """`open_page(path, theme=, width=, height=, offline=)` gives Playwright's page.

    What is wrong fails the test.
    """
    opener = PageOpener(browser)
    yield opener
    try:
        complaints = opener.complaints()
    finally:
        opener.close()
    if complaints:
        rule = "A page must log no error and ask for nothing but itself:"
        pytest.fail("\n".join([rule, *complaints]), pytrace=False)
