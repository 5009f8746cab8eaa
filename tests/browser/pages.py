"""Opens a page as a reader would and keeps what the reader's browser would not show."""

from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.browser.chromium import Theme, new_context


class PageOpener:
    """Call it to open a page in a fresh profile.

    It listens to every page it opened, and to their pop-ups.

    Attributes
    ----------
    errors
        Every console error and every uncaught exception, in order.
    requests
        The URL of every request, the page's own file first; also of those that were blocked or
        failed.
    """

    def __init__(self, browser: Browser):
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._opened: set[str] = set()

    def __call__(
        self,
        path: Path | str,
        *,
        theme: Theme = "light",
        width: int = 1280,
        height: int = 900,
        offline: bool = True,
    ) -> Page:
        """Open the file and return Playwright's page once it has loaded.

        Width and height in CSS pixels.
        """
        context = new_context(
            self._browser, theme=theme, width=width, height=height, offline=offline
        )
        self._contexts.append(context)
        context.on("console", self._keep_console_error)
        context.on("weberror", lambda error: self.errors.append(f"uncaught: {error.error}"))
        context.on("request", lambda request: self.requests.append(request.url))
        context.on(
            "page",
            lambda page: page.on("websocket", lambda socket: self.requests.append(socket.url)),
        )
        url = Path(path).resolve().as_uri()
        self._opened.add(url)
        page = context.new_page()
        page.goto(url)
        return page

    def complaints(self) -> list[str]:
        """Return the errors, and every request for anything outside the opened files."""
        for context in self._contexts:
            for page in context.pages:
                page.evaluate(
                    "0"
                )  # events arrive in order, so those of before have arrived with the answer
        return self.errors + [f"request: {url}" for url in self.requests if not self._is_own(url)]

    def close(self) -> None:
        """Close every page and forget its profile."""
        for context in self._contexts:
            context.close()

    def _keep_console_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"console: {message.text}")

    def _is_own(self, url: str) -> bool:
        return url.startswith(("data:", "blob:")) or url.partition("#")[0] in self._opened
