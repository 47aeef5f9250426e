"""Files of volumes: units, axes, origin, byte order, labels, damaged files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro import allen, errors
from pdneuro.sandbox import Sandbox

pytest.importorskip("nrrd")
xarray = pytest.importorskip("xarray")

VALUES = np.arange(24, dtype=np.int32).reshape((2, 3, 4))
DIAGONAL = np.eye(3) * 25.0
#: Names of the axes of an array that is written to a file, and of those in the volume.
DIMS = ("ap", "dv", "lr")


def write_nrrd(path: Path, values: Any = VALUES, directions: Any = DIAGONAL, **header: Any) -> Path:
    def vector(row: Any) -> str:
        return f"({','.join(map(str, row))})"

    lines = {
        "type": "float"
        if values.dtype.name == "float32"
        else values.dtype.name.replace("float64", "double"),
        "dimension": 3,
        "sizes": " ".join(map(str, values.shape)),
        "endian": "big" if values.dtype.str[0] == ">" else "little",
        "encoding": "gzip",
    }
    if directions is not None:
        lines["space dimension"] = 3
        lines["space directions"] = " ".join(map(vector, np.asarray(directions, float).tolist()))
    for key, value in header.items():
        quoted = " ".join(f'"{word}"' if isinstance(word, str) else str(word) for word in value)
        lines[key.replace("_", " ")] = vector(value) if key == "space_origin" else quoted
    head = "".join(f"{key}: {value}\n" for key, value in lines.items())
    path.write_bytes(f"NRRD0005\n{head}\n".encode() + gzip.compress(values.tobytes(order="F")))
    return path


def write_mhd(path: Path, values: Any = VALUES, **header: Any) -> Path:
    kinds = {"int16": "MET_SHORT", "int32": "MET_INT", "float32": "MET_FLOAT", "uint32": "MET_UINT"}
    raw = path.with_suffix(".raw")
    raw.write_bytes(values.tobytes(order="F"))
    lines = {
        "NDims": 3,
        "DimSize": " ".join(map(str, values.shape)),
        "ElementSpacing": "25 25 25",
        "BinaryDataByteOrderMSB": values.dtype.byteorder == ">",
        "ElementType": kinds[values.dtype.newbyteorder("=").name],
        **header,
        "ElementDataFile": raw.name,
    }
    path.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))
    return path


class TestUnits:
    @pytest.mark.parametrize(
        ("unit", "size"),
        [
            ("um", 0.5),
            ("microns", 0.5),
            ("micrometer", 0.5),
            ("mm", 500.0),
            ("Millimetres", 500.0),
            ("nm", 0.0005),
            ("m", 500_000.0),
        ],
    )
    def test_a_stated_unit_counts(self, unit: str, size: float, tmp_path: Path) -> None:
        half = np.eye(3) * 0.5
        space = write_nrrd(tmp_path / "a.nrrd", directions=half, space_units=[unit] * 3)
        axes = write_nrrd(tmp_path / "b.nrrd", directions=None, spacings=[0.5] * 3, units=[unit] * 3)
        for file in (space, axes):
            volume = allen.read_volume(file)
            assert volume.attrs["resolution"] == pytest.approx(size)
            np.testing.assert_allclose(volume["lr"], (np.arange(4) + 0.5) * size)

    def test_axes_with_different_units(self, tmp_path: Path) -> None:
        file = write_nrrd(
            tmp_path / "a.nrrd",
            directions=np.diag([1.0, 500.0, 2.0]),
            space_units=["mm", "um", "nm"],
            space_origin=[2.0, 3.0, 4.0],
        )
        volume = allen.read_volume(file)
        assert volume.attrs["resolution"] == pytest.approx([1000.0, 500.0, 0.002])
        assert [float(volume[dim][0]) for dim in DIMS] == pytest.approx([2500.0, 253.0, 0.005])

    @pytest.mark.parametrize("unit", ["furlong", "s", "um/px"])
    def test_an_unknown_unit_is_an_error(self, unit: str, tmp_path: Path) -> None:
        file = write_nrrd(tmp_path / "a.nrrd", space_units=[unit] * 3)
        with pytest.raises(errors.InvalidVolumeError, match=f"a.nrrd states units.*{unit}"):
            allen.read_volume(file)

    @pytest.mark.parametrize(("spacing", "size"), [(0.025, 25.0), (25.0, 25.0), (1.0, 1.0)])
    def test_without_a_unit_tiny_voxels_are_in_millimeters(
        self, spacing: float, size: float, tmp_path: Path
    ) -> None:
        files = [
            write_nrrd(tmp_path / "a.nrrd", directions=np.eye(3) * spacing),
            write_mhd(tmp_path / "a.mhd", ElementSpacing=f"{spacing} {spacing} {spacing}"),
        ]
        for file in files:
            assert allen.read_volume(file).attrs["resolution"] == pytest.approx(size)

    def test_units_of_metaimage(self, tmp_path: Path) -> None:
        file = write_mhd(tmp_path / "a.mhd", DistanceUnits="mm", ElementSpacing="2 2 2", Offset="1 0 0")
        volume = allen.read_volume(file)
        assert volume.attrs["resolution"] == 2000.0
        assert volume["ap"].values.tolist() == [2000.0, 4000.0]

    def test_a_number_in_a_name_is_a_size_only_in_the_names_of_the_institute(
        self, tmp_path: Path
    ) -> None:
        known = write_nrrd(tmp_path / "annotation_50.nrrd", directions=None)
        assert allen.read_volume(known).attrs["resolution"] == 50.0
        for name in ("brain_2017.nrrd", "annotation_3.nrrd", "scan_100.nrrd"):
            file = write_nrrd(tmp_path / name, directions=None)
            with pytest.raises(errors.InvalidVolumeError, match=f"{name} does not contain the size"):
                allen.read_volume(file)


#: Each order and each combination of directions of three axes.
orders = st.permutations([0, 1, 2])
flips = st.tuples(*[st.sampled_from([1, -1])] * 3)


class TestAxes:
    @settings(max_examples=40)
    @given(
        order=orders,
        flip=flips,
        origin=st.none() | st.tuples(*[st.integers(-1000, 1000)] * 3),
        kind=st.sampled_from(["<i4", ">i4", "<f4", ">f4", "<u4", "<i2"]),
        mhd=st.booleans(),
    )
    def test_any_order_direction_origin_and_byte_order_is_read_back(
        self,
        order: list[int],
        flip: tuple[int, ...],
        origin: tuple[int, ...] | None,
        kind: str,
        mhd: bool,
        tmp_path: Path,
    ) -> None:
        spacing = np.array([10.0, 25.0, 50.0])
        # The file's axis j is the axis order[j] of the space, reversed if flip is -1.
        stored = VALUES.astype(kind)
        for axis in range(3):
            if flip[axis] < 0:
                stored = np.flip(stored, axis)
        first = np.array([(size - 1) * step if sign < 0 else 0.0 for size, step, sign in zip(VALUES.shape, spacing, flip, strict=True)])  # fmt: skip
        stored = stored.transpose(order)
        rows = np.zeros((3, 3))
        rows[range(3), order] = np.array(flip)[order]
        where = None if origin is None else first + origin
        if mhd and stored.dtype.newbyteorder("=").name in ("int16", "int32", "float32", "uint32"):
            header = {} if where is None else {"Offset": " ".join(map(str, where))}
            file = write_mhd(
                tmp_path / "v.mhd",
                np.ascontiguousarray(stored),
                TransformMatrix=" ".join(map(str, rows.ravel())),
                ElementSpacing=" ".join(map(str, spacing[order])),
                **header,
            )
        else:
            header = {} if where is None else {"space_origin": where}
            directions = rows * spacing[order][:, np.newaxis]
            file = write_nrrd(tmp_path / "v.nrrd", stored, directions, **header)
        volume = allen.read_volume(file)
        np.testing.assert_array_equal(volume.values, VALUES)
        assert volume.dtype.isnative
        assert volume.dtype == np.dtype(kind).newbyteorder("=")
        assert volume.attrs["resolution"] == spacing.tolist()
        corner = (0, 0, 0) if origin is None else origin
        for dim, size, step, start in zip(DIMS, VALUES.shape, spacing, corner, strict=True):
            np.testing.assert_allclose(volume[dim], start + (np.arange(size) + 0.5) * step)

    @pytest.mark.parametrize(
        "directions",
        [
            [[25, 5, 0], [0, 25, 0], [0, 0, 25]],
            [[25, 0, 0], [25, 0, 0], [0, 0, 25]],
            [[0, 0, 0], [0, 25, 0], [0, 0, 25]],
        ],
    )
    def test_oblique_and_repeated_axes_are_an_error(self, directions: Any, tmp_path: Path) -> None:
        with pytest.raises(
            errors.InvalidVolumeError, match=r"v.nrrd has .*axes.*\(0, 25, 0\)|\(25, 0, 0\)"
        ):
            allen.read_volume(write_nrrd(tmp_path / "v.nrrd", directions=directions))

    def test_points_are_looked_up_in_the_right_voxels(self, tmp_path: Path) -> None:
        flipped = write_nrrd(tmp_path / "v.nrrd", VALUES[::-1], np.diag([-25.0, 25.0, 25.0]))
        points = pd.DataFrame({"x": [10.0, 30.0], "y": 10.0, "z": 10.0})
        assert points.neuro.sample(allen.read_volume(flipped)).tolist() == [
            VALUES[0, 0, 0],
            VALUES[1, 0, 0],
        ]


@pytest.mark.parametrize("kind", [">i4", ">f4", ">u4"])
def test_values_of_the_other_byte_order_work_in_pandas(kind: str, tmp_path: Path) -> None:
    values = np.where(VALUES < 12, 385, 549).astype(kind)
    points = pd.DataFrame({"x": [10.0, 30.0, 30.0, 999.0], "y": 10.0, "z": 10.0})
    own = xarray.DataArray(values, allen.read_volume(write_nrrd(tmp_path / "v.nrrd")).coords, DIMS)
    for volume in (allen.read_volume(write_nrrd(tmp_path / "w.nrrd", values)), own):
        for part in (points, points.head(3)):
            found = part.neuro.sample(volume)
            assert found.value_counts().to_dict() == {549: 2, 385: 1}
            joined = part.assign(structure_id=found).merge(pd.DataFrame({"structure_id": [385], "n": 1}))
            assert len(joined) == 1


class TestLabels:
    """IDs in arrays get the same checks as columns."""

    def volume(self, values: Any, tmp_path: Path) -> Any:
        return allen.read_volume(write_nrrd(tmp_path / "labels.nrrd", values))

    def means(self, values: Any, tmp_path: Path) -> pd.DataFrame:
        labels = self.volume(values, tmp_path)
        return labels.copy(data=np.ones(labels.shape)).neuro.structure_means(labels)

    def test_floats_that_hold_no_exact_id(self, tmp_path: Path) -> None:
        values = np.full((2, 2, 2), 385, np.float32)
        values[1] = 614454277
        with pytest.raises(errors.PrecisionLossError, match=r"'labels' is float32.*\(1, 0, 0\)"):
            self.means(values, tmp_path)

    def test_labels_between_labels(self, tmp_path: Path) -> None:
        values = np.full((2, 2, 2), 385.0)
        values[0, 1, 0] = 385.5
        with pytest.raises(errors.InvalidIdError, match=r"385\.5 \(position \(0, 1, 0\)\)"):
            self.means(values, tmp_path)

    @pytest.mark.parametrize("kind", ["float32", "float64", ">f4", "uint64"])
    def test_small_whole_labels_work(self, kind: str, tmp_path: Path) -> None:
        values = np.full((2, 2, 2), 385).astype(kind)
        values[0, 0, 0] = np.nan if values.dtype.kind == "f" else 0
        assert self.means(values, tmp_path)["voxels"].to_dict() == {385: 7}

    def test_labels_beyond_int64(self, tmp_path: Path) -> None:
        values = np.full((2, 2, 2), 2**63 + 5, np.uint64)
        with pytest.raises(errors.InvalidIdError, match="9223372036854775813"):
            self.means(values, tmp_path)
        with pytest.raises(errors.InvalidIdError, match="9223372036854775813"):
            self.volume(values, tmp_path).neuro.at([[10.0, 10.0, 10.0]])


class TestDamagedFiles:
    def damaged(self, tmp_path: Path) -> dict[str, bytes]:
        whole = write_nrrd(tmp_path / "whole.nrrd").read_bytes()
        head, _, body = whole.partition(b"\n\n")
        return {
            "empty": b"",
            "header alone": head + b"\n\n",
            "no header": b"NRRD0005\n",
            "not compressed": head + b"\n\nService Unavailable",
            "truncated": whole[:-12],
            "fewer voxels": head + b"\n\n" + gzip.compress(gzip.decompress(body)[:-8]),
            "no sizes": whole.replace(b"sizes:", b"seizes:"),
            "unknown type": whole.replace(b"int32", b"int77").replace(b"type: int", b"type: imt"),
            "words for sizes": whole.replace(b"sizes: 2 3 4", b"sizes: a b c"),
        }

    def test_the_error_names_the_file(self, tmp_path: Path) -> None:
        for name, content in self.damaged(tmp_path).items():
            file = tmp_path / f"{name}.nrrd"
            file.write_bytes(content)
            with pytest.raises(errors.InvalidVolumeError, match=name):
                allen.read_volume(file)

    @pytest.mark.parametrize(
        "line",
        ["DimSize = 2 x 4", "ElementSpacing = 25 25", "ElementType = MET_OTHER", "Offset = a b c",
         "TransformMatrix = 1 0 0", "ElementDataFile = missing.raw", "ElementDataFile = other/x.raw"],
    )  # fmt: skip
    def test_the_error_names_the_header(self, line: str, tmp_path: Path) -> None:
        file = write_mhd(tmp_path / "v.mhd")
        key = line.split(" ")[0]
        lines = [old for old in file.read_text().splitlines() if not old.startswith(key)]
        file.write_text("\n".join([*lines, line, ""]))
        with pytest.raises(errors.InvalidVolumeError, match=r"v\.mhd"):
            allen.read_volume(file)

    def test_a_missing_header_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(errors.InvalidVolumeError, match=r"none\.mhd cannot be read: .*No such file"):
            allen.read_volume(tmp_path / "none.mhd")

    def test_compressed_voxels_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(errors.InvalidVolumeError, match=r"v\.raw is compressed.*Decompress it"):
            allen.read_volume(write_mhd(tmp_path / "v.mhd", CompressedData="True"))

    @pytest.mark.parametrize("shape", [(6, 4), (2, 3, 2, 2)])
    def test_another_number_of_dimensions_is_an_error(
        self, shape: tuple[int, ...], tmp_path: Path
    ) -> None:
        values, header = VALUES.reshape(shape), {"spacings": [25.0] * len(shape)}
        file = write_nrrd(tmp_path / "flat.nrrd", values, None, **header, dimension=[len(shape)])
        with pytest.raises(
            errors.InvalidVolumeError, match=rf"flat.nrrd has {len(shape)} dimensions, not"
        ):
            allen.read_volume(file)

    @pytest.mark.parametrize("directions", [None, [[25, 0], [0, 25], [25, 25]]])
    def test_a_space_of_two_dimensions_is_an_error(self, directions: Any, tmp_path: Path) -> None:
        header = {"space_dimension": [2], "space_origin": [0, 0], "spacings": [25.0] * 3}
        file = write_nrrd(tmp_path / "plane.nrrd", VALUES, None, **header)
        if directions is not None:
            whole = file.read_bytes().replace(
                b"spacings: 25.0 25.0 25.0", b"space directions: (25,0) (0,25) (25,25)"
            )
            file.write_bytes(whole)
        with pytest.raises(
            errors.InvalidVolumeError, match=r"plane\.nrrd has a space of another number"
        ):
            allen.read_volume(file)

    @pytest.mark.parametrize("content", [b"NRRD0005\n", b"NRRD0005\ntype: int\n\nService Unavailable"])
    def test_a_damaged_download_is_deleted_and_downloaded_again(
        self, content: bytes, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = allen.annotation_volume(100)
        cached = [file for file in sandbox_files() if file.name == "annotation_100.nrrd"]
        cached[0].write_bytes(content)  # such as an interrupted copy of the cache
        count = len(sandbox.requests)
        xarray.testing.assert_identical(allen.annotation_volume(100), good)
        assert len(sandbox.requests) == count + 1
        xarray.testing.assert_identical(allen.annotation_volume(100), good)
        assert len(sandbox.requests) == count + 1

    def test_a_damaged_response_is_not_cached(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from pdneuro.allen import send

        def damage(url: str, path: Path, *rest: Any) -> Path:
            saved = save(url, path, *rest)
            saved.write_bytes(b"NRRD0005\n")
            return saved

        save = send.save
        with monkeypatch.context() as patched:
            patched.setattr(send, "save", damage)
            with pytest.raises(errors.InvalidVolumeError, match=r"was deleted.*Run the call again"):
                allen.template_volume(100)
        assert allen.template_volume(100).shape == (12, 8, 10)


def sandbox_files() -> list[Path]:
    from pdneuro.transport.store import cache_folder

    return [file for file in cache_folder().rglob("*") if file.is_file()]


class TestNoData:
    GRID = np.array([-1, 1, 2, 3, -1, 5, 6, 7], np.float32).reshape((2, 2, 2), order="F")

    @pytest.mark.parametrize(
        "name",
        ["energy.mhd", "gene1_energy.mhd", "ENERGY.mhd", "energy_200.MHD", "Density-71717640.mhd"],
    )
    def test_minus_one_is_no_data_in_an_expression_grid(self, name: str, tmp_path: Path) -> None:
        volume = allen.read_volume(write_mhd(tmp_path / name, self.GRID))
        assert float(volume.mean()) == 4.0
        assert int(volume.isnull().sum()) == 2

    def test_another_name_warns(self, tmp_path: Path) -> None:
        file = write_mhd(tmp_path / "71717640.mhd", self.GRID)
        with pytest.warns(errors.NoDataWarning, match=r'71717640\.mhd.*name="energy"'):
            assert float(allen.read_volume(file).mean()) == 2.75
        assert float(allen.read_volume(file, "energy").mean()) == 4.0

    def test_other_negative_numbers_are_numbers(self, tmp_path: Path) -> None:
        file = write_mhd(tmp_path / "x.mhd", self.GRID - 1)
        assert float(allen.read_volume(file).min()) == -2.0
        mixed = np.where(self.GRID == 7, -3, self.GRID).astype(np.float32)
        assert sorted(allen.read_volume(write_mhd(tmp_path / "y.mhd", mixed)).values.flat)[:3] == [
            -3,
            -1,
            -1,
        ]
