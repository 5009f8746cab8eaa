"""Figures as pictures for papers and slides.

Kaleido draws them, with the browser of these tests.
"""

import subprocess
import sys

import pytest

from tests.browser.chromium import find_chromium
from tests.report.test_data import made

DRAW = """
import sys, gradlab
figure = gradlab.figures.gradient_profile(gradlab.load(sys.argv[1]))
figure.update_layout(width=420, height=300)  # an ordinary Plotly figure
for name in sys.argv[2:]:
    figure.write_image(name)
"""


def test_a_figure_becomes_svg_and_png(tmp_path):
    pytest.importorskip("kaleido", reason="the extra [static] is not installed")
    made().save(tmp_path / "run")
    chromium = find_chromium()
    environment = {**chromium.environment, "BROWSER_PATH": str(chromium.executable)}
    svg, png = tmp_path / "profile.svg", tmp_path / "profile.png"
    drawn = [sys.executable, "-c", DRAW, str(tmp_path / "run"), str(svg), str(png)]
    subprocess.run(drawn, env=environment, check=True, timeout=120)
    words = svg.read_text(encoding="utf-8")
    assert "layer (1 reads the input)" in words
    assert "gradient signal" in words
    assert png.read_bytes().startswith(b"\x89PNG")
