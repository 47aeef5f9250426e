"""Volumes, images and other files of the Allen Institute; tables of its responses; saved results."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import allen, errors
from pdneuro.sandbox import Sandbox, allen_data
from pdneuro.sandbox import allen as allen_service
from pdneuro.sandbox.server import Request, Response
from pdneuro.tables.unionizes import RATIOS
from tests.conftest import shared


def leftovers(folder: Path) -> list[str]:
    """Return the files in a folder, without parts of downloads that can be resumed."""
    names = sorted(path.name for path in folder.rglob("*") if path.is_file())
    return [name for name in names if ".part" not in name]


# -- files -------------------------------------------------------------------------------------------

DOWNLOADS = {
    "section.jpg": lambda path: allen.ImageDownloadApi().download_section_image(70813258, path, downsample=2),
    "atlas.jpg": lambda path: allen.ImageDownloadApi().download_atlas_image(100960033, path),
    "projection.jpg": lambda path: allen.ImageDownloadApi().download_projection_image(5, path),
    "image.svg": lambda path: allen.SvgApi().download_svg(100960033, [28], path),
    "density.nrrd": lambda path: allen.MouseConnectivityApi().download_projection_density(path, 100140756, 100),
    "mask.nrrd": lambda path: allen.MouseConnectivityApi().download_structure_mask(385, None, 100, path),
    "mesh.obj": lambda path: allen.MouseConnectivityApi().download_structure_mesh(385, None, path),
    "cell.swc": lambda path: allen.CellTypesApi().save_reconstruction(318808427, path),
    "cell.nwb": lambda path: allen.CellTypesApi().save_ephys_data(318808427, path),
    "cell.marker": lambda path: allen.CellTypesApi().save_reconstruction_markers(318808427, path),
    "grid.zip": lambda path: allen.GridDataApi().download_expression_grid_data(5, ["energy", "density"], path),
    "aligned.zip": lambda path: allen.MouseConnectivityApi().download_reference_aligned_image_channel_volumes(
        100140756, path
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_file_exists_only_when_it_is_complete(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    path = DOWNLOADS[name](folder / name)
    assert path == folder / name
    assert path.stat().st_size > 20
    assert leftovers(folder) == [name]


@pytest.mark.parametrize("name", ["section.jpg", "density.nrrd", "image.svg"])
@pytest.mark.parametrize("fault", ["html", "status", "error", "empty"])
def test_an_invalid_response_is_not_saved_as_a_file(
    fault: str, name: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "html": {"html": True},
        "status": {"status": 404},
        "error": {"body": b'{"success": false, "msg": "no such image"}'},
        "empty": {"body": b""},
    }
    sandbox.fail(**kinds[fault])
    with pytest.raises(errors.ServiceError, match="URL"):
        DOWNLOADS[name](tmp_path / "out" / name)
    assert leftovers(tmp_path / "out") == []
    assert DOWNLOADS[name](tmp_path / "out" / name).exists()  # and the next call succeeds


def test_markup_is_not_an_image(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fail(body=b'<?xml version="1.0"?><Response success="false"><msg>no image</msg></Response>')
    with pytest.raises(errors.InvalidResponseError, match="no image"):
        DOWNLOADS["section.jpg"](tmp_path / "x.jpg")
    assert not (tmp_path / "x.jpg").exists()


ERROR = b'{"success": false, "id": 0, "start_row": 0, "num_rows": 0, "total_rows": 0, "msg": "no such image"}'
NO_DRAWINGS = {
    "json": (ERROR, "an error"),
    "other order": (b'{"msg": "no such image", "success": false}', "an error"),
    "xml": (b'<?xml version="1.0"?>\n<Response success="false"><msg>no</msg></Response>', "an error"),
    "empty": (b"", "empty"),
    "blank": (b"\xef\xbb\xbf \n", "empty"),
    "text": (b"no such image", "not an SVG drawing"),
    "other xml": (b"<?xml version='1.0'?><Response><svg/></Response>", "not an SVG drawing"),
    "truncated": (b"<?xml version='1.0'?><svg xmlns='x'><g><path d='M1 1'/></g>", "truncated"),
    "inside a tag": (b"<svg xmlns='x'><g><path d='M1", "truncated"),
}
DRAWINGS = [
    b"<?xml version='1.0'?><svg/>",
    b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- made by -->\n<!DOCTYPE svg PUBLIC "-//W3C" "svg.dtd" [<!ENTITY a "b">]>\n'
    b"<svg\nwidth='1'><path/></svg>\n<!-- end -->\n",
    b"<s:svg xmlns:s='x'><s:g></s:g></s:svg >",
]


@pytest.mark.parametrize("kind", NO_DRAWINGS)
def test_what_is_not_a_drawing_is_neither_returned_nor_saved(
    kind: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    body, words = NO_DRAWINGS[kind]
    api = allen.SvgApi()
    for call in (lambda: api.get_svg(5), lambda: api.download_svg(5, file_path=tmp_path / "5.svg")):
        sandbox.fail(body=body)
        with pytest.raises(errors.InvalidResponseError, match=words) as caught:
            call()
        assert "svg" in str(caught.value.url)
    assert not list(tmp_path.glob("*.svg*"))
    assert api.get_svg(5).startswith("<svg")  # the error was not cached
    assert len(sandbox.requests) == 3


@pytest.mark.parametrize("body", DRAWINGS)
def test_every_complete_drawing_is_returned_and_saved(
    body: bytes, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.fail(body=body, times=2)
    assert "svg" in allen.SvgApi().get_svg(5)
    assert allen.SvgApi().download_svg(5, file_path=tmp_path / "5.svg").read_bytes() == body


def test_a_truncated_download_resumes(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "density.nrrd"
    client = allen.MouseConnectivityApi()
    sandbox.fail(truncate=True)
    with pytest.raises(errors.TruncatedResponseError):
        client.download_projection_density(path, 100140756, 25)
    assert not path.exists()
    client.download_projection_density(path, 100140756, 25)
    assert sandbox.requests[-1].headers["range"].startswith("bytes=")
    volume = allen.read_volume(path)
    np.testing.assert_array_equal(
        volume.values, allen_data.intensity("projection_density", 100140756, 25)
    )
    assert not list(tmp_path.glob("*.part*"))


def test_files_have_the_names_of_allensdk(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    allen.ImageDownloadApi().download_section_image(70813258)
    allen.SvgApi().download_svg(5)
    allen.GridDataApi().download_projection_grid_data(100140756, "projection_density", 100)
    allen.GridDataApi().download_deformation_field(100140756)
    assert {"70813258.jpg", "5.svg", "100140756.nrrd", "100140756_dfmfld.mhd"} <= set(
        leftovers(tmp_path)
    )


def test_nothing_is_downloaded_offline(sandbox: Sandbox, tmp_path: Path) -> None:
    with pdneuro.set_options(offline=True), pytest.raises(errors.OfflineError, match=r"x\.jpg"):
        DOWNLOADS["section.jpg"](tmp_path / "x.jpg")


def test_a_folder_is_not_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidQueryError, match="is a folder"):
        DOWNLOADS["section.jpg"](tmp_path)
    assert not sandbox.requests


def test_an_archive_is_extracted_completely_or_not_at_all(sandbox: Sandbox, tmp_path: Path) -> None:
    grid = allen.GridDataApi()
    grid.download_gene_expression_grid_data(69816930, "energy", tmp_path / "a" / "x")
    assert leftovers(tmp_path / "a") == ["data_set.xml", "energy.mhd", "energy.raw"]
    sandbox.fail(body=b"PK\x03\x04 and then nothing")
    with pytest.raises(errors.InvalidResponseError, match="not a zip archive"):
        grid.download_gene_expression_grid_data(69816930, "density", tmp_path / "b" / "x")
    assert leftovers(tmp_path / "b") == []


def test_an_archive_cannot_write_outside_its_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    wicked = tmp_path / "w.zip"
    with zipfile.ZipFile(wicked, "w") as archive:
        archive.writestr("../outside.txt", "x")
    sandbox.fail(body=wicked.read_bytes())
    with pytest.raises(errors.InvalidResponseError, match="outside its folder"):
        allen.GridDataApi().download_gene_expression_grid_data(5, "energy", tmp_path / "in" / "x")
    assert not (tmp_path / "outside.txt").exists()


def test_all_files_of_a_model(sandbox: Sandbox, tmp_path: Path) -> None:
    client = allen.BiophysicalApi()
    manifest = client.cache_data(472299294, tmp_path)
    told = json.loads(manifest.read_text())
    assert manifest.read_text().count("\n") > 10  # people read it
    assert told["biophys"][0]["model_type"] == "Biophysical - all active"
    assert told["runs"][0]["sweeps"] == [2, 3]
    assert (tmp_path / "modfiles" / "Ca.mod").exists()
    assert (tmp_path / "318808428.nwb").exists()
    count = len(sandbox.requests)
    client.cache_data(472299294, tmp_path)  # all files exist
    assert len(sandbox.requests) == count
    with pytest.raises(errors.NotFoundError):
        client.cache_data(5, tmp_path)


@pytest.mark.parametrize(
    "view",
    [
        {"views": "projection"},
        {"view": "back"},
        {"downsample": 1.5},
        {"colormap": (0.5, "pink")},
        {"range": [0, np.nan]},
    ],
)
def test_views_are_checked(view: dict[str, Any], sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidQueryError):
        allen.ImageDownloadApi().download_section_image(5, tmp_path / "x.jpg", **view)
    assert not sandbox.requests


# -- volumes -----------------------------------------------------------------------------------------


def test_volumes_have_axes_in_micrometres(sandbox: Sandbox) -> None:
    energy = allen.grid_data(69816930, "energy")
    assert energy.dims == ("ap", "dv", "lr")
    assert energy["ap"].values.tolist() == [100, 300, 500, 700, 900, 1100]
    assert energy["dv"].attrs["units"] == "µm"
    outside = allen_data.annotation(200) == 0
    np.testing.assert_array_equal(np.isnan(energy.values), outside)
    expected = allen_data.intensity("energy", 69816930, 200)
    np.testing.assert_array_equal(energy.values[~outside], expected[~outside])
    annotation = allen.annotation_volume(50)
    assert annotation.dtype == np.uint32
    assert annotation.shape == (24, 16, 20)
    assert int(annotation.max()) == 614454277
    assert allen.template_volume(100).attrs["resolution"] == 100
    count = len(sandbox.requests)
    with pdneuro.set_options(offline=True):
        allen.grid_data(69816930, "energy")
        allen.annotation_volume(50)
    assert len(sandbox.requests) == count
    with pytest.raises(errors.InvalidQueryError):
        allen.grid_data(69816930, "energies")
    with pytest.raises(errors.InvalidQueryError, match="10, 25, 50 or 100"):
        allen.annotation_volume(30)


def test_values_at_points(sandbox: Sandbox) -> None:
    annotation = allen.annotation_volume(25)
    rng = np.random.default_rng(0)
    points = pd.DataFrame(
        rng.uniform(-100, 1300, (500, 3)), columns=["x", "y", "z"], index=range(500, 1000)
    )
    points.loc[505, "y"] = np.nan
    found = annotation.neuro.at(points)
    assert found.index.equals(points.index)
    known = allen_data.annotation(25)
    for label, point in points.iterrows():
        place = np.floor(point.to_numpy() / 25)
        inside = not np.isnan(place).any() and ((place >= 0) & (place < known.shape)).all()
        assert (found[label] == known[tuple(place.astype(int))]) if inside else pd.isna(found[label])
    assert str(found.dtype) == "Int64"
    named = points.rename(columns=dict(zip("xyz", ("lr", "ap", "dv"), strict=True)))
    turned = annotation.transpose("lr", "ap", "dv")
    sampled = named.neuro.sample(turned, columns=("lr", "ap", "dv"))
    pd.testing.assert_series_equal(sampled, found)
    assert annotation.neuro.at(np.array([[150, 450, 450]])).tolist() == [385]
    exact = annotation.neuro.at(points.clip(100, 700))
    assert exact.drop(505).notna().all()
    with pytest.raises(errors.MissingColumnsError, match="'w'"):
        annotation.neuro.at(pd.DataFrame({"x": [1], "w": [1]}))
    with pytest.raises(errors.InvalidVolumeError, match="dims"):
        xr.DataArray(np.zeros((2, 2)), dims=("a", "b")).neuro.at(points)
    for wrong in ("annotation", pd.DataFrame()):
        with pytest.raises(errors.InvalidVolumeError, match=r"xarray\.DataArray"):
            points.neuro.sample(wrong)
    with pytest.raises(errors.InvalidVolumeError, match="column 'y'"):
        annotation.neuro.at(points.assign(y="north"))
    with pytest.raises(errors.InvalidVolumeError, match="not evenly spaced"):
        annotation.isel(ap=[0, 1, 5]).neuro.at(points)


@pytest.mark.parametrize("resolution", [25, 100])
def test_means_by_structure(resolution: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdneuro.tables.volumes._SLAB", 100)
    density = allen.projection_data(100140756, resolution=resolution)
    annotation = allen.annotation_volume(resolution)
    means = density.neuro.structure_means(annotation)
    for number, row in means.iterrows():
        chosen = density.values[annotation.values == number]
        assert row["voxels"] == len(chosen)
        assert row["mean"] == pytest.approx(chosen.mean(dtype=np.float64))
    assert 0 not in means.index
    assert 614454277 in means.index
    # In another resolution, each voxel has the structure at its center.
    finer = density.neuro.structure_means(allen.annotation_volume(25))
    pd.testing.assert_frame_equal(finer, means)
    tree = allen.structure_tree()
    above = density.neuro.structure_means(annotation, tree=tree, to=["CTX", "BS"])
    parts = means.loc[[385, 382]]
    expected = (parts["mean"] * parts["voxels"]).sum() / parts["voxels"].sum()
    assert above.loc[688, "mean"] == pytest.approx(expected)
    assert (
        density.neuro.structure_means(annotation, tree=tree).loc[997, "voxels"] == means["voxels"].sum()
    )


def test_missing_values_do_not_count_in_means(sandbox: Sandbox) -> None:
    energy = allen.grid_data(69816930)
    annotation = allen.annotation_volume(100)
    whole = energy.neuro.structure_means(annotation)
    means = energy.where(energy["ap"] > 500).neuro.structure_means(annotation)
    assert means["mean"].notna().all()
    assert (means["voxels"] <= whole["voxels"].reindex(means.index)).all()
    assert 0 < means["voxels"].sum() < whole["voxels"].sum()
    # Missing values give the same means as missing voxels.
    half = energy.isel(ap=energy["ap"].to_numpy() > 500).neuro.structure_means(annotation)
    pd.testing.assert_frame_equal(means, half)


def test_invalid_volumes_are_rejected(sandbox: Sandbox, tmp_path: Path) -> None:
    allen.GridDataApi().download_gene_expression_grid_data(5, "density", tmp_path / "x")
    header, voxels = tmp_path / "density.mhd", tmp_path / "density.raw"
    assert allen.read_volume(header).name == "density"
    full = voxels.read_bytes()
    voxels.write_bytes(full[:-5])
    with pytest.raises(errors.InvalidVolumeError, match="truncated"):
        allen.read_volume(header)
    voxels.unlink()
    with pytest.raises(errors.InvalidVolumeError, match="cannot be read"):
        allen.read_volume(header)
    header.write_text("nothing = here")
    with pytest.raises(errors.InvalidVolumeError, match="DimSize"):
        allen.read_volume(header)
    (tmp_path / "x.nrrd").write_text("no volume")
    with pytest.raises(errors.InvalidVolumeError, match="NRRD"):
        allen.read_volume(tmp_path / "x.nrrd")


def test_big_endian_volumes(sandbox: Sandbox, tmp_path: Path) -> None:
    values = np.arange(24, dtype=">i2").reshape((2, 3, 4), order="F")
    (tmp_path / "v.raw").write_bytes(values.tobytes(order="F"))
    (tmp_path / "v.mhd").write_text(
        "NDims = 3\nElementByteOrderMSB = True\nDimSize = 2 3 4\nElementType = MET_SHORT\n"
        "ElementSpacing = 25 25 50\nElementDataFile = v.raw\n"
    )
    volume = allen.read_volume(tmp_path / "v.mhd")
    np.testing.assert_array_equal(volume.values, values)
    assert volume["lr"].values.tolist() == [25, 75, 125, 175]
    assert volume.attrs["resolution"] == [25, 25, 50]


def test_without_pynrrd_the_error_names_the_extra(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nrrd", None)
    with pytest.raises(errors.MissingDependencyError, match=r"pdneuro\[volumes\]"):
        allen.annotation_volume(100)


# -- tables ------------------------------------------------------------------------------------------


def test_cells_with_their_features(sandbox: Sandbox) -> None:
    table = allen.cells()
    assert table["specimen__id"].is_unique
    assert len(table) == 5
    assert table["ephys_tau"].notna().all()
    assert table["morphology_number_stems"].notna().sum() == 3
    assert not table["structure__name"].str.contains('"').any()
    joined = table.neuro.join_structures("acronym", on="structure__id")
    assert joined["structure_acronym"].notna().tolist() == [True, True, True, False, False]
    assert "ephys_tau" not in allen.cells(ephys=False).columns
    assert len(allen.cells(species="human", ephys=False, morphology=False)) == 2
    with pytest.raises(errors.InvalidQueryError, match="'rat'"):
        allen.cells(species=["mouse", "rat"])


class Without(allen_service.AllenApp):
    """A service without rows of some classes."""

    def __init__(self, *classes: str) -> None:
        super().__init__()
        self.classes = classes

    def __call__(self, request: Request) -> Response:
        """Return the response to a request."""
        response = super().__call__(request)
        if any(f"model::{name}," in request.query.get("q", "") for name in self.classes):
            response.body |= {"msg": [], "num_rows": 0, "total_rows": 0}
        return response


@pytest.mark.parametrize(
    ("absent", "lost", "kept"),
    [("NeuronReconstruction", "morphology_", "ephys_tau"), ("EphysFeature", "ephys_", "morphology_id")],
)
def test_cells_that_have_features_of_one_kind(
    absent: str, lost: str, kept: str, sandbox: Sandbox
) -> None:
    sandbox.allen = Without(absent)
    table = allen.cells()
    assert table[kept].notna().any()
    assert not [name for name in table.columns if name.startswith(lost)]


@pytest.mark.parametrize("species", [None, "human"])
def test_no_cells_are_an_empty_table(species: str | None, sandbox: Sandbox) -> None:
    full = allen.cells()
    pdneuro.cache.clear()
    sandbox.allen = Without("ApiCellTypesSpecimenDetail")
    table = allen.cells(species=species)
    assert table.empty
    assert {"specimen__id", "structure__name", "csl__x", "ephys_tau", "morphology_id"} < {*table.columns}
    assert {*table.columns} < {*full.columns}
    assert table["specimen__id"].dtype == full["specimen__id"].dtype
    assert table["structure__name"].dtype == full["structure__name"].dtype


def test_experiments_by_site_and_line(sandbox: Sandbox) -> None:
    found = allen.experiments("Isocortex")
    assert found["data_set_id"].tolist() == [100140756, 100140949, 126862385, 112670853, 127089669]
    assert allen.experiments("VISp", transgenic_line=True)["transgenic_line_name"].tolist() == [
        "Cux2-IRES-Cre"
    ]
    assert allen.experiments(["TH", 985])["data_set_id"].tolist() == [112670853, 180296424]
    assert len(allen.experiments(transgenic_line="Rbp4-Cre_KL100")) == 1
    assert len(allen.experiments("root", primary_only=False)) == 6
    with pytest.raises(errors.UnknownStructureError):
        allen.experiments("Nowhere")


def rows(**how: Any) -> pd.DataFrame:
    return allen.MouseConnectivityApi().get_structure_unionizes(
        [100140756, 112670853, 180296424], is_injection=False, **how
    )


def test_unionizes_as_a_matrix(sandbox: Sandbox) -> None:
    table = rows()
    with pytest.raises(errors.AmbiguousColumnError, match="hemisphere=3"):
        allen.projection_matrix(table)
    matrix = allen.projection_matrix(table, hemisphere=3)
    one = table.query("section_data_set_id == 112670853 and structure_id == 549 and hemisphere_id == 3")
    assert matrix.loc[112670853, 549] == one["projection_density"].item()
    array = allen.projection_array(table, "projection_volume", hemisphere=2)
    assert array.sel(experiment_id=180296424, structure_id=385).item() > 0
    assert array["acronym"].sel(structure_id=385).item() == "VISp"
    with pytest.raises(errors.MissingColumnsError, match="'density'"):
        allen.projection_matrix(table, "density")
    twice = pd.concat([table.query("hemisphere_id == 3")] * 2)
    with pytest.raises(errors.AmbiguousColumnError, match="repeat"):
        allen.projection_matrix(twice)


@pytest.mark.parametrize(
    "value", ["projection_density", "projection_volume", "projection_energy", "projection_intensity"]
)
def test_roll_up_counts_nothing_twice(value: str, sandbox: Sandbox) -> None:
    table = rows(hemisphere_ids=3)
    whole = allen.projection_matrix(table, value, rollup=["Isocortex", "TH", "VIS"])
    assert whole.columns.tolist() == [315, 669, 549]  # graph order
    # If the members have rows, these count, whatever rows are below them.
    plain = allen.projection_matrix(table, value)
    pd.testing.assert_frame_equal(whole, plain[[315, 669, 549]], check_names=False)
    # Without them, the sums of their parts are the same, also if parts of parts are in the table.
    tree = allen.structure_tree()
    under = pd.Series(tree.frame["id"]).neuro.is_under([315, 549], include_self=False)
    parts = table[table["structure_id"].isin(tree.frame["id"][under])]
    rebuilt = allen.projection_matrix(parts, value, rollup=["Isocortex", "TH"])
    np.testing.assert_allclose(rebuilt.to_numpy(float), whole[[315, 549]].to_numpy(float))
    with pytest.raises(errors.InvalidQueryError, match="cannot be summed"):
        allen.projection_matrix(table, "max_voxel_x", rollup=["TH"])


def test_unionizes_as_edges(sandbox: Sandbox) -> None:
    found = allen.experiments("Isocortex")
    table = allen.MouseConnectivityApi().get_structure_unionizes(
        found["data_set_id"], is_injection=False, hemisphere_ids=3
    )
    edges = allen.projection_edges(table, found)
    assert list(edges.columns) == ["pre", "post", "projection_density", "n_experiments"]
    assert edges["pre"].dtype == edges["post"].dtype == np.int64
    visp = edges.query("pre == 385 and post == 549")
    mean = table[
        table["section_data_set_id"].isin([100140756, 100140949, 126862385])
        & (table["structure_id"] == 549)
    ]
    assert visp["projection_density"].item() == pytest.approx(mean["projection_density"].mean())
    assert visp["n_experiments"].item() == 3
    rolled = allen.projection_edges(table, found, "projection_volume", rollup=["Isocortex", "TH"])
    assert rolled[["pre", "post"]].to_numpy().tolist() == [[315, 315], [315, 549]]
    with pytest.raises(errors.MissingColumnsError, match="100140756"):
        allen.projection_edges(table, found.iloc[1:])


def test_real_unionizes_are_ratios_of_their_sums() -> None:
    table = pd.read_csv(shared("allen/unionizes_sample.csv"))
    for value, (top, bottom) in RATIOS.items():
        known = table[table[bottom] > 0]
        np.testing.assert_allclose(known[top] / known[bottom], known[value], rtol=2e-2, atol=1e-6)


# -- the cache ---------------------------------------------------------------------------------------

FORMATS = ["csv", "json", "parquet"]


def wild() -> pd.DataFrame:
    """Return a table with all values and dtypes that CSV files lose."""
    return pd.DataFrame(
        {
            "color": ["019399", "0E9684", None],
            "tag": pd.array(["NA", "", None], "string"),
            "parent": pd.array([None, 997, 614454277], "Int64"),
            "big": np.array([2**64 - 1, 0, 1], "uint64"),
            "share": [0.1, np.nan, -0.0],
            "Share": pd.array([0.1, None, 1e300], "Float64"),
            "single": np.array([0.1, np.inf, -1], "float32"),
            "yes": pd.array([True, None, False], "boolean"),
            "sets": [[{"id": 2, "name": "Mouse \N{EN DASH} Coarse"}], [], None],
            "mixed": [1, "1", np.nan],
            "when": pd.to_datetime(["2020-02-03 04:05:06.000007", None, "1999-01-01 00:00:00.5"], utc=True).tz_convert("Asia/Tokyo"),
            "day": pd.to_datetime(["2020-01-01", None, None]),
            "long": pd.to_timedelta([1, None, 3], unit="s"),
            "kind": pd.Categorical(["b", None, "a"], categories=["b", "a", "c"], ordered=True),
            "text": ["a\r\nb", 'with "quotes", commas', "<NA>"],
        },
        index=pd.Index([3, 1, 2], name="structure"),
    )  # fmt: skip


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(
    "change",
    [
        lambda table: table,
        lambda table: table.reset_index(drop=True),
        lambda table: table.set_index(pd.RangeIndex(1, len(table) + 1)),
        lambda table: table.set_index(["color", "parent"]),
        lambda table: table.reset_index(drop=True).iloc[:0],
        lambda table: table[[]],
        lambda table: table.T.iloc[:0].T,
        lambda table: table[["share"]].rename(columns={"share": 5}),
        lambda table: pd.DataFrame(),
    ],
)
def test_a_saved_result_is_read_back_unchanged(change: Any, fmt: str, tmp_path: Path) -> None:
    table = change(wild())
    table.attrs = {"pdneuro": {"source": "allen", "times": [1]}}
    cache = allen.Cache(tmp_path)
    cache.to_cache(table, f"x.{fmt}")
    read = cache.read(f"x.{fmt}")
    pd.testing.assert_frame_equal(read, table, check_exact=True)
    assert [type(cell) for cell in read.get("mixed", [])] == [
        type(cell) for cell in table.get("mixed", [])
    ]
    assert read.attrs == table.attrs
    assert not list(tmp_path.glob(".*"))


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("fmt", FORMATS)
@settings(max_examples=40, deadline=None)
@given(cells=st.lists(CELLS, min_size=1, max_size=6), texts=st.lists(st.text(), min_size=6, max_size=6))
@example(cells=[None, ""], texts=[""] * 6)
def test_any_cells_are_read_back_unchanged(
    fmt: str, cells: list[Any], texts: list[str], tmp_path: Path
) -> None:
    table = pd.DataFrame(
        {"cell": pd.Series(cells, dtype=object), "text": pd.Series(texts[: len(cells)], dtype=object)}
    )
    cache = allen.Cache(tmp_path)
    cache.to_cache(table, f"x.{fmt}")
    read = cache.read(f"x.{fmt}")
    for name in table:
        assert [(type(a), repr(a)) for a in read[name]] == [(type(b), repr(b)) for b in table[name]]


@pytest.mark.parametrize(
    "cell", [(1, 2), {1: 2}, {"a": np.int64(1)}, pd.Timestamp("2020-01-01"), object()]
)
def test_a_result_that_would_change_is_not_saved(cell: Any, tmp_path: Path) -> None:
    table = pd.DataFrame({"fine": [1], "cell": pd.Series([cell], dtype=object)})
    with pytest.raises(errors.CacheError, match="column 'cell'"):
        allen.Cache(tmp_path).to_cache(table, "x.csv")
    assert not list(tmp_path.glob("*x.csv*"))


def test_the_error_names_the_column_and_a_format_that_keeps_it(tmp_path: Path) -> None:
    cache = allen.Cache(tmp_path)
    table = pd.DataFrame({"fine": [1, 2], "bins": pd.interval_range(0, 2)})
    with pytest.raises(errors.CacheError, match=r"^column 'bins' .* by \.csv\. Use \.parquet\.$"):
        cache.to_cache(table, "x.csv")
    cache.to_cache(table, "x.parquet")
    pd.testing.assert_frame_equal(cache.read("x.parquet"), table)
    repeated = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(errors.CacheError, match=r"names .* by \.parquet\. Use \.csv, \.json\.$"):
        cache.to_cache(repeated, "y.parquet")
    cache.to_cache(repeated, "y.csv")
    pd.testing.assert_frame_equal(cache.read("y.csv"), repeated)
    assert not list(tmp_path.glob("x.csv*"))


@pytest.mark.parametrize("fmt", FORMATS)
def test_wrapping_a_call(fmt: str, sandbox: Sandbox, tmp_path: Path) -> None:
    cache, client = allen.Cache(tmp_path), allen.RmaApi()
    how = {
        "model": "Structure",
        "criteria": "[graph_id$eq1]",
        "num_rows": "all",
        "include": "structure_sets",
    }
    asked = cache.wrap(client.model_query, f"s.{fmt}", **how)
    count = len(sandbox.requests)
    read = cache.wrap(client.model_query, f"s.{fmt}", cache=False, **how)
    pd.testing.assert_frame_equal(read, asked)
    assert read["color_hex_triplet"].tolist()[-1] == "0E9684"
    assert len(sandbox.requests) == count
    # Another call does not read this file.
    with pytest.raises(errors.CacheError, match="another call"):
        cache.wrap(client.model_query, f"s.{fmt}", cache=False, **{**how, "num_rows": 5})
    assert len(cache.wrap(client.model_query, f"s.{fmt}", **{**how, "num_rows": 5})) == 5
    shaped = cache.wrap(
        client.model_query,
        f"t.{fmt}",
        True,
        index="number",
        rename=[("number", "id")],
        model="Hemisphere",
    )
    assert shaped.index.tolist() == [1, 2, 3]
    records = cache.wrap(client.model_query, f"t.{fmt}", return_dataframe=False, model="Hemisphere")
    assert records[0]["symbol"] == "L"


def test_a_wrapped_call_may_return_something_else_than_a_table(sandbox: Sandbox, tmp_path: Path) -> None:
    cache, call = allen.Cache(tmp_path), allen.RmaApi().load_api_schema
    found = cache.wrap(call, "schema", index="id", rename=[("number", "id")])
    assert found == call()
    assert cache.wrap(call, "schema.json", cache=False) == found
    count = len(sandbox.requests)
    sets = allen.OntologiesApi().get_structure_sets
    table = cache.wrap(sets, "sets", save_as_json=False)
    pd.testing.assert_frame_equal(cache.wrap(sets, "sets.csv", cache=False), table)
    assert len(sandbox.requests) == count + 1
    with pytest.raises(errors.CacheError, match="schema should end in"):
        cache.read("schema")


def test_decorated_functions(sandbox: Sandbox, tmp_path: Path) -> None:
    calls = []

    @allen.cacheable("json", folder=tmp_path)
    def squares(numbers: Any, *, power: int = 2) -> list[int]:
        calls.append(power)
        return [int(n) ** power for n in numbers]

    assert squares([1, 2]) == squares(np.array([1, 2])) == squares(pd.Series([1, 2])) == [1, 4]
    assert squares([1, 2], power=3) == [1, 8]
    assert calls == [2, 3]
    with pytest.raises(errors.CacheError, match="the format is csv, json, parquet, not 'xlsx'"):
        allen.cacheable("xlsx", folder=tmp_path)
    assert squares([1, 2], to_cache=True) == [1, 4]
    assert calls == [2, 3, 2]
    with pytest.raises(errors.CacheError, match="does not exist"):
        squares([5], to_cache=False)
    # The default folder is in the cache folder.
    kept = allen.cacheable()(allen.OntologiesApi().get_structures)
    assert len(kept(1)) == len(kept(1, to_cache=False)) == 40
    assert list(
        Path(pdneuro.get_options()["cache_dir"]).glob("tables/OntologiesApi_get_structures-*.parquet")
    )


def test_a_call_with_a_table_is_known_by_the_content_of_the_table(tmp_path: Path) -> None:
    calls = []

    @allen.cacheable("json", folder=tmp_path)
    def names(table: pd.DataFrame) -> list[str]:
        calls.append(table)
        return list(table.columns) + table.iloc[:, 0].map(str).tolist()

    # The text of a long table leaves out the rows in the middle.
    table = pd.DataFrame({"id": range(1000), "sets": "a"})
    nested, other = (
        table.assign(sets=[[{"id": n if row == 500 else 0}] for row in range(1000)]) for n in (1, 2)
    )
    swapped = table.replace({"id": {500: 501, 501: 500}})
    tables = [table, table.rename(columns={"id": "number"}), swapped, table.iloc[::-1], nested, other]
    for each in tables:
        found = names(each)
        assert names(each.copy()) == found == list(each.columns) + each.iloc[:, 0].map(str).tolist()
    assert len(calls) == len(tables)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("a file")
    with pytest.raises(errors.CacheError, match=r"note.x\.json cannot be written: "):
        allen.Cache(tmp_path / "note").to_cache([1], "x.json")


def test_damaged_and_foreign_cache_files(tmp_path: Path) -> None:
    cache = allen.Cache(tmp_path)
    for fmt in FORMATS:
        path = cache.to_cache(wild(), f"x.{fmt}")
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(errors.CacheError, match=r"x\."):
            cache.read(path)
    written = cache.to_cache(wild(), "x.json").read_text()
    (tmp_path / "x.json").write_text(re.sub('"pdneuro": [0-9]+', '"pdneuro": 0', written, count=1))
    with pytest.raises(errors.CacheError, match="the version of the file differs"):
        cache.read("x.json")
    (tmp_path / "y.csv").write_text("a,b\n1,2\n")
    with pytest.raises(errors.CacheError, match=r"file y\.csv\.json, .* is missing"):
        cache.read("y.csv")
    (tmp_path / "y.json").write_text("[1]")
    with pytest.raises(errors.CacheError, match="not written by pdneuro"):
        cache.read("y.json")
    with pytest.raises(errors.CacheError, match="should end in"):
        cache.read("y.xlsx")
    with pytest.raises(errors.CacheError, match=r"name the file \.json"):
        cache.to_cache([1], "z.csv")
    assert cache.read(cache.to_cache({"a": [1, None, "x"]}, "z.json")) == {"a": [1, None, "x"]}
    with pytest.raises(errors.CacheError, match="as JSON"):
        cache.to_cache({1: 2}, "z.json")
