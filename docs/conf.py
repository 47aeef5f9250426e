"""Sphinx settings. Every page with cells is executed on the sandbox; a warning is an error."""

import html
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

# Pages run with an empty home folder and cache, as the tests do. They send requests to the sandbox only.
_own = Path(tempfile.mkdtemp(prefix="pdneuro-docs-"))
for _name in [name for name in os.environ if name.startswith(("PDNEURO_", "API_SECRET_"))]:
    del os.environ[_name]
# The kernels inherit this environment. PATH contains the command `pdneuro` of this Python.
os.environ |= {
    "HOME": str(_own),
    "PDNEURO_CACHE_DIR": str(_own / "cache"),
    "IPYTHONDIR": str(_own / "ipython"),
    "MPLCONFIGDIR": str(_own / "matplotlib"),
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONHASHSEED": "0",
    "PDNEURO_PROGRESS": "no",  # otherwise slow cells show a bar, except where a page asks for it
}

# Pages show the last line of an error, without the traceback. Figures are SVG.
_profile = _own / "ipython" / "profile_default"
_profile.mkdir(parents=True)
(_profile / "ipython_kernel_config.py").write_text(
    "c.InteractiveShell.xmode = 'Minimal'\nc.InlineBackend.figure_formats = {'svg'}\n"
)
# Figures have no background, since the page has one. With the salt, a figure is the same in each build.
(_own / "matplotlib").mkdir()
(_own / "matplotlib" / "matplotlibrc").write_text(
    "figure.facecolor: none\naxes.facecolor: none\nsvg.hashsalt: pdneuro\n"
)

import reference_pages
from docutils import nodes
from sphinx.application import Sphinx

import pdneuro

project = "pdneuro"
author = "The pdneuro developers"
copyright = f"2026, {author}"
version = release = pdneuro.__version__

extensions = [
    "gallery_pages",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_autosummary_accessors",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "_extra", "**/.ipynb_checkpoints"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".rst": "restructuredtext"}

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True

autosummary_generate = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
copybutton_exclude = ".linenos, .gp, .go"
copybutton_selector = "div.highlight pre:not(.cell_output pre)"

html_theme = "pydata_sphinx_theme"
html_title = "pdneuro"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_extra_path = ["_extra"]
html_favicon = "_static/favicon.svg"
html_css_files = ["pdneuro.css"]
html_search_scorer = str(HERE / "search_scorer.js")
html_show_sourcelink = False
# The reader's own setting; without it, the theme reports an error to the console.
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc", "notebook"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "default",
}
# Pages without a section have no list of pages on the left.
_ALONE = ("index", "start", "first_look", "gallery/index", "moving", "benchmarks")
html_sidebars = {page: [] for page in _ALONE}


def add_description(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document
) -> None:
    """Add the first paragraph of a page as its description, for search engines and previews."""
    paragraph = next(iter(doctree.findall(nodes.paragraph)), None) if doctree else None
    if paragraph is not None:
        text = html.escape(" ".join(paragraph.astext().split())[:200])
        title = html.escape(context.get("title", project))
        tags = {
            'name="description"': text,
            'property="og:title"': title,
            'property="og:description"': text,
        }
        context["metatags"] = context.get("metatags", "") + "".join(
            f'<meta {key} content="{value}">' for key, value in tags.items()
        )


def add_notebook(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document) -> None:
    """Offer a page with cells as a notebook, with the outputs of this build."""
    executed = Path(app.outdir).parent / "jupyter_execute" / f"{page}.ipynb"
    if doctree and executed.exists():
        target = Path(app.outdir) / "_notebooks" / f"{page}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(executed, target)
        context["notebook"] = context["pathto"](f"_notebooks/{page}.ipynb", resource=True)


def setup(app: Sphinx) -> None:
    """Write the reference pages before Sphinx collects the source files."""
    reference_pages.write(HERE / "reference")
    app.connect("missing-reference", reference_pages.find)
    app.connect("html-page-context", add_description)
    app.connect("html-page-context", add_notebook)
