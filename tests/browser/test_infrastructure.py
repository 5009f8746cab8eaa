"""The browser, the fixtures and the helpers that the other tests of this folder stand on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.axe import serious_violations
from tests.browser.chromium import ChromiumMissing, find_chromium
from tests.browser.pages import PageOpener

ROOT = Path(__file__).parents[2]
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def write_page(folder: Path, body: str, *, policy: str | None = POLICY) -> Path:
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">' if policy else ""
    path = folder / "page.html"
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>A page</title>{meta}</head>"
        f"<body><main>{body}</main></body></html>",
        encoding="utf-8",
    )
    return path


def test_a_page_under_the_reports_policy_runs_its_script(open_page, tmp_path):
    path = write_page(
        tmp_path, "<h1 id=h></h1><script>document.getElementById('h').textContent = 'ran'</script>"
    )
    page = open_page(path)
    assert page.inner_text("h1") == "ran"
    assert open_page.requests == [path.as_uri()]
    assert open_page.errors == []


def test_compressed_data_is_unpacked(open_page, tmp_path):
    page = open_page(write_page(tmp_path, "<h1>Data</h1>"))
    text = page.evaluate(
        """async () => {
            const packed = new Blob(['gradient']).stream().pipeThrough(new
            CompressionStream('gzip')); return await new Response(packed.pipeThrough(new
            DecompressionStream('gzip'))).text();
        }"""
    )
    assert text == "gradient"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_theme_and_size_are_those_asked_for(open_page, tmp_path, theme):
    page = open_page(write_page(tmp_path, "<h1>Theme</h1>"), theme=theme, width=380, height=700)
    assert page.evaluate(f"matchMedia('(prefers-color-scheme: {theme})').matches")
    assert page.evaluate("[innerWidth, innerHeight]") == [380, 700]


@pytest.mark.parametrize("offline", [True, False])
def test_pages_are_offline_unless_asked_otherwise(open_page, tmp_path, offline):
    page = open_page(
        write_page(tmp_path, "<h1>Line</h1>"), **({} if offline else {"offline": False})
    )
    assert page.evaluate("navigator.onLine") is not offline


def test_symbols_have_a_glyph(open_page, tmp_path):
    page = open_page(write_page(tmp_path, "<canvas id=c width=64 height=64></canvas>"))

    def draw(character: str) -> str:
        return page.evaluate(
            """character => {
                const canvas = document.getElementById('c'), pen = canvas.getContext('2d');
                pen.clearRect(0, 0, 64, 64);
                pen.font = '32px sans-serif';
                pen.fillText(character, 8, 44);
                return canvas.toDataURL();
            }""",
            character,
        )

    no_glyph = {
        draw(" "),
        draw("\U0010fffd"),
        draw("한"),
    }  # nothing, or the box that stands for what no font has
    assert [symbol for symbol in "≤σφ′δ‖·×→▶●∂∇Σ√∞≈₁ℓ𝑤" if draw(symbol) in no_glyph] == []


@pytest.fixture
def open_bad_page(browser):
    """Like open_page, but it does not fail the test: these pages are meant to misbehave."""
    opener = PageOpener(browser)
    yield opener
    opener.close()


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("console.error('it broke')", "console: it broke"),
        ("throw new Error('it threw')", "uncaught: it threw"),
        ("Promise.reject(new Error('nobody waits'))", "uncaught: nobody waits"),
    ],
    ids=["console", "exception", "promise"],
)
def test_errors_are_noticed(open_bad_page, tmp_path, script, complaint):
    open_bad_page(write_page(tmp_path, f"<script>{script}</script>"))
    assert open_bad_page.complaints() == [complaint]


@pytest.mark.parametrize(
    "body",
    [
        '<img alt="" src="https://example.invalid/">',
        '<script src="https://example.invalid/"></script>',
        '<iframe title="t" src="https://example.invalid/"></iframe>',
        "<script>fetch('https://example.invalid/').catch(() => 0)</script>",
        "<script>navigator.sendBeacon('https://example.invalid/')</script>",
        "<script>try { new WebSocket('wss://example.invalid/') } catch {}</script>",
    ],
    ids=["image", "script", "frame", "fetch", "beacon", "socket"],
)
@pytest.mark.parametrize("policy", [POLICY, None], ids=["blocked", "let-through"])
def test_requests_are_noticed(open_bad_page, tmp_path, body, policy):
    open_bad_page(write_page(tmp_path, body, policy=policy))
    complaints = open_bad_page.complaints()
    assert "example.invalid" in "".join(complaints)  # a blocked one at least as the console's error
    assert policy or "request: " in "".join(complaints)


def test_a_file_beside_the_page_is_a_foreign_request(open_bad_page, tmp_path):
    beside = tmp_path / "beside.css"
    beside.write_text("")
    open_bad_page(write_page(tmp_path, '<link rel="stylesheet" href="beside.css">', policy=None))
    assert open_bad_page.complaints() == [f"request: {beside.as_uri()}"]


def test_serious_violations_name_rule_element_and_reason(open_page, tmp_path):
    good = "<h1>Report</h1><button>Open</button>"
    assert serious_violations(open_page(write_page(tmp_path, good))) == []
    pale = '<p style="color: #ccc; background: #fff">pale</p>'
    bad = f'<h1>Report</h1><button id="mute"></button>{pale}'
    contrast, button = sorted(
        serious_violations(open_page(write_page(tmp_path, bad))), reverse=True
    )
    assert contrast.startswith("color-contrast (serious) at p: ")
    assert button.startswith("button-name (critical) at #mute: ")


def test_gradlab_chromium_comes_first_then_the_unpacked_then_the_systems(tmp_path):
    named, unpacked, system = tmp_path / "named", tmp_path / "unpacked", tmp_path / "system"
    unpacked.mkdir()
    for executable in (named, unpacked / "chromium", system):
        executable.touch()
    places = {"unpacked": unpacked, "system": system}
    assert find_chromium({"GRADLAB_CHROMIUM": str(named)}, **places).executable == named
    executable, environment = find_chromium(
        {"LD_LIBRARY_PATH": "/lib/more", "HOME": "/home"}, **places
    )
    assert executable == unpacked / "chromium"
    assert environment["LD_LIBRARY_PATH"] == f"{unpacked}/lib:/lib/more"
    assert environment["HOME"] == "/home"
    (unpacked / "chromium").unlink()
    assert find_chromium({}, **places) == (system, {})


def test_no_chromium_says_what_to_run(tmp_path):
    nowhere = tmp_path / "nowhere"
    with pytest.raises(ChromiumMissing, match="npm ci --prefix tests/browser"):
        find_chromium({}, unpacked=nowhere, system=nowhere)
    with pytest.raises(
        ChromiumMissing, match=f"GRADLAB_CHROMIUM names a file that does not exist: {nowhere}"
    ):
        find_chromium({"GRADLAB_CHROMIUM": str(nowhere)})


def run_pytest(folder: Path, body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    write_page(folder, body)
    test = folder / "test_inner.py"
    test.write_text(f"def test_inner(open_page):\n    open_page({str(folder / 'page.html')!r})\n")
    fixtures = ["-c", "pyproject.toml", "-p", "tests.browser.conftest", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *fixtures, str(test)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("body", "environment", "said"),
    [
        ("<script>setTimeout(() => console.error('it broke'))</script>", {}, "console: it broke"),
        ("<h1>Quiet</h1>", {"GRADLAB_CHROMIUM": "/nowhere"}, "npm ci --prefix tests/browser"),
    ],
    ids=["console-error", "no-chromium"],
)
def test_the_fixture_fails_the_test(tmp_path, body, environment, said):
    done = run_pytest(tmp_path, body, **environment)
    assert said in done.stdout
    assert "skipped" not in done.stdout
    assert done.returncode == 1


def test_screenshots_of_every_width_and_theme(tmp_path):
    path = write_page(tmp_path, "<h1>Picture</h1>")
    command = [sys.executable, "tests/browser/shoot.py", path, tmp_path / "out", "--full"]
    sizes_and_themes = ["--width", "900", "380", "--theme", "light", "dark"]
    done = subprocess.run(
        [*command, *sizes_and_themes], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    names = {f"page-{width}-{theme}.png" for width in (900, 380) for theme in ("light", "dark")}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names
