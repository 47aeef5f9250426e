"""The Allen Brain Atlas of the sandbox: queries, services, images, volumes and files."""

from __future__ import annotations

import base64
import csv
import functools
import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from pdneuro.sandbox import allen_data
from pdneuro.sandbox.allen_data import Model, Record
from pdneuro.sandbox.rma import Evaluator, QueryError
from pdneuro.sandbox.server import HTML_PAGE, Request, Response, file_response

#: A tiny valid JPEG file.
_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////"
    "////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="
)
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><g graphic_group_label="{}">'
    '<path structure_id="385" d="M1 1 L9 9"/></g></svg>'
)
_SERVICES = (
    "dev_human_correlation",
    "dev_human_differential",
    "dev_human_expression",
    "dev_mouse_agea",
    "dev_mouse_correlation",
    "gbm_ish_differential",
    "gbm_ish_expression",
    "mouse_agea",
    "mouse_correlation",
    "mouse_differential",
    "text_search",
    "tbi_correlation",
    "tbi_differential",
    "tbi_expression",
)
_MICROARRAY = (
    "dev_human_microarray",
    "gbm",
    "human_microarray",
    "nhp_lmd_microarray",
    "nhp_macro_microarray",
)


class AllenApp:
    """An imitation of api.brain-map.org, with the archive under ``/informatics-archive``.

    Parameters
    ----------
    structures : list of dict, optional
        Your own structures of graph 1; see :func:`pdneuro.sandbox.allen_data.tables`.
    sets : list of dict, optional
        Your own structure sets.

    Public attributes can be changed at any time, to test a client.
    """

    def __init__(self, structures: list[Record] | None = None, sets: list[Record] | None = None) -> None:
        self._own = (structures, sets)
        #: Total number of rows that each response reports; None is the true number.
        self.total: int | None = None
        #: Status code of an invalid query; its envelope is the same.
        self.error_status = 200
        #: Other names of keys in the envelope of queries.
        self.names: dict[str, str] = {}
        #: Maximum number of rows of a response, whatever the query requests.
        self.short: int | None = None

    # Tables are loaded at the first request, since most sandboxes serve other services.

    @functools.cached_property
    def tree(self) -> list[Record]:
        """Return the structures of graph 1."""
        rows = [row for row in self.models["Structure"].rows if row["graph_id"] == 1]
        return [{key: cell for key, cell in row.items() if key != "_set_ids"} for row in rows]

    @functools.cached_property
    def models(self) -> dict[str, Model]:
        """Return all tables."""
        return allen_data.tables(*self._own)

    @functools.cached_property
    def rma(self) -> Evaluator:
        """Return the evaluator of queries."""
        services: dict[str, Callable[[dict[str, str]], list[Record]]]
        services = dict.fromkeys(_SERVICES, self._genes)
        for family in _MICROARRAY:
            for kind in ("correlation", "differential", "expression"):
                services[f"{family}_{kind}"] = self._genes
        services["mouse_connectivity_injection_structure"] = self._by_injection
        for name in ("target_spatial", "injection_coordinate", "correlation"):
            services[f"mouse_connectivity_{name}"] = self._by_injection
        return Evaluator(self.models, services)

    def __call__(self, request: Request) -> Response:
        """Return the response to a request."""
        path = request.path
        for pattern, route in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match:
                try:
                    return route(self, request, *match.groups())
                except QueryError as error:
                    failed = _envelope(str(error), 0, 0, success=False)
                    failed.status = self.error_status
                    return failed
        return Response(HTML_PAGE, 404, {"Content-Type": "text/html"})

    # -- queries ----------------------------------------------------------------------------------

    def _query(self, request: Request, fmt: str) -> Response:
        text = request.query.get("q") or request.query.get("criteria") or ""
        rest = "".join(
            f"[{k}$eq{v}]" for k, v in request.query.items() if k in ("num_rows", "start_row")
        )
        if rest:
            text += f",rma::options{rest}"
        if fmt == "xml":
            return Response(b"<Response success='true'/>", headers={"Content-Type": "application/xml"})
        rows, begin, total = self.rma.answer(text)
        rows = rows[: self.short]
        if fmt == "csv":
            return Response(_csv(rows), headers={"Content-Type": "text/csv"})
        found = _envelope(rows, begin, total if self.total is None else self.total)
        found.body = {self.names.get(key, key): value for key, value in found.body.items()}
        return found

    def _schema(self, request: Request, name: str | None = None) -> Response:
        if name is not None and (name not in self.models or name.startswith("_")):
            raise QueryError(f"uninitialized constant ApiModel::{name}")
        names = [name] if name else [key for key in self.models if not key.startswith("_")]
        rows = [{"DataDescription": {key: self._described(key)}} for key in names]
        return _envelope(rows, 0, len(rows))

    def _described(self, name: str) -> Record:
        model = self.models[name]
        fields = [key for key in (model.rows[0] if model.rows else {}) if not key.startswith("_")]
        return {
            "table": model.table,
            "fields": [{"name": key} for key in fields],
            "associations": [{"name": key} for key in model.links],
        }

    def _enumerate(self, request: Request) -> Response:
        return Response({key: self._described(key) for key in self.models if not key.startswith("_")})

    def _graph(self, request: Request, number: str) -> Response:
        return _envelope([allen_data.nested(self.tree)], 0, 1)

    def _tree_search(self, request: Request, kind: str, number: str) -> Response:
        rows = self.models[kind].rows
        by_id = {row["id"]: row for row in rows}
        if int(number) not in by_id:
            return _envelope([], 0, 0)
        path = f"/{number}/"
        selected = [by_id[int(number)]]
        if request.query.get("ancestors") == "true":
            line = selected[0].get("structure_id_path", path).strip("/").split("/")
            selected = [by_id[int(part)] for part in line]
        if request.query.get("descendants") == "true":
            selected += [
                r for r in rows if path in r.get("structure_id_path", "") and r["id"] != int(number)
            ]
        shown = [{k: v for k, v in row.items() if not k.startswith("_")} for row in selected]
        return _envelope(shown, 0, len(shown))

    def _annotated(self, request: Request) -> Response:
        wanted = [
            part.strip("'") for part in request.query.get("intensity_values", "").split(",") if part
        ]
        rows = [
            {"id": row["_data_set"], "intensity": row["intensity_call"]}
            for row in self.models["ManualAnnotation"].rows
            if not wanted or row["intensity_call"] in wanted
        ]
        return _envelope(rows, 0, len(rows))

    # -- services ---------------------------------------------------------------------------------

    def _by_injection(self, parameters: dict[str, str]) -> list[Record]:
        rows = self.models["ApiConnectivity"].rows
        by_name = {str(key): row for row in self.tree for key in (row["id"], row["acronym"])}
        wanted = [
            by_name[name]["id"]
            for name in parameters.get("injection_structures", "").split(",")
            if name in by_name
        ]
        paths = {row["id"]: row.get("structure_id_path", "") for row in self.tree}
        return [
            {
                "id": row["data_set_id"],
                "structure-id": row["structure_id"],
                "structure-abbrev": row["structure_abbrev"],
                "structure-name": row["structure_name"],
                "transgenic-line": (row["transgenic_line"] or {}).get("name", ""),
                "injection-volume": row["injection_volume"],
                "injection-coordinates": [row["injection_x"], row["injection_y"], row["injection_z"]],
                "sum": round(row["injection_volume"] / 2, 6),
            }
            for row in rows
            if not wanted or any(f"/{n}/" in paths.get(row["structure_id"], "") for n in wanted)
        ]

    def _genes(self, parameters: dict[str, str]) -> list[Record]:
        return [
            {"id": gene["id"] * 10, "gene-symbol": gene["acronym"], "r": 1.0 - rank / 10}
            for rank, gene in enumerate(self.models["Gene"].rows)
        ]

    # -- positions --------------------------------------------------------------------------------

    def _sync(self, request: Request, name: str, number: str) -> Response:
        x, y = float(request.query.get("x", 0)), float(request.query.get("y", 0))
        if name == "image_to_reference":
            return _envelope({"image_to_reference": {"x": 25 * y, "y": x / 2, "z": 4500.0}}, 0, 0)
        keys = ("section_data_set_ids", "section_image_ids", "atlas_id", "structure_ids")
        wanted = next((request.query[key] for key in keys if key in request.query), number)
        rows = [
            {
                "image_sync": {
                    "section_data_set_id": part,
                    "section_image_id": int(part) + 1,
                    "section_number": 20 + section,
                    "x": x * 0.95 + 8.5,
                    "y": y * 0.95 + 14.25,
                }
            }
            for section, part in enumerate(wanted.split(","))
        ]
        # The real service reports no counts here either.
        return _envelope(rows, 0, 0, num_rows=0)

    # -- files ------------------------------------------------------------------------------------

    def _image(self, request: Request, number: str) -> Response:
        return file_response(request, _JPEG + bytes(2000), "image/jpeg")

    def _svg(self, request: Request, number: str) -> Response:
        text = _SVG.format(request.query.get("groups", "28,31"))
        return file_response(request, text.encode(), "image/svg+xml")

    def _well_known_file(self, request: Request, number: str) -> Response:
        files = [row for name in ("WellKnownFile", "CellFile") for row in self.models[name].rows]
        file = next((row for row in files if row["id"] == int(number)), None)
        if file is None:
            return Response(HTML_PAGE, 404, {"Content-Type": "text/html"})
        if file["path"].endswith(".json"):
            return Response({"th_inf": 0.03, "model": file["attachable_id"]})
        if file["path"].endswith(".swc"):
            rows = "".join(
                f"{n} {1 if n == 1 else 3} {n} 0 0 1 {n - 1 if n > 1 else -1}\n" for n in range(1, 50)
            )
            return file_response(request, rows.encode(), "text/plain")
        return file_response(request, f"content of {file['path']}\n".encode() * 1000)

    def _expression(self, request: Request, number: str) -> Response:
        volumes = {}
        for name in request.query.get("include", "energy").split(","):
            volumes[name] = allen_data.intensity(name, int(number), 200).copy()
            volumes[name][allen_data.annotation(200) == 0] = -1.0
        members = {"data_set.xml": f"<data-set><id>{number}</id></data-set>"}
        return file_response(request, _zip(volumes, members), "application/zip")

    def _projection(self, request: Request, number: str) -> Response:
        name = request.query.get("image", "projection_density").split(",")[0]
        resolution = int(request.query.get("resolution", 100))
        volume = allen_data.intensity(name, int(number), resolution)
        return file_response(request, _nrrd(volume, resolution))

    def _archive(self, request: Request, path: str) -> Response:
        file = re.search(r"(annotation|average_template|ara_nissl)_(\d+)\.nrrd$", path)
        mask = re.search(r"structure_masks_(\d+)/structure_(\d+)\.nrrd$", path)
        if mask:
            structures = allen_data.annotation(int(mask[1]))
            return file_response(
                request, _nrrd((structures == int(mask[2])).astype(np.uint8), int(mask[1]))
            )
        if file and file[1] == "annotation":
            return file_response(request, _nrrd(allen_data.annotation(int(file[2])), int(file[2])))
        if file:
            volume = allen_data.intensity(file[1], 1, int(file[2])) * 500
            return file_response(request, _nrrd(volume.astype(np.uint16), int(file[2])))
        atlas = re.search(r"mouse_annotation/\w+?_(\w+)\.zip$", path)
        if atlas:
            volume = allen_data.intensity(atlas[1], 1, 200)
            return file_response(request, _zip({atlas[1]: volume}, {}), "application/zip")
        if path.endswith(".obj"):
            return file_response(request, b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "text/plain")
        return Response(HTML_PAGE, 404, {"Content-Type": "text/html"})


