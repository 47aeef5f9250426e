"""Pictures of the gallery's index: the first picture of each page, as its code drew it."""

from __future__ import annotations

import posixpath
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole


class thumbnail(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes so
    """The place of the picture of a page, until that page has been run."""


class Thumbnail(SphinxRole):
    """The role ``{thumbnail}`page```."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the place of the picture."""
        folder = posixpath.dirname(self.env.docname)
        return [thumbnail(page=posixpath.join(folder, self.text))], []


def fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Replace the places of pictures by the pictures. All pages have been run by now."""
    for place in list(doctree.findall(thumbnail)):
        drawn = next(iter(app.env.get_doctree(place["page"]).findall(nodes.image)))
        picture: Any = nodes.image(**{name: drawn[name] for name in ("uri", "candidates", "alt")})
        picture["classes"] += ["thumbnail", "no-scaled-link"]
        place.replace_self(picture)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the role."""
    app.add_node(thumbnail)
    app.add_role("thumbnail", Thumbnail())
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
