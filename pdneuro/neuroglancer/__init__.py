"""Write links that show segments, points and lines in Neuroglancer, and read them from a link."""

from pdneuro.neuroglancer.annotations import MAX_ANNOTATIONS
from pdneuro.neuroglancer.read import LinkTables, link_tables, read_link
from pdneuro.neuroglancer.states import SCENES, Scene
from pdneuro.neuroglancer.write import MAX_SEGMENTS, link

__all__ = [
    "MAX_ANNOTATIONS",
    "MAX_SEGMENTS",
    "SCENES",
    "LinkTables",
    "Scene",
    "link",
    "link_tables",
    "read_link",
]
