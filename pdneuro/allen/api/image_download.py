"""ImageDownloadApi: section, atlas and projection images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro.allen import payload
from pdneuro.allen.api.base import documented
from pdneuro.allen.api.rma import RmaApi
from pdneuro.errors import InvalidQueryError, listing

RANGES = ("red_lower", "red_upper", "green_lower", "green_upper", "blue_lower", "blue_upper")
_VIEWS = ("expression", "projection", "tumor_feature_annotation", "tumor_feature_boundary")


@documented
class ImageDownloadApi(RmaApi):
    """Images, complete or in part, and tables of images.

    {base_uri}

    Examples
    --------
    >>> import pathlib, tempfile
    >>> images = pdneuro.allen.ImageDownloadApi()
    >>> section = images.section_image_query(70813257)["id"].iloc[0]
    >>> file = images.download_section_image(
    ...     section, pathlib.Path(tempfile.mkdtemp()) / "section.jpg", downsample=4
    ... )
    >>> file.name
    'section.jpg'
    """

    COLORMAPS = {
        name: number
        for number, name in enumerate(
            (
                "gray",
                "hotmetal",
                "jet",
                "redtemp",
                "expression",
                "red",
                "blue",
                "green",
                "aba",
                "aibsmap_alt",
                "colormap",
                "projection",
            )
        )
    }

    # -- payload ----------------------------------------------------------------------------------

    def build_image_url(self, endpoint: str, image_id: Any, **view: Any) -> str:
        """Return the address of an image.

        Parameters
        ----------
        endpoint : str
            ``section_image_download``, ``atlas_image_download``, ``projection_image_download``,
            ``image_download``, or a complete address.
        image_id : int
        **view
            Parameters of the image; :meth:`download_image` lists them.

        Examples
        --------
        >>> images = pdneuro.allen.ImageDownloadApi("https://host")
        >>> images.build_image_url("section_image_download", 70945123, downsample=3, view="expression")
        'https://host/api/v2/section_image_download/70945123?downsample=3&view=expression'
        """
        unknown = sorted(view.keys() - PARAMETERS.keys())
        if unknown:
            raise InvalidQueryError(
                f"unknown parameters of an image: {listing(map(repr, unknown))}. Its parameters are "
                f"{', '.join(PARAMETERS)}."
            )
        query = "&".join(
            f"{name}={write(name, view[name])}"
            for name, write in PARAMETERS.items()
            if view.get(name) is not None
        )
        base = endpoint if "/" in endpoint else f"{self.api_url}/api/v2/{endpoint}"
        return f"{base}/{payload.one_id(image_id, 'image_id')}{'?' if query else ''}{query}"

    # -- send -------------------------------------------------------------------------------------

    def download_image(
        self, image_id: Any, file_path: Any = None, endpoint: str | None = None, **view: Any
    ) -> Path:
        """Download an image, or a part of it.

        Parameters
        ----------
        image_id : int
        file_path : path, optional
            Default: ``{image_id}.jpg`` in the current folder.
        endpoint : str, optional
            Default ``image_download``; see :meth:`build_image_url`.
        **view
            ``downsample`` (halvings), ``quality`` (0 to 100), ``left, top, width, height`` (pixels),
            ``range`` (six bounds, red, green, blue), ``rgb``, ``contrast`` (factors), ``colormap``
            (a pair of threshold and name in ``COLORMAPS``, or text), ``view`` (``expression,
            projection, tumor_feature_annotation, tumor_feature_boundary``), ``atlas`` (an ID), and
            True or False for ``annotation, projection, expression, tumor_feature_annotation,
            tumor_feature_boundary, downsample_dimensions``.

        Raises
        ------
        InvalidQueryError
            A parameter or value is invalid. Nothing is sent.
        {download errors}

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "part.jpg"
        >>> images = pdneuro.allen.ImageDownloadApi()
        >>> file = images.download_image(70945123, path, left=100, top=100, width=64, height=48)
        >>> file.name, file.stat().st_size
        ('part.jpg', 2134)
        """
        number = payload.one_id(image_id, "image_id")
        address = self.build_image_url(endpoint or "image_download", number, **view)
        return self._save(address, f"{number}.jpg" if file_path is None else file_path)

    def download_section_image(self, section_image_id: Any, file_path: Any = None, **view: Any) -> Path:
        """Download an image of a section; see :meth:`download_image`.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "section.jpg"
        >>> images = pdneuro.allen.ImageDownloadApi()
        >>> file = images.download_section_image(70945123, path, quality=50)
        >>> file.name, sandbox.requests[-1].path
        ('section.jpg', '/allen/api/v2/section_image_download/70945123')
        """
        return self.download_image(section_image_id, file_path, "section_image_download", **view)

    def download_atlas_image(self, atlas_image_id: Any, file_path: Any = None, **view: Any) -> Path:
        """Download an image of an atlas; see :meth:`download_image`.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "atlas.jpg"
        >>> images = pdneuro.allen.ImageDownloadApi()
        >>> file = images.download_atlas_image(100960033, path, annotation=True)
        >>> file.name, sandbox.requests[-1].path
        ('atlas.jpg', '/allen/api/v2/atlas_image_download/100960033')
        """
        return self.download_image(atlas_image_id, file_path, "atlas_image_download", **view)

    def download_projection_image(
        self, projection_image_id: Any, file_path: Any = None, **view: Any
    ) -> Path:
        """Download a projected image; see :meth:`download_image`.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "projection.jpg"
        >>> images = pdneuro.allen.ImageDownloadApi()
        >>> file = images.download_projection_image(126862575, path)
        >>> file.name, sandbox.requests[-1].path
        ('projection.jpg', '/allen/api/v2/projection_image_download/126862575')
        """
        return self.download_image(projection_image_id, file_path, "projection_image_download", **view)

    def section_image_query(
        self, section_data_set_id: Any, num_rows: Any = "all", count: bool = False, **options: Any
    ) -> pd.DataFrame:
        """Return the images of a data set; see :meth:`pdneuro.allen.RmaApi.model_query` for options.

        Examples
        --------
        >>> sections = pdneuro.allen.ImageDownloadApi().section_image_query(70813257)
        >>> sections[["id", "section_number", "width", "height"]]
                 id  section_number  width  height
        0  70813258              20     64      48
        1  70813259              40     64      48
        2  70813260              60     64      48
        """
        number = payload.one_id(section_data_set_id, "section_data_set_id")
        return self._model(
            "SectionImage",
            criteria=f"[data_set_id$eq{number}]",
            num_rows=num_rows,
            count=count,
            **options,
        )

    def get_section_data_sets_by_product(
        self,
        product_ids: Any,
        include_failed: bool = False,
        num_rows: Any = "all",
        count: bool = False,
        **options: Any,
    ) -> pd.DataFrame:
        """Return the data sets of products.

        Parameters
        ----------
        product_ids : int or iterable of int
        include_failed : bool
            Include data sets that did not pass the quality control.
        {num_rows}
        {options}

        Examples
        --------
        >>> images = pdneuro.allen.ImageDownloadApi()
        >>> found = images.get_section_data_sets_by_product(1, include_failed=True)
        >>> found[["id", "failed"]]
                 id  failed
        0  69816930   False
        1  70813257   False
        2  71717084    True
        """
        failed = "'false','true'" if include_failed else "'false'"
        return self._model(
            "SectionDataSet",
            payload.id_list(product_ids, "product_ids"),
            criteria=f"[failed$in{failed}],products[id$in{{ids}}]",
            num_rows=num_rows,
            count=count,
            **options,
        )

    def get_section_image_ranges(
        self,
        section_image_ids: Any,
        num_rows: Any = "all",
        count: bool = False,
        as_lists: bool = True,
        **options: Any,
    ) -> pd.DataFrame | list[list[Any]]:
        """Return bounds of the color channels of images, for ``range`` of :meth:`download_image`.

        Parameters
        ----------
        section_image_ids : int or iterable of int
        {num_rows}
        {options}
        as_lists : bool
            Return lists of six numbers; False returns a DataFrame.

        Examples
        --------
        >>> pdneuro.allen.ImageDownloadApi().get_section_image_ranges([70813258])
        [[0, 932, 0, 1279, 0, 4095]]
        """
        found = self._model(
            "Equalization",
            payload.id_list(section_image_ids, "section_image_ids"),
            criteria="section_data_set(section_images[id$in{ids}])",
            num_rows=num_rows,
            count=count,
            **{
                "only": "'blue_lower,blue_upper,red_lower,red_upper,green_lower,green_upper'",
                **options,
            },
        )
        return found if not as_lists else self._as_lists(found)

    def _as_lists(self, table: pd.DataFrame) -> list[list[Any]]:
        found: list[list[Any]] = table.reindex(columns=list(RANGES)).to_numpy(object).tolist()
        return found

    def atlas_image_query(
        self, atlas_id: Any, image_type_name: str | None = None, **options: Any
    ) -> pd.DataFrame:
        """Return the annotated images of an atlas.

        Parameters
        ----------
        atlas_id : int
        image_type_name : str, optional
            Such as ``"Primate Fast Nissl"``. Default: that of the atlas.
        {options}

        Examples
        --------
        >>> found = pdneuro.allen.ImageDownloadApi().atlas_image_query(1)
        >>> found[["id", "section_number", "image_type"]].head(2)
                  id  section_number           image_type
        0  100960033               0  Atlas - Adult Mouse
        1  100960034               1  Atlas - Adult Mouse
        """
        number = payload.one_id(atlas_id, "atlas_id")
        before: tuple[str, ...] = ()
        if image_type_name is None:
            before = (
                payload.model_stage("Atlas", criteria=f"[id$eq{number}]", only="image_type"),
                payload.pipe_stage("list", [("type_name", "is", "'image_type'")]),
            )
        kind = "$type_name" if image_type_name is None else payload.quote(image_type_name)
        return self._model(
            "AtlasImage",
            (),
            before,
            criteria=(
                f"[annotated$eqtrue],atlas_data_set(atlases[id$eq{number}]),"
                f"alternate_images[image_type$eq{kind}]"
            ),
            **{"num_rows": "all", "order": "sub_images.section_number", **options},
        )


def _flag(name: str, argument: Any) -> str:
    return payload.value(bool(argument), name)


def _number(name: str, argument: Any) -> str:
    if isinstance(argument, bool | str) or int(argument) != argument or argument < 0:
        raise InvalidQueryError(f"{name} must be a non-negative integer, not {argument!r}.")
    return str(int(argument))


def _numbers(name: str, argument: Any) -> str:
    return payload.value(argument, name)


def _view(name: str, argument: Any) -> str:
    if argument not in _VIEWS:
        raise InvalidQueryError(f"view must be one of {', '.join(_VIEWS)}, not {argument!r}.")
    return str(argument)


def _colormap(name: str, argument: Any) -> str:
    if isinstance(argument, str):
        return argument
    threshold, colors = argument
    if colors not in ImageDownloadApi.COLORMAPS:
        raise InvalidQueryError(
            f"colormap must be a number and one of {', '.join(ImageDownloadApi.COLORMAPS)}, "
            f"not {argument!r}."
        )
    return f"0.5,{payload.value(threshold, name)},0,256,{ImageDownloadApi.COLORMAPS[colors]}"


#: Parameters of an image in their order, and how each is written.
PARAMETERS = {
    "downsample": _number,
    "quality": _number,
    "tumor_feature_annotation": _flag,
    "tumor_feature_boundary": _flag,
    "annotation": _flag,
    "atlas": _number,
    "projection": _flag,
    "expression": _flag,
    "colormap": _colormap,
    "range": _numbers,
    "rgb": _numbers,
    "contrast": _numbers,
    "view": _view,
    "left": _number,
    "top": _number,
    "width": _number,
    "height": _number,
    "downsample_dimensions": _flag,
}
