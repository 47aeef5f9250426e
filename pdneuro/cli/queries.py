"""Commands ``pdneuro fetch``, ``find``, ``edges``, ``structures`` and ``neuromorpho``, which return a table."""

from __future__ import annotations

import argparse
from typing import Any

from pdneuro.cli import command


def add(commands: Any) -> None:
    """Add the commands of this module."""
    for add_one in (_add_fetch, _add_find, _add_edges, _add_structures, _add_neuromorpho):
        add_one(commands)


def _add_fetch(commands: Any) -> None:
    parser = command.add(
        commands,
        "fetch",
        _fetch,
        "add properties of segments to a table",
        "pdneuro fetch neurons.csv --column root_id --property link_pre,size "
        "--source fruitfly_fafb_flywire --out known.parquet",
    )
    command.takes_table(parser, "segment IDs")
    parser.add_argument("--property", "-p", action="append", required=True,
                        help="such as link_pre,size; may be repeated")  # fmt: skip
    parser.add_argument("--multiple", choices=["raise", "first", "list", "count"], default="raise",
                        help="what to do with several records of one ID")  # fmt: skip
    parser.add_argument("--prefix", default="", help="text in front of the new column names")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace existing columns of the same names"
    )
    command.queries_source(parser)


def _fetch(options: argparse.Namespace) -> int:
    from pdneuro.queries.properties import join_properties

    with command.settings(options):
        segments = command.read(options)
        table = join_properties(
            segments,
            *command.words(options.property),
            on=command.column(options, segments),
            refresh=options.refresh,
            multiple=options.multiple,
            prefix=options.prefix,
            overwrite=options.overwrite,
        )
        return command.write(options, table)


def _add_find(commands: Any) -> None:
    parser = command.add(
        commands,
        "find",
        _find,
        "find the neurons of a type, or with values of other fields",
        "pdneuro find --source neuprint:hemibrain:v1.2.1 --type DA1_lPN --where side=left --out found.csv",
    )
    command.writes_table(parser, by_id=False)
    parser.add_argument("--type", "-t", action="append", help="cell type; may be repeated")
    parser.add_argument(
        "--regex", action="store_true", help="the type, and text after --where, is a regular expression"
    )
    parser.add_argument("--where", action="append", metavar="FIELD=VALUE",
                        help="side, nt or another field; may be repeated: values of one field are joined by or, fields by and")  # fmt: skip
    parser.add_argument("--table", help="for CAVE: the table of cell types")
    parser.add_argument("--source", help="neuprint:hemibrain:v1.2.1, cave:minnie65_public, sandbox, ...")


def _find(options: argparse.Namespace) -> int:
    from pdneuro.queries.find import find

    with command.settings(options):
        table = find(
            type=options.type,
            regex=options.regex,
            table=options.table,
            refresh=options.refresh,
            **_filters(options.where or []),
        )
        return command.write(options, table)


def _add_edges(commands: Any) -> None:
    parser = command.add(
        commands,
        "edges",
        _edges,
        "list the edges of a table of segments: pre, post, weight",
        "pdneuro edges neurons.csv --direction downstream --min-weight 5 --out edges.csv",
    )
    command.takes_table(parser, "segment IDs")
    parser.add_argument("--direction", choices=["both", "upstream", "downstream"], default="both",
                        help="default: both")  # fmt: skip
    parser.add_argument(
        "--min-weight",
        type=command.at_least(1),
        default=1,
        metavar="N",
        help="minimum number of synapses per pair; default: 1",
    )
    parser.add_argument(
        "--hops",
        type=command.at_least(1),
        default=1,
        metavar="N",
        help="number of hops to follow; default: 1",
    )
    parser.add_argument(
        "--max-nodes", type=command.at_least(1), metavar="N", help="maximum number of neurons to query"
    )
    parser.add_argument("--within", action="store_true", help="keep only edges among the given segments")
    parser.add_argument("--roi", action="store_true", help="one row per pair and region; neuPrint")
    parser.add_argument(
        "--no-fragments",
        action="store_true",
        help="drop edges of segments that are not neurons; neuPrint",
    )
    parser.add_argument("--no-autapses", action="store_true", help="drop edges from a neuron to itself")
    command.queries_source(parser)


