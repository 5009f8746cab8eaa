"""Where a page leads: what a browser follows, and nothing that it would run."""

import pytest

import gradlab
from gradlab.errors import ArgumentError
from gradlab.report.gallery import Experiment
from gradlab.report.links import checked
from tests.rules.runs import make_run


@pytest.mark.parametrize(
    "address",
    ["next.html", "../a b/next.html#x", "", "?a=1", "https://example.org/a:b", "mailto:a@b.c",
     "HTTP://example.org", "file:///tmp/x.html", "a/b:c", "#javascript:x"],
)  # fmt: skip
def test_paths_and_usual_addresses_lead_there(address):
    assert checked([("there", address)]) == [("there", address)]


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)",
     "\x01javascript:alert(1)", "java\tscript\r:alert(1)", "data:text/html,<script>", "vbscript:x",
     "blob:x", "javascript\x7f:x"],
)  # fmt: skip
def test_addresses_that_a_browser_would_run_are_refused(address, tmp_path):
    with pytest.raises(ArgumentError, match=r"links\[1\] leads to"):
        gradlab.write_report(
            make_run(6), tmp_path / "page.html", links=[("back", "index.html"), ("on", address)]
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "links", ["ab", None, 5, [5], ["ab"], [("a",)], [("a", "b", "c")], [("a", None)], {"a": "b"}]
)
def test_links_are_pairs_of_texts(links):
    with pytest.raises(ArgumentError, match="links"):
        checked(links)


def test_a_page_of_an_odd_name_is_linked_by_an_address(tmp_path):
    experiment = Experiment(tmp_path / "javascript:alert(1) #x.py", "t", "q", 1.0, False)
    assert experiment.address == "javascript%3Aalert%281%29%20%23x.html"
