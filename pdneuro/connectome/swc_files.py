"""Files in SWC format as a source of skeletons: one file per segment, named by its ID."""

from __future__ import annotations

import os
import re

import numpy as np
import pandas as pd

from pdneuro.errors import InvalidQueryError, InvalidSwcError
from pdneuro.files import local_path, swc_contents
from pdneuro.options import Fetch
from pdneuro.tables import skeletons, swc
from pdneuro.tables.ids import Int64Array
from pdneuro.transport.report import FOUND, UNKNOWN, Answers, add


class SwcFiles:
    """Files in SWC format. The ID of a file is its name, or the longest number in its name.

    Parameters
    ----------
    path : path
        A folder, a file, an archive (.zip), or a pattern such as ``"cells/*.swc"``.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = local_path(path)
        if not self._path.exists() and not re.search(r"[*?[]", str(path)):
            raise FileNotFoundError(f"the folder or file {self._path} does not exist.")

    @property
    def name(self) -> str:
        """Name of the source in messages and provenance."""
        return f"swc:{self._path.name}"

    def skeletons(self, ids: Int64Array, *, generate: bool, fetch: Fetch) -> pd.DataFrame:
        """Return the node table of the IDs that have a file, in the unit of the files."""
        if generate:
            raise InvalidQueryError(
                f"generate=True starts skeletons on a server, and {self.name} consists of files."
            )
        wanted = set(ids.tolist())
        files: dict[int, str] = {}
        tables: dict[int, pd.DataFrame] = {}
        for file, content in swc_contents(self._path, lambda name: _id_of(name) in wanted):
            number = _id_of(file)
            if (
                number is None or number not in wanted
            ):  # the only file, whose name is not that of an SWC file
                continue
            if number in files:
                raise InvalidSwcError(
                    f"two files in {self._path} are of the segment {number}: {files[number]} and "
                    f"{file}. Keep one of them."
                )
            files[number] = file
            tables[number] = swc.parse(content, str(number))
        answers = Answers(ids, "skeleton", self.name, hint="There is no file with such a name.")
        answers.status = np.where(np.isin(ids, list(files)), FOUND, UNKNOWN).astype(np.int8)
        answers.details.update(files)
        add(answers)
        found = [number for number in ids.tolist() if number in files]
        return skeletons.joined([tables[number] for number in found], found)


def _id_of(file: str) -> int | None:
    """Return the ID in the name of a file: its longest number, None if there is not one.

    >>> _id_of("720575940600033527.swc"), _id_of("cell_720575940600033527_v783.swc.gz")
    (720575940600033527, 720575940600033527)
    >>> _id_of("10_20.swc") is None
    True
    """
    numbers = sorted(re.findall(r"\d+", swc.neuron_name(file)), key=len)
    if not numbers or (len(numbers) > 1 and len(numbers[-1]) == len(numbers[-2])):
        return None
    return int(numbers[-1])
