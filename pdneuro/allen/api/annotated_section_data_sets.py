"""AnnotatedSectionDataSetsApi: developing mouse experiments by their annotated expression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import Any

import pandas as pd

from pdneuro.allen import payload
from pdneuro.allen.api.base import documented
from pdneuro.allen.api.rma import RmaApi
from pdneuro.errors import InvalidQueryError, listing

VALUES = ("intensity_values", "density_values", "pattern_values", "age_names")
#: Keys of a part of a compound query.
KEYS = ("structures", "link", *VALUES)


@documented
class AnnotatedSectionDataSetsApi(RmaApi):
    """Data sets whose expression was annotated by hand, structure by structure.

    {base_uri}

    Notes
    -----
    Values of the atlas: intensity ``High, Medium, Low, Undetected, Not Annotated``; density
    ``High, Medium, Low``; pattern ``Full, Regional, Gradient``; ages such as ``E13.5``, ``P56``.

    Examples
    --------
    >>> annotated = pdneuro.allen.AnnotatedSectionDataSetsApi()
    >>> annotated.get_annotated_section_data_sets(15566, intensity_values=["High"])
             id intensity
    0  69816930      High
    """

    # -- payload ----------------------------------------------------------------------------------

    def build_query(
        self,
        structures: Any,
        intensity_values: Any = None,
        density_values: Any = None,
        pattern_values: Any = None,
        age_names: Any = None,
    ) -> str:
        """Return the address of :meth:`get_annotated_section_data_sets`.

        Examples
        --------
        >>> annotated = pdneuro.allen.AnnotatedSectionDataSetsApi("https://host")
        >>> print(annotated.build_query([15566, 15567], age_names=["E13.5"]))
        https://host/api/v2/annotated_section_data_sets.json?structures=15566,15567&age_names='E13.5'
        """
        listed = dict(
            zip(VALUES, (intensity_values, density_values, pattern_values, age_names), strict=True)
        )
        parts = [f"structures={payload.ids(structures, 'structures')}"]
        parts += [f"{name}={payload.names(listed[name], name)}" for name in VALUES if _any(listed[name])]
        return f"{self.api_url}/api/v2/annotated_section_data_sets.json?{'&'.join(parts)}"

    def build_compound_query(self, queries: Iterable[Mapping[str, Any]], fmt: str = "json") -> str:
        """Return the address of :meth:`get_compound_annotated_section_data_sets`.

        Examples
        --------
        >>> annotated = pdneuro.allen.AnnotatedSectionDataSetsApi()
        >>> url = annotated.build_compound_query(
        ...     [
        ...         {"structures": 15566, "age_names": ["E13.5"], "link": "or"},
        ...         {"structures": 15567, "age_names": ["P56"]},
        ...     ]
        ... )
        >>> print(url.partition("query=")[2])
        [structures $in 15566 : age_names $in 'E13.5'] or [structures $in 15567 : age_names $in 'P56']
        """
        listed = [dict(query) for query in queries]
        if not listed:
            raise InvalidQueryError("queries is empty.")
        text = ""
        for place, query in enumerate(listed):
            unknown = sorted(query.keys() - set(KEYS))
            if unknown:
                raise InvalidQueryError(
                    f"query {place} has {listing(map(repr, unknown))}. Its keys are structures, link, "
                    f"{', '.join(VALUES)}."
                )
            parts = [f"structures $in {payload.ids(query.get('structures'), 'structures')}"]
            parts += [
                f"{name} $in {payload.names(query[name], name)}"
                for name in VALUES
                if _any(query.get(name))
            ]
            text += f"[{' : '.join(parts)}]"
            if place < len(listed) - 1:
                link = query.get("link", "or")
                if link not in ("and", "or"):
                    raise InvalidQueryError(f"link must be 'and' or 'or', not {link!r}.")
                text += f" {link} "
        return f"{self.api_url}/api/v2/compound_annotated_section_data_sets.{fmt}?query={text}"

    # -- send -------------------------------------------------------------------------------------

    def get_annotated_section_data_sets(
        self,
        structures: Any,
        intensity_values: Any = None,
        density_values: Any = None,
        pattern_values: Any = None,
        age_names: Any = None,
    ) -> pd.DataFrame:
        """Find data sets with annotated expression in structures.

        Parameters
        ----------
        structures : int or iterable of int
            Structure IDs of the developing mouse.
        intensity_values, density_values, pattern_values, age_names : str or iterable of str, optional
            Only these values. An empty list is the same as None.

        Raises
        ------
        {query errors}

        Examples
        --------
        >>> found = pdneuro.allen.AnnotatedSectionDataSetsApi().get_annotated_section_data_sets(
        ...     [15566], intensity_values=["High", "Low"]
        ... )
        >>> len(found)
        2
        """
        return self._records(
            self.build_query(structures, intensity_values, density_values, pattern_values, age_names)
        )

    def get_annotated_section_data_sets_via_rma(
        self,
        structures: Any,
        intensity_values: Any = None,
        density_values: Any = None,
        pattern_values: Any = None,
        age_names: Any = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Find the same data sets by RMA, with donors, genes and planes of section; 50 rows by default.

        Examples
        --------
        >>> annotated = pdneuro.allen.AnnotatedSectionDataSetsApi()
        >>> found = annotated.get_annotated_section_data_sets_via_rma(315, intensity_values=["High"])
        >>> found["id"].tolist(), [probe["gene"]["acronym"] for probe in found["probes"].iloc[0]]
        ([69816930], ['Pdyn'])
        """
        calls = {
            "intensity_call": intensity_values,
            "density_call": density_values,
            "pattern_call": pattern_values,
        }
        filters = "".join(
            f"[{name}$in{payload.names(values, name)}]" for name, values in calls.items() if _any(values)
        )
        ages = f"[name$in{payload.names(age_names, 'age_names')}]" if _any(age_names) else ""
        order = ["genes.acronym", "ages.embryonic+desc", "ages.days", "data_sets.id"]
        return self._model(
            "SectionDataSet",
            payload.id_list(structures, "structures"),
            criteria=f"manual_annotations{filters}(structure[id$in{{ids}}])",
            include=f"specimen(donor(age{ages})),probes(gene),plane_of_section",
            **{"num_rows": 50, "start_row": 0, "order": order, **options},
        )

    def get_compound_annotated_section_data_sets(
        self, queries: Iterable[Mapping[str, Any]], fmt: str = "json"
    ) -> pd.DataFrame:
        """Find data sets by several conditions.

        Parameters
        ----------
        queries : list of dict
            Each with ``structures``, any of ``intensity_values, density_values, pattern_values,
            age_names``, and ``link`` (``"and"``, ``"or"``) to the next one.
        fmt : str
            ``"json"``.

        Examples
        --------
        >>> annotated = pdneuro.allen.AnnotatedSectionDataSetsApi()
        >>> found = annotated.get_compound_annotated_section_data_sets(
        ...     [{"structures": 15566, "intensity_values": ["High"]}, {"structures": 15567}]
        ... )
        >>> found["id"].tolist()
        [69816930, 70813257]
        """
        return self._records(self.build_compound_query(queries, fmt))


def _any(values: Any) -> bool:
    return values is not None and (not isinstance(values, Sized) or len(values) > 0)
