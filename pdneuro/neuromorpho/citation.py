"""Citations of reconstructions: the database, its license, and the papers of each reconstruction."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.neuromorpho import field_types
from pdneuro.neuromorpho import records as neurons
from pdneuro.tables import roles
from pdneuro.tables.provenance import facts, is_synthetic

_KINDS = {"reference_doi": "doi", "reference_pmid": "pmid"}
_DATABASE = (
    "Reconstructions: NeuroMorpho.Org ({rrid}), license {license}; Tecuatl C, Ljungquist B, Ascoli GA "
    "(2024), https://doi.org/10.1096/fba.2024-00048."
)


def references(table: pd.DataFrame) -> pd.DataFrame:
    """Return the papers of the neurons in a table.

    Parameters
    ----------
    table : DataFrame
        With the columns ``reference_doi`` and ``reference_pmid``; or with ``neuron_id`` or
        ``neuron_name`` alone, whose papers are looked up.

    Returns
    -------
    DataFrame
        ``kind`` (``"doi"`` or ``"pmid"``), ``reference`` (text), ``neurons`` (int64, how many rows name
        it), the most frequent first. A paper can have a row of each kind, because the service does not
        report which belong together.

    Raises
    ------
    MissingColumnsError
        The table has neither papers nor neurons.

    Examples
    --------
    >>> found = pdneuro.neuromorpho.select(archive="Siegert")
    >>> pdneuro.neuromorpho.references(found)
       kind        reference  neurons
    0   doi  10.1234/pdn.005       17
    1  pmid         30000005       17
    2   doi  10.1234/pdn.100        1
    """
    columns = [name for name in _KINDS if name in table.columns]
    if not columns:
        columns = list(_KINDS)
        column = roles.neuromorpho_column(table)
        table, _ = neurons.of_column("neuron", column, columns, None, {})
    parts = []
    for name in columns:
        cells: pd.Series[Any] = table[name].explode().dropna().astype(str)
        cells = cells[~cells.str.strip().str.lower().isin(field_types.MISSING)]
        found = cells.value_counts(sort=False).rename_axis("reference").reset_index(name="neurons")
        found.insert(0, "kind", _KINDS[name])
        parts.append(found)
    kinds = {"kind": TEXT, "reference": TEXT, "neurons": "int64"}
    papers = pd.concat(parts, ignore_index=True).astype(kinds)
    order = {"ascending": [False, True], "kind": "stable", "ignore_index": True}
    return papers.sort_values(["neurons", "kind"], **order)  # type: ignore[call-overload,no-any-return]


def cite(table: pd.DataFrame) -> str:
    """Return the citation of reconstructions: the database, the license, the papers.

    Parameters
    ----------
    table : DataFrame
        Table with a column of neurons, or with their papers; see :func:`references`.

    Returns
    -------
    str
        One line for the database, one for each DOI and each PMID. For data of the sandbox, a line that
        says that they are synthetic.

    Raises
    ------
    MissingColumnsError
        The table has neither papers nor neurons.

    Notes
    -----
    Source: https://neuromorpho.org/useterm.jsp, which asks for the paper of each reconstruction.

    Examples
    --------
    >>> papers = {"reference_doi": ["10.1234/pdn.005"] * 2, "reference_pmid": [None, "30000005"]}
    >>> mine = pd.DataFrame(papers)
    >>> print(pdneuro.neuromorpho.cite(mine))  # doctest: +ELLIPSIS
    Reconstructions: NeuroMorpho.Org (RRID:SCR_002145), license CC BY 4.0; Tecuatl C, ...
    https://doi.org/10.1234/pdn.005 (2 neurons)
    PMID 30000005 (1 neuron)
    >>> pdneuro.neuromorpho.cite(pdneuro.neuromorpho.select(archive="Siegert"))
    "Reconstructions: synthetic data of pdneuro's sandbox; do not cite them."
    """
    sources = str(facts(table).get("source") or "").split(" | ")
    if any(is_synthetic(source) for source in sources):
        return "Reconstructions: synthetic data of pdneuro's sandbox; do not cite them."
    lines = [line(*paper) for paper in references(table).itertuples(index=False, name=None)]
    return "\n".join([_DATABASE.format(rrid=field_types.RRID, license=field_types.LICENSE), *lines])


def line(kind: str, reference: str, count: int) -> str:
    """Return a line of a list of references, from a row of :func:`references`."""
    address = "https://doi.org/" if kind == "doi" else "PMID "
    return f"{address}{reference} ({count:,} neuron{'s' * (count != 1)})"
