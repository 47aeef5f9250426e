"""Sphinx settings. Every notebook page is executed on the sandbox; a warning is an error."""

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

# Pages have a home and a cache of their own, as the tests do; nothing is asked but the sandbox.
_own = Path(tempfile.mkdtemp(prefix="pdneuro-docs-"))
for _name in [name for name in os.environ if name.startswith(("PDNEURO_", "API_SECRET_"))]:
    del os.environ[_name]
# The kernel is started from this environment, and its settings live outside that home.
os.environ |= {
    "HOME": str(_own),
    "PDNEURO_CACHE_DIR": str(_own / "cache"),
    "IPYTHONDIR": str(_own / "ipython"),
    "MPLCONFIGDIR": str(_own / "matplotlib"),
    "PYTHONHASHSEED": "0",
}

# Errors on pages are what a reader sees of them: the last line.
_profile = _own / "ipython" / "profile_default"
_profile.mkdir(parents=True)
(_profile / "ipython_kernel_config.py").write_text("c.InteractiveShell.xmode = 'Minimal'\n")

import reference_pages
from sphinx.application import Sphinx

import pdneuro

project = "pdneuro"
author = "The pdneuro developers"
copyright = f"2026, {author}"
version = release = pdneuro.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_autosummary_accessors",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".rst": "restructuredtext"}

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autosummary_generate = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "pydata_sphinx_theme"
html_title = "pdneuro"
html_static_path = ["_static"]
html_css_files = ["pdneuro.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "default",
}
# Pages that have no others beside them need no list of those.
_ALONE = ("index", "start", "first_look", "gallery", "moving", "benchmarks")
html_sidebars = {page: [] for page in _ALONE}


def setup(app: Sphinx) -> None:
    """Write the pages of the reference before Sphinx looks for pages."""
    reference_pages.write(HERE / "reference")
    app.connect("missing-reference", reference_pages.find)
