"""``pdneuro fetch``, ``edges``, ``structures``, ``neuromorpho``: a table in, a table out."""

from __future__ import annotations

import argparse
from typing import Any

from pdneuro.cli import command


def add(commands: Any) -> None:
    """The commands of this module."""
    fetch = command.add(
        commands,
        "fetch",
        _fetch,
        "properties of segments beside the columns of a table",
        "pdneuro fetch neurons.csv --column root_id --property link_pre size "
        "--source fruitfly_fafb_flywire --out known.parquet",
    )
    command.takes_table(fetch, "segment IDs")
    fetch.add_argument("--property", "-p", nargs="+", required=True, help="link_pre, size, ...")
    fetch.add_argument("--multiple", choices=["raise", "first", "list", "count"], default="raise",
                       help="what to do with several records of one ID")  # fmt: skip
    fetch.add_argument("--prefix", default="", help="put in front of the new names")
    fetch.add_argument("--overwrite", action="store_true", help="replace columns of the new names")
    command.asks_source(fetch)

    edges = command.add(
        commands,
        "edges",
        _edges,
        "the edges of a table of segments: pre, post, weight",
        "pdneuro edges neurons.csv --direction downstream --min-weight 5 --out edges.csv",
    )
    command.takes_table(edges, "segment IDs")
    edges.add_argument("--direction", choices=["both", "upstream", "downstream"], default="both",
                       help="default: both")  # fmt: skip
    edges.add_argument("--min-weight", type=int, default=1, metavar="N", help="synapses of a pair")
    edges.add_argument("--hops", type=int, default=1, metavar="N", help="how far to go; default: 1")
    edges.add_argument("--max-nodes", type=int, metavar="N", help="stop before more neurons than this")
    edges.add_argument("--within", action="store_true", help="only among the given segments")
    edges.add_argument("--no-autapses", action="store_true", help="leave out a neuron's own synapses")
    command.asks_source(edges)

    structures = command.add(
        commands,
        "structures",
        _structures,
        "names and groups of Allen structures beside the columns of a table",
        'pdneuro structures cells.csv --field acronym name --rollup "Brain - Major Divisions"',
    )
    command.takes_table(structures, "structure IDs or acronyms")
    structures.add_argument("--field", "-f", nargs="+", help="acronym, name, color, ...")
    structures.add_argument("--rollup", nargs="+", metavar="TO",
                            help="a structure set, or structures: adds the column rollup")  # fmt: skip
    structures.add_argument("--graph-id", type=int, default=1, help="1: mouse (default), 10: human")

    neurons = command.add(
        commands,
        "neuromorpho",
        _neuromorpho,
        "records and measurements of NeuroMorpho.org's neurons, beside a table or by a search",
        'pdneuro neuromorpho --where archive=Siegert "species=mouse,rat" --out found.csv',
    )
    neurons.add_argument("file", nargs="?", help="a table of neurons; none with --where")
    neurons.add_argument("--column", "-c", help="neuron_id or neuron_name; default: known by its name")
    command.writes_table(neurons)
    neurons.add_argument("--where", nargs="+", metavar="FIELD=VALUE", help="all neurons that fit")
    neurons.add_argument("--field", "-f", nargs="+", help="species, cell_type, ...; default: all")
    neurons.add_argument("--morphometry", "-m", nargs="*", metavar="FIELD",
                         help="measurements too: length, n_bifs, ...; none named: all")  # fmt: skip


def _fetch(chosen: argparse.Namespace) -> int:
    from pdneuro import segments

    with command.settings(chosen):
        table = segments.join_properties(
            command.read(chosen),
            *command.words(chosen.property),
            on=chosen.column,
            multiple=chosen.multiple,
            prefix=chosen.prefix,
            overwrite=chosen.overwrite,
        )
        return command.write(chosen, table)


def _edges(chosen: argparse.Namespace) -> int:
    from pdneuro import neurons

    limit = {} if chosen.max_nodes is None else {"max_nodes": chosen.max_nodes}
    with command.settings(chosen):
        table = neurons.edges(
            command.read(chosen),
            chosen.column,
            upstream=chosen.direction != "downstream",
            downstream=chosen.direction != "upstream",
            hops=chosen.hops,
            min_weight=chosen.min_weight,
            within=chosen.within,
            autapses=not chosen.no_autapses,
            **limit,
        )
        return command.write(chosen, table)


def _structures(chosen: argparse.Namespace) -> int:
    from pdneuro import structures
    from pdneuro.tables import roles

    with command.settings(chosen):
        table = command.read(chosen)
        column = roles.structure_column(table, chosen.column)
        joined = structures.join_structures(
            table, *command.words(chosen.field), on=chosen.column, graph_id=chosen.graph_id
        )
        if chosen.rollup:
            to = chosen.rollup[0] if len(chosen.rollup) == 1 else chosen.rollup
            to = int(to) if isinstance(to, str) and to.isdigit() else to
            joined["rollup"] = structures.rollup(column, to, graph_id=chosen.graph_id)
        return command.write(chosen, joined)


def _neuromorpho(chosen: argparse.Namespace) -> int:
    from pdneuro import neuromorpho, reconstructions
    from pdneuro.neuromorpho import vocabulary
    from pdneuro.tables import roles

    if bool(chosen.where) == bool(chosen.file):
        raise ValueError("give a table of neurons, or --where FIELD=VALUE, one of both.")
    fields, by = command.words(chosen.field), None
    with command.settings(chosen):
        if chosen.where:
            found = neuromorpho.select(**_filters(chosen.where))
            vocabulary.require(fields, found.columns.tolist(), list)
            table = found[[name for name in found if not fields or name in ("neuron_id", *fields)]]
        else:
            table = command.read(chosen)
            # Digits are IDs, also where they come as text.
            texts = roles.neuromorpho_column(table, chosen.column).dropna().astype(str)
            by = "neuron_id" if texts.str.fullmatch(r"\d*").all() else None
            if fields or chosen.morphometry is None:
                table = reconstructions.join_neuromorpho(table, *fields, on=chosen.column, by=by)
        if chosen.morphometry is not None:
            wanted = command.words(chosen.morphometry)
            table = reconstructions.join_morphometry(table, *wanted, on=chosen.column, by=by)
        return command.write(chosen, table)


def _filters(conditions: list[str]) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    for condition in conditions:
        name, sign, value = condition.partition("=")
        if not sign or not value:
            raise ValueError(f"a condition is FIELD=VALUE, such as species=rat, not {condition!r}.")
        values = value.split(",")
        filters[name] = values if len(values) > 1 else value
    return filters
