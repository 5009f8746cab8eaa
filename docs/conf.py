"""The documentation site: `python -m sphinx -M html docs docs/_build -W`.

What the program itself knows is written by `_site` before Sphinx reads its sources: the rules, the
statistics, the commands, the public names, the course. It goes to `docs/generated`.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import _site  # noqa: E402

from gradlab import __version__  # noqa: E402

project, author, release = "gradlab", "the authors of gradlab", __version__
project_copyright = "MIT licence"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "_site", "generated/extra", "generated/ipython"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
templates_path = []

html_theme = "furo"
html_title = f"gradlab {release}"
html_static_path = ["_static"]
html_extra_path = ["generated/extra"]
html_css_files = ["site.css"]
html_js_files = ["example.js"]
html_copy_source = html_show_sourcelink = html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}

myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = "force"  # docs/first-five-minutes.ipynb runs with every build
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_numpy_docstring, napoleon_google_docstring = True, False
napoleon_use_ivar = True
copybutton_prompt_text = "$ "
suppress_warnings = []


def setup(app) -> None:
    """Write the generated pages first, and turn links to files of the source into text."""
    # Before Sphinx looks whether what `html_extra_path` names is there.
    app.connect("config-inited", lambda app, config: _site.write(Path(app.srcdir)), priority=1)
    app.connect("source-read", _site.links_of_page)
    app.connect("source-read", _site.add_to_index)
    app.connect("autodoc-process-docstring", _site.plain_bars)
