"""The README's picture is compared by the words on it."""

import sys

import pytest

from tests import picture

PAGE = """<style>p { color: 1 }</style><h1>It vanishes &amp; stops</h1>
<p>× 6.5·10⁻⁷ at depth <b>20</b></p><script>let hidden = "words";</script>
<p>Pick a cell to see why.</p><p>below</p>"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Compare a page with words; returns the exit code and what was printed."""
    monkeypatch.setattr(picture, "WORDS", tmp_path / "words.txt")

    def run(words, page=PAGE):
        (tmp_path / "words.txt").write_text(words, encoding="utf-8")
        (tmp_path / "page.html").write_text(page, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["picture", str(tmp_path / "page.html")])
        return picture.main(), capsys.readouterr().out

    return run


def test_words_are_those_of_the_first_screen_without_numbers():
    assert picture.words_of(PAGE) == ["It vanishes & stops", "× # at depth", "#"]


def test_a_page_that_says_the_same_is_not_stale(check):
    words = "It vanishes & stops\n× # at depth\n#\n"
    assert check(words)[0] == 0
    assert check(words, PAGE.replace("6.5", "6.4"))[0] == 0


def test_other_words_are_stale_and_told(check):
    code, told = check("It explodes\n× # at depth\n#\n")
    assert code == 1
    assert "-It explodes" in told
    assert "+It vanishes & stops" in told
