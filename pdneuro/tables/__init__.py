"""Pure functions on DataFrames: no network, no files."""

from pdneuro.tables.annotation import annotate
from pdneuro.tables.collapse import collapse
from pdneuro.tables.columns import explode, flatten, from_records
from pdneuro.tables.completeness import completeness
from pdneuro.tables.coordinates import coordinate_array
from pdneuro.tables.edges import as_edges
from pdneuro.tables.ids import distinct_ids
from pdneuro.tables.morphology import cable_length, morphology, path_distance
from pdneuro.tables.pairs import degree, motifs, reciprocal
from pdneuro.tables.roles import exact_ids
from pdneuro.tables.skeletons import check
from pdneuro.tables.thresholds import threshold
from pdneuro.tables.transmitters import top_nt
from pdneuro.tables.volumes import at, sample, structure_means
from pdneuro.tables.weights import fractions, sign

__all__ = [
    "annotate",
    "as_edges",
    "at",
    "cable_length",
    "check",
    "collapse",
    "completeness",
    "coordinate_array",
    "degree",
    "distinct_ids",
    "exact_ids",
    "explode",
    "flatten",
    "fractions",
    "from_records",
    "morphology",
    "motifs",
    "path_distance",
    "reciprocal",
    "sample",
    "sign",
    "structure_means",
    "threshold",
    "top_nt",
]