_ROUTES: list[tuple[str, Callable[..., Response]]] = [
    (r"/api/v2/data/query\.(json|xml|csv)", AllenApp._query),
    (r"/api/v2/data/enumerate\.json", AllenApp._enumerate),
    (r"/api/v2/data\.json", AllenApp._schema),
    (r"/api/v2/data/(\w+)\.json", AllenApp._schema),
    (r"/api/v2/structure_graph_download/(\d+)\.json", AllenApp._graph),
    (r"/api/v2/tree_search/(Structure|Specimen)/(\d+)\.json", AllenApp._tree_search),
    (r"/api/v2/(?:compound_)?annotated_section_data_sets\.json", AllenApp._annotated),
    (r"/api/v2/(\w+_to_\w+)/(\d+)\.json", AllenApp._sync),
    (r"/api/v2/svg(?:_download)?/(\d+)", AllenApp._svg),
    (r"/api/v2/(?:\w+_)?image_download/(\d+)", AllenApp._image),
    (r"/api/v2/well_known_file_download/(\d+)", AllenApp._well_known_file),
    (r"/grid_data/download/(\d+)", AllenApp._expression),
    (r"/grid_data/download_file/(\d+)", AllenApp._projection),
    (r"/informatics-archive/(.+)", AllenApp._archive),
]


