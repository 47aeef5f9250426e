"""SvgApi: the drawn outlines of structures on atlas images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pdneuro.allen import payload, send
from pdneuro.allen.api.base import Api, documented
from pdneuro.options import Fetch


@documented
class SvgApi(Api):
    """Scalable vector graphics of annotated sections.

    {base_uri}

    Examples
    --------
    >>> svg = pdneuro.allen.SvgApi().get_svg(100960033, groups=28)
    >>> svg[svg.index("<path") : svg.index("</g>")]
    '<path structure_id="385" d="M1 1 L9 9"/>'
    """

    def build_query(self, section_image_id: Any, groups: Any = None, download: bool = False) -> str:
        """Return the address of an SVG; the arguments are those of :meth:`get_svg`.

        Examples
        --------
        >>> pdneuro.allen.SvgApi("https://api.brain-map.org").build_query(100960033, groups=[28, 31])
        'https://api.brain-map.org/api/v2/svg/100960033?groups=28,31'
        """
        number = payload.one_id(section_image_id, "section_image_id")
        query = ""
        if groups is not None and (isinstance(groups, int | str) or len(list(groups))):
            query = f"?groups={payload.ids(groups, 'groups')}"
        return f"{self.api_url}/api/v2/svg{'_download' if download else ''}/{number}{query}"

    def get_svg(self, section_image_id: Any, groups: Any = None) -> str:
        """Return the SVG of an image as text.

        Parameters
        ----------
        section_image_id : int
        groups : int or iterable of int, optional
            Graphic group labels; 28 are the structure boundaries. Default: all.

        Raises
        ------
        InvalidResponseError
            The response is not a complete drawing. It is not cached.
        ServiceError, OfflineError
            The request failed; or pdneuro is offline and the drawing is not cached.

        Examples
        --------
        >>> pdneuro.allen.SvgApi().get_svg(100960033)[:4]
        '<svg'
        """
        return send.drawing(payload.encoded(self.build_query(section_image_id, groups)), Fetch.of())

    def download_svg(self, section_image_id: Any, groups: Any = None, file_path: Any = None) -> Path:
        """Save the SVG of an image.

        Parameters
        ----------
        section_image_id : int
        groups : int or iterable of int, optional
            Graphic group labels. Default: all.
        file_path : path, optional
            Default: ``{section_image_id}.svg`` in the current folder.

        Raises
        ------
        {download errors}

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "section.svg"
        >>> file = pdneuro.allen.SvgApi().download_svg(100960033, 28, path)
        >>> file.name, file.read_text()[:4]
        ('section.svg', '<svg')
        """
        path = (
            f"{payload.one_id(section_image_id, 'section_image_id')}.svg"
            if file_path is None
            else file_path
        )
        address = self.build_query(section_image_id, groups, download=True)
        return self._save(address, path)
