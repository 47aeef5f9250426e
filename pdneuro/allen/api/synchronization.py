"""SynchronizationApi: the same point in images, atlases and the reference space."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pdneuro.allen import payload
from pdneuro.allen.api.base import Api, documented
from pdneuro.errors import InvalidQueryError


@documented
class SynchronizationApi(Api):
    """Maps points between images (pixels of the full resolution) and the reference space (µm).

    {base_uri}

    Notes
    -----
    Methods return DataFrames with one row per data set or image: ``section_data_set_id``,
    ``section_image_id``, ``section_number`` (int64), ``x``, ``y`` (pixels).

    Examples
    --------
    >>> sync = pdneuro.allen.SynchronizationApi()
    >>> found = sync.get_reference_to_image(10, 6085, 3670, 4883, [68545324])
    >>> found["section_data_set_id"].tolist()
    [68545324]
    """

    def _address(self, name: str, number: Any, what: str, **parameters: Any) -> str:
        query = "&".join(
            f"{key}={_coordinate(value, key) if key in 'xyz' else payload.ids(value, key)}"
            for key, value in parameters.items()
        )
        return f"{self.api_url}/api/v2/{name}/{payload.one_id(number, what)}.json?{query}"

    def _images(self, address: str) -> pd.DataFrame:
        return self._records(address, "image_sync")

    def get_image_to_atlas(
        self, section_image_id: Any, x: float, y: float, atlas_id: Any
    ) -> pd.DataFrame:
        """Find the point of an atlas that is nearest to a point of an image.

        Examples
        --------
        >>> sync = pdneuro.allen.SynchronizationApi()
        >>> found = sync.get_image_to_atlas(68173101, 6208, 2368, atlas_id=1)
        >>> found[["section_image_id", "section_number", "x", "y"]]
           section_image_id  section_number       x        y
        0                 2              20  5906.1  2263.85
        """
        where = {"x": x, "y": y, "atlas_id": atlas_id}
        return self._images(
            self._address("image_to_atlas", section_image_id, "section_image_id", **where)
        )

    def get_image_to_image(
        self, section_image_id: Any, x: float, y: float, section_data_set_ids: Any
    ) -> pd.DataFrame:
        """Find the points of other data sets that are nearest to a point of an image.

        Examples
        --------
        >>> sync = pdneuro.allen.SynchronizationApi()
        >>> found = sync.get_image_to_image(68173101, 6208, 2368, [68545324, 67810540])
        >>> found[["section_data_set_id", "x", "y"]]
           section_data_set_id       x        y
        0             68545324  5906.1  2263.85
        1             67810540  5906.1  2263.85
        """
        where = {"x": x, "y": y, "section_data_set_ids": section_data_set_ids}
        return self._images(
            self._address("image_to_image", section_image_id, "section_image_id", **where)
        )

    def get_image_to_image_2d(
        self, section_image_id: Any, x: float, y: float, section_image_ids: Any
    ) -> pd.DataFrame:
        """Find the points of other images of the specimen that are nearest to a point of an image.

        Examples
        --------
        >>> sync = pdneuro.allen.SynchronizationApi()
        >>> found = sync.get_image_to_image_2d(68173101, 6208, 2368, [68173103, 68173105])
        >>> found[["section_number", "x", "y"]]
           section_number       x        y
        0              20  5906.1  2263.85
        1              21  5906.1  2263.85
        """
        where = {"x": x, "y": y, "section_image_ids": section_image_ids}
        return self._images(
            self._address("image_to_image_2d", section_image_id, "section_image_id", **where)
        )

    def get_reference_to_image(
        self, reference_space_id: Any, x: float, y: float, z: float, section_data_set_ids: Any
    ) -> pd.DataFrame:
        """Find the points of data sets nearest to a point of a reference space (ap, dv, lr in µm).

        Examples
        --------
        >>> sync = pdneuro.allen.SynchronizationApi()
        >>> found = sync.get_reference_to_image(10, 6085, 3670, 4883, [68545324, 67810540])
        >>> found[["section_data_set_id", "section_image_id"]]
           section_data_set_id  section_image_id
        0             68545324          68545325
        1             67810540          67810541
        """
        where = {"x": x, "y": y, "z": z, "section_data_set_ids": section_data_set_ids}
        return self._images(
            self._address("reference_to_image", reference_space_id, "reference_space_id", **where)
        )

    def get_image_to_reference(self, section_image_id: Any, x: float, y: float) -> dict[str, Any]:
        """Return the point of the reference space for a point of an image.

        Returns
        -------
        dict
            ``{"image_to_reference": {"x", "y", "z"}}``: ap, dv, lr in µm.

        Examples
        --------
        >>> pdneuro.allen.SynchronizationApi().get_image_to_reference(68173101, 6208, 2368)
        {'image_to_reference': {'x': 59200.0, 'y': 3104.0, 'z': 4500.0}}
        """
        address = self._address("image_to_reference", section_image_id, "section_image_id", x=x, y=y)
        content: dict[str, Any] = self._message(address).content
        return content

    def get_structure_to_image(self, section_data_set_id: Any, structure_ids: Any) -> pd.DataFrame:
        """Find the point of a data set that is nearest to the center of each structure.

        Examples
        --------
        >>> found = pdneuro.allen.SynchronizationApi().get_structure_to_image(68545324, [315, 698])
        >>> found[["section_number", "x", "y"]]
           section_number    x      y
        0              20  8.5  14.25
        1              21  8.5  14.25
        """
        return self._images(
            self._address(
                "structure_to_image",
                section_data_set_id,
                "section_data_set_id",
                structure_ids=structure_ids,
            )
        )


def _coordinate(value: Any, name: str) -> str:
    number = np.nan if isinstance(value, str | bool) else float(value)
    if not np.isfinite(number):
        raise InvalidQueryError(f"{name} must be a coordinate, not {value!r}.")
    return f"{number:f}"