def _envelope(
    content: Any, begin: int, total: int, *, success: bool = True, num_rows: int | None = None
) -> Response:
    rows = (len(content) if success else 0) if num_rows is None else num_rows
    return Response(
        {
            "success": success,
            "id": 0,
            "start_row": begin,
            "num_rows": rows,
            "total_rows": total,
            "msg": content,
        }
    )


def _csv(rows: list[Record]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(
        {key: json.dumps(v) if isinstance(v, dict | list) else v for key, v in row.items()}
        for row in rows
    )
    return text.getvalue().encode()


def _zip(volumes: dict[str, Any], members: dict[str, str]) -> bytes:
    """Return volumes of 200 µm in MetaImage format, and other files, as a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, volume in volumes.items():
            archive.writestr(_member(f"{name}.mhd"), _mhd(name, volume.shape, 200))
            archive.writestr(_member(f"{name}.raw"), volume.astype("<f4").tobytes(order="F"))
        for name, text in members.items():
            archive.writestr(_member(name), text)
    return packed.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    # With a fixed date, the same data give the same bytes.
    return zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))


def _mhd(name: str, shape: tuple[int, ...], resolution: int) -> str:
    size = " ".join(map(str, shape))
    return (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        "CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\n"
        f"ElementSpacing = {resolution} {resolution} {resolution}\nDimSize = {size}\n"
        f"ElementType = MET_FLOAT\nElementDataFile = {name}.raw\n"
    )


def _nrrd(volume: Any, resolution: int) -> bytes:
    kinds = {
        "float32": "float",
        "uint32": "unsigned int",
        "uint16": "unsigned short",
        "uint8": "unsigned char",
    }
    size = " ".join(map(str, volume.shape))
    head = (
        f"NRRD0004\ntype: {kinds[str(volume.dtype)]}\ndimension: 3\nspace dimension: 3\nsizes: {size}\n"
        f"space directions: ({resolution},0,0) (0,{resolution},0) (0,0,{resolution})\n"
        "endian: little\nencoding: raw\nspace origin: (0,0,0)\n\n"
    )
    voxels: bytes = volume.tobytes(order="F")
    return head.encode() + voxels