def _edges(options: argparse.Namespace) -> int:
    from pdneuro.queries.edges import edges

    limit = {} if options.max_nodes is None else {"max_nodes": options.max_nodes}
    with command.settings(options):
        segments = command.read(options)
        table = edges(
            segments,
            command.column(options, segments),
            refresh=options.refresh,
            upstream=options.direction != "downstream",
            downstream=options.direction != "upstream",
            hops=options.hops,
            min_weight=options.min_weight,
            within=options.within,
            autapses=not options.no_autapses,
            roi=options.roi,
            fragments=not options.no_fragments,
            **limit,
        )
        return command.write(options, table)


def _add_structures(commands: Any) -> None:
    parser = command.add(
        commands,
        "structures",
        _structures,
        "add names and groups of Allen structures to a table",
        'pdneuro structures cells.csv --field acronym,name --rollup "Brain - Major Divisions"',
    )
    command.takes_table(parser, "structure IDs or acronyms", by_id=False)
    parser.add_argument("--field", "-f", action="append", help="such as acronym,name,color")
    parser.add_argument("--rollup", action="append", metavar="TO",
                        help="a structure set, or structures such as CTX,TH; adds a column rollup")  # fmt: skip
    parser.add_argument("--graph-id", type=int, default=1, help="1: adult mouse (default), 10: human")


def _structures(options: argparse.Namespace) -> int:
    from pdneuro.queries import structures
    from pdneuro.tables import joins, roles

    with command.settings(options):
        table = command.read(options)
        on = command.column(options, table)
        column = roles.structure_column(table, on)
        joined = structures.join_structures(
            table, *command.words(options.field), on=on, graph_id=options.graph_id
        )
        if options.rollup:
            names = command.words(options.rollup)
            to: Any = names if len(names) > 1 else int(names[0]) if names[0].isdigit() else names[0]
            rolled_up = structures.rollup(column, to, graph_id=options.graph_id, on_missing="ignore")
            joined = joins.add_columns(joined, {"rollup": rolled_up.array})
        return command.write(options, joined)


def _add_neuromorpho(commands: Any) -> None:
    parser = command.add(
        commands,
        "neuromorpho",
        _neuromorpho,
        "look up records and measurements of NeuroMorpho.org's neurons, for a table or a search",
        "pdneuro neuromorpho --where archive=Siegert --where species=rat --out found.csv",
    )
    parser.add_argument("file", nargs="?", help="a table of neurons, unless --where is given")
    parser.add_argument(
        "--column", "-c", help="neuron_id or neuron_name; default: recognized by its name"
    )
    command.writes_table(parser)
    parser.add_argument("--where", action="append", metavar="FIELD=VALUE",
                        help="all neurons that match; may be repeated: values of one field are joined by or, fields by and")  # fmt: skip
    parser.add_argument("--field", "-f", action="append", help="such as species,archive; default: all")
    parser.add_argument("--morphometry", "-m", action="append", metavar="FIELD",
                        help="measurements, such as length,n_bifs, or all")  # fmt: skip


def _neuromorpho(options: argparse.Namespace) -> int:
    from pdneuro import neuromorpho
    from pdneuro.neuromorpho import field_types
    from pdneuro.queries.neuromorpho import join_morphometry, join_neuromorpho
    from pdneuro.tables import roles

    if bool(options.where) == bool(options.file):
        raise ValueError("pass either a table of neurons or --where FIELD=VALUE.")
    fields, key, on = command.words(options.field), None, None
    with command.settings(options):
        if options.where:
            records = neuromorpho.select(**_filters(options.where))
            field_types.require(fields, records.columns.tolist(), list)
            table = records[[name for name in records if not fields or name in ("neuron_id", *fields)]]
        else:
            table = command.read(options)
            # A csv file is read as text, so digits in it are IDs.
            on = command.column(options, table)
            column = roles.neuromorpho_column(table, on)
            digits = column.dropna().astype(str).str.fullmatch(r"\d*").all()
            key = "neuron_id" if digits and column.name != "neuron_name" else None
            if fields or options.morphometry is None:
                table = join_neuromorpho(table, *fields, on=on, key=key, refresh=options.refresh)
        if options.morphometry is not None:
            wanted = [name for name in command.words(options.morphometry) if name != "all"]
            table = join_morphometry(table, *wanted, on=on, key=key, refresh=options.refresh)
        return command.write(options, table)


def _filters(conditions: list[str]) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    for condition in conditions:
        name, sign, value = condition.partition("=")
        if not sign or not value:
            raise ValueError(f"--where must be FIELD=VALUE, such as species=rat, not {condition!r}.")
        filters.setdefault(name, []).append(value)
    return filters
