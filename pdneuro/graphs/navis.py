"""Convert reconstructions to neurons of navis, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import InvalidSwcError, listing
from pdneuro.tables.skeletons import NEURON, arrays, neuron_column

if TYPE_CHECKING:
    import navis

#: Columns of navis' node tables, by those of a node table.
_NAMES = {"node": "node_id", "type": "label", "parent": "parent_id"}


def to_navis(nodes: pd.DataFrame) -> navis.NeuronList:
    """Return reconstructions as neurons of navis, for Sholl analysis, Strahler index, pruning and more.

    Parameters
    ----------
    nodes : DataFrame
        Node table (µm).

    Returns
    -------
    navis.NeuronList
        One ``TreeNeuron`` per neuron, in µm. ``id`` is the entry of the column ``neuron``, or 0 for a
        table without this column. A missing radius is 0.

    Raises
    ------
    InvalidSwcError
        Two nodes of a neuron have the same number.
    MissingColumnsError
        The table is not a node table.
    MissingDependencyError
        navis is not installed (extra ``navis``).

    See Also
    --------
    from_navis : the inverse.

    Examples
    --------
    >>> nodes = pdneuro.neuromorpho.swc(1)
    >>> neurons = nodes.neuro.to_navis()  # doctest: +SKIP
    >>> navis.sholl_analysis(neurons[0])  # doctest: +SKIP
    """
    navis = optional("navis", "navis")
    columns, names = arrays(nodes)
    table = pd.DataFrame(
        {_NAMES.get(name, name): getattr(columns, name) for name in columns._fields[1:]}
    )
    table["radius"] = table["radius"].fillna(0.0)
    codes = np.zeros(len(table), np.intp) if columns.codes is None else columns.codes
    labels = names.tolist() if NEURON in nodes.columns else [0]
    neurons = []
    for code in pd.unique(codes).tolist():
        own = table[codes == code].reset_index(drop=True)
        again = own["node_id"][own["node_id"].duplicated()]
        if len(again):
            raise InvalidSwcError(
                f"several nodes of {labels[code]!r} have the same number: {listing(again.tolist())}. "
                ".neuro.check() lists them; correct them in the table."
            )
        known = own["parent_id"].isin(own["node_id"]) & (own["parent_id"] != own["node_id"])
        own["parent_id"] = own["parent_id"].where(known, -1)
        label = labels[code]
        neurons.append(navis.TreeNeuron(own, units="um", id=label, name=str(label)))
    return navis.NeuronList(neurons)


def from_navis(neurons: Any) -> pd.DataFrame:
    """Return the node table of neurons of navis.

    Parameters
    ----------
    neurons : navis.TreeNeuron or navis.NeuronList
        Skeletons, in any unit that navis converts to µm. Without a unit, coordinates are in µm.

    Returns
    -------
    DataFrame
        Node table (µm), in the order of the neurons and their nodes. ``neuron`` is the ``id`` of each.
        A missing label is the type 0.

    Raises
    ------
    TypeError
        An object is not a ``TreeNeuron``.
    MissingDependencyError
        navis is not installed (extra ``navis``).

    Examples
    --------
    >>> from pdneuro.graphs import from_navis
    >>> from_navis(neurons)  # doctest: +SKIP
    """
    navis = optional("navis", "navis")
    listed = list(neurons) if isinstance(neurons, navis.NeuronList) else [neurons]
    parts = []
    for neuron in listed:
        if not isinstance(neuron, navis.TreeNeuron):
            raise TypeError(f"{type(neuron).__name__} is not a navis.TreeNeuron. Skeletonize it before.")
        own = neuron if neuron.units.dimensionless else neuron.convert_units("um", inplace=False)
        parts.append(own.nodes.assign(**{NEURON: neuron.id}))
    if not parts:
        raise ValueError("the list of neurons is empty.")
    table = pd.concat(parts, ignore_index=True)
    kind = (
        pd.to_numeric(table["label"], errors="coerce") if "label" in table else pd.Series(0, table.index)
    )
    return pd.DataFrame(
        {
            NEURON: neuron_column(table[NEURON].tolist()),
            "node": table["node_id"].astype(np.int64),
            "type": kind.fillna(0).astype(np.int64),
            **{name: table[name].astype(np.float64) for name in ("x", "y", "z", "radius")},
            "parent": table["parent_id"].astype(np.int64),
        }
    )
