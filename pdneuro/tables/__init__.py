"""Pure functions on frames, no I/O: exact IDs, column roles, edge tables, joins, provenance."""

from pdneuro.tables.edges import as_edges, collapse, threshold
from pdneuro.tables.ids import distinct_ids, exact_ids

__all__ = ["as_edges", "collapse", "distinct_ids", "exact_ids", "threshold"]
