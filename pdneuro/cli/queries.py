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
        "pdneuro fetch neurons.csv --column root_id --property link_pre,size "
        "--source fruitfly_fafb_flywire --out known.parquet",
    )
    command.takes_table(fetch, "segment IDs")
    fetch.add_argument("--property", "-p", action="append", required=True,
                       help="such as link_pre,size; may be repeated")  # fmt: skip
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
    edges.add_argument(
        "--min-weight", type=command.whole(1), default=1, metavar="N", help="synapses of a pair"
    )
    edges.add_argument(
        "--hops", type=command.whole(1), default=1, metavar="N", help="how far to go; default: 1"
    )
    edges.add_argument(
        "--max-nodes", type=command.whole(1), metavar="N", help="stop before more neurons than this"
    )
    edges.add_argument("--within", action="store_true", help="only among the given segments")
    edges.add_argument("--no-autapses", action="store_true", help="leave out a neuron's own synapses")
    command.asks_source(edges)

    structures = command.add(
        commands,
        "structures",
        _structures,
        "names and groups of Allen structures beside the columns of a table",
        'pdneuro structures cells.csv --field acronym,name --rollup "Brain - Major Divisions"',
    )
    command.takes_table(structures, "structure IDs or acronyms")
    structures.add_argument("--field", "-f", action="append", help="such as acronym,name,color")
    structures.add_argument("--rollup", action="append", metavar="TO",
                            help="a structure set, or structures such as CTX,TH: a column rollup")  # fmt: skip
    structures.add_argument("--graph-id", type=int, default=1, help="1: mouse (default), 10: human")

    neurons = command.add(
        commands,
        "neuromorpho",
        _neuromorpho,
        "records and measurements of NeuroMorpho.org's neurons, beside a table or by a search",
        "pdneuro neuromorpho --where archive=Siegert --where species=rat --out found.csv",
    )
    neurons.add_argument("file", nargs="?", help="a table of neurons; none with --where")
    neurons.add_argument("--column", "-c", help="neuron_id or neuron_name; default: known by its name")
    command.writes_table(neurons)
    neurons.add_argument("--where", action="append", metavar="FIELD=VALUE",
                         help="all neurons that fit; may be repeated: one field is or, several are and")  # fmt: skip
    neurons.add_argument("--field", "-f", action="append", help="such as species,archive; default: all")
    neurons.add_argument("--morphometry", "-m", action="append", metavar="FIELD",
                         help="measurements, such as length,n_bifs; all of them: all")  # fmt: skip


def _fetch(chosen: argparse.Namespace) -> int:
    from pdneuro.queries.properties import join_properties

    with command.settings(chosen):
        given = command.read(chosen)
        table = join_properties(
            given,
            *command.words(chosen.property),
            on=command.column(chosen, given),
            refresh=chosen.refresh,
            multiple=chosen.multiple,
            prefix=chosen.prefix,
            overwrite=chosen.overwrite,
        )
        return command.write(chosen, table)


def _edges(chosen: argparse.Namespace) -> int:
    from pdneuro.queries.edges import edges

    limit = {} if chosen.max_nodes is None else {"max_nodes": chosen.max_nodes}
    with command.settings(chosen):
        given = command.read(chosen)
        table = edges(
            given,
            command.column(chosen, given),
            refresh=chosen.refresh,
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
    from pdneuro.queries import structures
    from pdneuro.tables import joins, roles

    with command.settings(chosen):
        table = command.read(chosen)
        on = command.column(chosen, table)
        column = roles.structure_column(table, on)
        joined = structures.join_structures(
            table, *command.words(chosen.field), on=on, graph_id=chosen.graph_id
        )
        if chosen.rollup:
            names = command.words(chosen.rollup)
            to: Any = names if len(names) > 1 else int(names[0]) if names[0].isdigit() else names[0]
            found = structures.rollup(column, to, graph_id=chosen.graph_id, on_missing="ignore")
            joined = joins.add_columns(joined, {"rollup": found.array})
        return command.write(chosen, joined)


def _neuromorpho(chosen: argparse.Namespace) -> int:
    from pdneuro import neuromorpho
    from pdneuro.neuromorpho import field_types
    from pdneuro.queries.neuromorpho import join_morphometry, join_neuromorpho
    from pdneuro.tables import roles

    if bool(chosen.where) == bool(chosen.file):
        raise ValueError("give a table of neurons, or --where FIELD=VALUE, one of both.")
    fields, key, on = command.words(chosen.field), None, None
    with command.settings(chosen):
        if chosen.where:
            found = neuromorpho.select(**_filters(chosen.where))
            field_types.require(fields, found.columns.tolist(), list)
            table = found[[name for name in found if not fields or name in ("neuron_id", *fields)]]
        else:
            table = command.read(chosen)
            # Digits are IDs, also where they come as text.
            on = command.column(chosen, table)
            column = roles.neuromorpho_column(table, on)
            digits = column.dropna().astype(str).str.fullmatch(r"\d*").all()
            key = "neuron_id" if digits and column.name != "neuron_name" else None
            if fields or chosen.morphometry is None:
                table = join_neuromorpho(table, *fields, on=on, key=key, refresh=chosen.refresh)
        if chosen.morphometry is not None:
            wanted = [name for name in command.words(chosen.morphometry) if name != "all"]
            table = join_morphometry(table, *wanted, on=on, key=key, refresh=chosen.refresh)
        return command.write(chosen, table)


def _filters(conditions: list[str]) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    for condition in conditions:
        name, sign, value = condition.partition("=")
        if not sign or not value:
            raise ValueError(f"a condition is FIELD=VALUE, such as species=rat, not {condition!r}.")
        filters.setdefault(name, []).append(value)
    return filters
