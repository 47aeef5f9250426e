"""Read and write tables and reconstructions; IDs and numbers stay exact."""

from pdneuro.files.edges import edge_pieces, read_edges
from pdneuro.files.formats import base_of, is_path, is_table, is_text, local_path, table_files
from pdneuro.files.neurons import id_name, read_neurons
from pdneuro.files.reading import column_names, first_rows, read_table, table_pieces
from pdneuro.files.reconstructions import read_swc, swc_contents, to_swc
from pdneuro.files.writing import writable, write_table

__all__ = [
    "base_of",
    "column_names",
    "edge_pieces",
    "first_rows",
    "id_name",
    "is_path",
    "is_table",
    "is_text",
    "local_path",
    "read_edges",
    "read_neurons",
    "read_swc",
    "read_table",
    "swc_contents",
    "table_files",
    "table_pieces",
    "to_swc",
    "writable",
    "write_table",
]
