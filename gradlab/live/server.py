"""`LiveServer`: the report of a growing run in a browser on this machine, updated in place.

It listens on 127.0.0.1 alone, and answers only who knows the random token in its address: no other
user of the machine, and no page from elsewhere that guesses the port. It answers GET, and reads
nothing but the run folder. The page gets its news by server-sent events.
"""

from __future__ import annotations

import hmac
import json
import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gradlab.errors import GradlabError
from gradlab.live.follower import Follower
from gradlab.live.frame import Frame
from gradlab.live.terminal import duration, number

SHELL = Path(__file__).parent / "web" / "shell.html"
HOST = "127.0.0.1"
GROWTH = 1.1  # the record has grown by a tenth before its report is made again
ALIVE = 15.0  # seconds after which a word is sent where there is no news
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src "
    "'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: "
    "blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class LiveServer:
    """Serves the live view of one run folder, from `start` to `close`.

    Parameters
    ----------
    follower : Follower
    port : int
        0: one that is free.
    interval : float
        Seconds from one look to the next, at least.
    """

    def __init__(self, follower: Follower, *, port: int = 0, interval: float = 1.0):
        self.token = secrets.token_urlsafe(24)
        self._follower, self._interval = follower, interval
        self._news = threading.Condition()
        self._frame: Frame | None = None
        self._page, self._version = "", 0
        self._drawn_at, self._next_page = 0, 0.0
        self._drawn_ended = False
        self._closing = threading.Event()
        self._http = _Http((HOST, port), type("Handler", (_Handler,), {"live": self}))
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._http.serve_forever, self._look_on)
        ]

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{HOST}:{self._http.server_port}/{self.token}/"

    def start(self) -> None:
        """Look once, and serve from then on.

        Raises
        ------
        RunError
            The folder is no run folder, or is damaged.
        """
        self.look()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End all of it."""
        self._closing.set()
        with self._news:
            self._news.notify_all()
        self._http.shutdown()
        self._http.server_close()

    def look(self) -> Frame:
        """Look at the folder, make the report again if it is time to, and tell who listens."""
        frame = self._follower.look()
        self._draw_if_due(frame)
        with self._news:
            self._frame = frame
            self._news.notify_all()
        return frame

    @property
    def has_ended(self) -> bool:
        """Whether the recording has ended, so that nothing new will come."""
        return self._frame is not None and self._frame.state == "ended"

    def _look_on(self) -> None:
        while not self.has_ended:
            if self._follower.wait(self._closing, self._interval):
                return
            try:
                self.look()
            except (GradlabError, OSError):  # such as a mounted folder that is away for a while
                continue

    def _draw_if_due(self, frame: Frame) -> None:
        ended = frame.state == "ended"
        grown = frame.iterations >= max(1, self._drawn_at * GROWTH)
        if not (ended and not self._drawn_ended) and not (
            grown and time.monotonic() >= self._next_page
        ):
            return
        began = time.monotonic()
        from gradlab.report import report_page

        run, verdict = self._follower.run, self._follower.diagnosis
        if run is None or verdict is None:
            return
        self._page = report_page(run, judge=lambda _: verdict)
        self._drawn_at, self._drawn_ended = frame.iterations, ended
        self._version += 1
        self._next_page = time.monotonic() + self._follower.rest * (time.monotonic() - began)

    # -- what is answered

    def answer(self, path: str) -> tuple[str, str] | None:
        """Return (page, its policy) for a path below the token; None where there is none."""
        if path == "":
            nonce = secrets.token_urlsafe(16)
            shell = SHELL.read_text(encoding="utf-8").replace("NONCE", nonce)
            return shell, POLICY.format(nonce=nonce)
        if path.partition("?")[0] == "report" and self._page:
            return self._page, REPORT_POLICY
        return None

    def knows(self, token: str) -> bool:
        """Whether a token is the one in the address; the time that it takes tells nothing."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def news(self, send: Callable[[str], None]) -> None:
        """Send each new frame as JSON until the server is closed, or `send` raises."""
        seen = None
        while not self._closing.is_set():
            with self._news:
                if self._frame is seen:
                    self._news.wait(ALIVE)
                frame, version = self._frame, self._version
            if self._closing.is_set():
                return
            send("" if frame is seen or frame is None else _told(frame, version))
            seen = frame


def _told(frame: Frame, version: int) -> str:
    """Return a frame as JSON: its numbers as words, and its loss as the path of a curve."""
    from gradlab.report.wording import typeset

    words = [("iteration", f"{frame.iterations:,}")]
    words += [(label, typeset(number(value))) for label, value in frame.numbers]
    if frame.seconds is not None:
        words.append(("a step takes", duration(frame.seconds)))
    kept = ("name", "state", "status", "iterations", "verdict", "judged_at")
    told: dict[str, Any] = {name: getattr(frame, name) for name in kept}
    findings = [asdict(each) for each in frame.findings]
    for each in findings:
        each["message"] = typeset(each["message"])  # as the report below says it
    told |= {"words": words, "findings": findings}
    return json.dumps(told | {"curve": curve(frame), "report": version})


def curve(frame: Frame) -> str:
    """Return the loss as an SVG path in 100 by 20; "" where there are not two finite values."""
    points = [(time, value) for time, value in frame.losses if math.isfinite(value)]
    if len(points) < 2:
        return ""
    first, last = points[0][0], points[-1][0]
    low, high = min(value for _, value in points), max(value for _, value in points)
    x = 100 / (last - first)
    y = 20 / (high - low) if high > low else 0.0
    steps = (f"{x * (time - first):.1f} {20 - y * (value - low):.1f}" for time, value in points)
    return "M" + "L".join(steps)


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one request after the other, for the server that `live` is."""

    live: LiveServer
    server_version, sys_version = "gradlab", ""

    def do_GET(self) -> None:
        """Answer a request for a page, or for news."""
        _, _, rest = self.path.partition("/")
        token, slash, path = rest.partition("/")
        if not (self._is_here() and slash and self.live.knows(token)):
            self.send_error(HTTPStatus.NOT_FOUND)
        elif path == "events":
            self._send_news()
        elif (found := self.live.answer(path)) is not None:
            self._send_page(*found)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _is_here(self) -> bool:
        """Whether this address was asked for, and no name that leads here from elsewhere."""
        host = self.live.address.removeprefix("http://").partition("/")[0]
        return self.headers.get("Host") in (host, host.replace(HOST, "localhost"))

    def _begin(self, kind: str, policy: str) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", policy)

    def _send_page(self, page: str, policy: str) -> None:
        body = page.encode()
        self._begin("text/html; charset=utf-8", policy)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_news(self) -> None:
        self._begin("text/event-stream", "default-src 'none'")
        self.end_headers()
        self.live.news(self._send_event)

    def _send_event(self, text: str) -> None:
        """Send an event, or a remark that keeps the connection open."""
        event = f"data: {text}\n\n" if text else ": nothing new\n\n"
        self.wfile.write(event.encode())
        self.wfile.flush()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: the terminal belongs to the user."""
