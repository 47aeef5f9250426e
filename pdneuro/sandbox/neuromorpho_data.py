"""Data of the sandbox's NeuroMorpho.org: synthetic records and random reconstructions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

Record = dict[str, Any]

#: Archive, year of its first paper, and format of its original files.
_ARCHIVES = (
    ("Amber", 2010, "Neurolucida.swc"),
    ("Blue Ridge", 2012, "Neurolucida.dat"),
    ("Cedar_Hill", 2014, "Custom.xml"),
    ("De Vries", 2016, "Simple Neurite Tracer.swc"),
)
_SIEGERT = ("Siegert", 2018, "Imaris.swc")
#: Species, strain, scientific name, scale of ages.
_ANIMALS = (
    ("mouse", "C57BL/6", "mus musculus", "Day"),
    ("rat", "Wistar", None, "Day"),
    ("human", "Not reported", "homo sapiens", "Year"),
    ("drosophila melanogaster", "Canton-S", None, "Day"),
    ("dragonfly ", "Not applicable", None, "Not reported"),
)
_REGIONS = (
    ["hippocampus", "CA1"],
    ["neocortex", "entorhinal cortex", "layer 3"],
    ["retina"],
    ["neocortex", "frontal", "layer 2-3", "left"],
    ["Not reported"],
)
_TYPES = (
    ["pyramidal", "principal cell"],
    ["interneuron", "basket"],
    ["microglia", "Glia"],
    ["Not reported"],
)
#: Values that the service uses for missing ones.
_NOTHING = (None, "", "Not reported", "Not Reported", "Not applicable")
#: A name with characters that must be encoded in an address.
ODD_NAME = 'cell 0500 (a/b) "x" & #1, 50%'


def _pick(choices: Any, number: int, step: int) -> Any:
    return choices[number // step % len(choices)]


def name_of(number: int) -> str:
    """Return the name of a neuron."""
    if number % 37 == 0:
        return f"CB_CKp25_2w_F_Animal{1 + number // 37 % 3:02}_{number // 37:02}"
    return ODD_NAME if number == 500 else f"cell_{number:04}"


@functools.cache
def neuron(number: int) -> Record:
    """Return the record of a neuron, with 45 keys."""
    siegert = number % 37 == 0
    archive, year, original = _SIEGERT if siegert else _pick(_ARCHIVES, number, 5)
    animal = _ANIMALS[0] if siegert else _pick(_ANIMALS, number, 1)
    species, strain, scientific, scale = animal
    name = name_of(number)
    nothing = _pick(_NOTHING, number, 1)
    measured = morphometry(number)
    soma = measured["soma_Surface"]
    paper = _ARCHIVES.index((archive, year, original)) if not siegert else 4
    page = f"http://neuromorpho.org/api/{{}}/id/{number}"
    return {
        "neuron_id": number,
        "neuron_name": name,
        "archive": archive,
        "note": 'Processed again; see <a href="dableFiles/previous">here</a>.'
        if number % 9 == 0
        else None,
        "age_scale": scale,
        "gender": _pick(("Male", "Female", "Male/Female", "Not reported"), number, 3),
        "age_classification": _pick(("adult", "young", "Not reported"), number, 2),
        "brain_region": list(_pick(_REGIONS, number, 2)),
        "cell_type": list(_TYPES[2] if siegert else _pick(_TYPES, number, 3)),
        "species": species,
        "strain": strain,
        "scientific_name": scientific,
        "stain": _pick(("biocytin", "Golgi", "Not reported"), number, 4),
        "experiment_condition": _pick((["Control"], ["Not reported"]), number, 1),
        "protocol": _pick(("in vitro", "in vivo"), number, 1),
        "slicing_direction": _pick(("coronal", "horizontal", "Not reported"), number, 1),
        "reconstruction_software": original.rpartition(".")[0],
        "objective_type": _pick(("oil", "water", "Not reported"), number, 1),
        "original_format": original,
        "domain": "Processes, Soma" if siegert else "Dendrites, Soma, No Axon",
        "attributes": "Diameter, 3D, Angles",
        "magnification": _pick(("100", "60", "Not reported"), number, 1),
        "upload_date": f"{year + 1}-05-01",
        "deposition_date": f"{year}-12-31",
        "shrinkage_reported": _pick(("Reported", "Not Reported"), number, 1),
        "shrinkage_corrected": _pick(("Corrected", "Not applicable", ""), number, 1),
        "reported_value": None,
        "reported_xy": "25.0" if number % 4 == 0 else nothing,
        "reported_z": "75.0" if number % 4 == 0 else nothing,
        "corrected_value": None,
        "corrected_xy": None,
        "corrected_z": None,
        "soma_surface": None if soma is None else str(soma),
        "surface": str(measured["surface"]),
        "volume": str(measured["volume"]),
        "slicing_thickness": "300" if number % 3 else nothing,
        "min_age": nothing if scale == "Not reported" or number % 7 == 0 else f"{10 + number % 20}.0",
        "max_age": nothing if scale == "Not reported" or number % 7 == 0 else f"{20 + number % 20}.0",
        "min_weight": _pick(("200.0", "Not Reported"), number, 2),
        "max_weight": _pick(("350.0", "Not Reported"), number, 2),
        "png_url": f"http://neuromorpho.org/images/imageFiles/{archive}/{name}.png",
        "reference_pmid": [f"3000000{paper + 1}"],
        # The two lists may differ in length.
        "reference_doi": [f"10.1234/pdn.00{paper + 1}"] + ["10.1234/pdn.100"] * (number % 10 == 0),
        "physical_Integrity": "Dendrites Moderate",
        "_links": {
            "self": {"href": page.format("neuron")},
            "measurements": {"href": page.format("morphometry")},
            "persistence_vector": {"href": page.format("pvec")},
        },
    }


_SOMA_RADIUS = 6.0


@functools.cache
def _tree(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return positions, radii, parents (0 for the root) and types of branches that grow from a soma."""
    rng = np.random.default_rng(number)
    stems, count = 3 + number % 4, 60 + number % 90
    parent = np.zeros(count, np.int64)
    growing = list(range(1, stems + 1))
    parent[1 : stems + 1] = 1
    for node in range(stems + 1, count):
        tip = int(rng.integers(len(growing)))
        parent[node] = growing[tip] + 1
        if rng.random() < 0.12:
            growing.append(node)
        else:
            growing[tip] = node
    children = np.bincount(parent[1:] - 1, minlength=count)
    direction = np.zeros((count, 3))
    position = np.zeros((count, 3))
    radius = np.full(count, _SOMA_RADIUS)
    born = np.zeros(count, np.int64)  # branches of the parent before this one
    length = rng.uniform(5, 9, count)
    for node in range(1, count):
        above = int(parent[node]) - 1
        turn = rng.normal(0, 1, 3)
        if above == 0:
            # Stems leave the soma in all directions, the first one upwards.
            angle = 2 * np.pi * node / stems + np.pi / 2 - 2 * np.pi / stems
            direction[node] = [np.cos(angle), np.sin(angle), 0.3 * turn[2]]
            start, radius[node] = _SOMA_RADIUS, 1.4
        else:
            # A branch bends away from its sister; a neurite changes its direction slowly.
            is_fork = children[above] > 1
            away = np.cross(direction[above], [0.3, 0.3, 1.0]) * (1 - 2 * (born[above] % 2))
            direction[node] = direction[above] + 0.16 * turn + 0.6 * away * is_fork
            start, radius[node] = 0.0, max(radius[above] * (0.75 if is_fork else 0.97), 0.2)
        born[above] += 1
        direction[node] /= np.linalg.norm(direction[node])
        position[node] = position[above] + (start + length[node]) * direction[node]
    radius = radius.round(2)
    kind = np.r_[1, np.full(count - 1, 3)]
    return position.round(1), radius, parent, kind


def morphometry(number: int) -> Record:
    """Return the measurements of a neuron, with 23 keys, computed from its reconstruction."""
    position, radius, parent, _ = _tree(number)
    children = np.bincount(parent[1:] - 1, minlength=len(parent))
    length = np.linalg.norm(position[1:] - position[parent[1:] - 1], axis=1)
    surface = round(float((2 * np.pi * radius[1:] * length).sum()), 2)
    volume = round(float((np.pi * radius[1:] ** 2 * length).sum()), 2)
    spread = np.ptp(position, axis=0).round(2)
    bifurcations = float((children[1:] > 1).sum())
    rng = np.random.default_rng(number + 10**6)
    return {
        "neuron_id": number,
        "neuron_name": name_of(number),
        "surface": surface,
        "volume": volume,
        "soma_Surface": None if number % 8 == 0 else round(4 * np.pi * 36, 3),
        "n_stems": float(children[0]),
        "n_bifs": bifurcations,
        "n_branch": float(children[0]) + 2 * bifurcations,
        "width": float(spread[0]),
        "height": float(spread[1]),
        "depth": float(spread[2]),
        "diameter": round(float((2 * radius[1:]).mean()), 4),
        "eucDistance": round(float(np.linalg.norm(position, axis=1).max()), 3),
        "pathDistance": round(float(length.max() * 20), 3),
        "branch_Order": float(rng.integers(3, 12)),
        "contraction": round(float(rng.uniform(0.7, 1)), 6),
        "fragmentation": float(len(parent)),
        "partition_asymmetry": round(float(rng.uniform(0.2, 0.8)), 6),
        "pk_classic": round(float(rng.uniform(1, 2)), 5),
        "bif_ampl_local": round(float(rng.uniform(30, 90)), 3),
        "bif_ampl_remote": round(float(rng.uniform(30, 90)), 3),
        "fractal_Dim": round(float(rng.uniform(1, 1.2)), 5),
        "length": round(float(length.sum()), 2),
    }


def persistence(number: int) -> Record:
    """Return the persistence vector of a neuron."""
    rng = np.random.default_rng(number + 2 * 10**6)
    return {
        "neuron_id": number,
        "scaling_factor": round(float(rng.uniform(50, 300)), 3),
        "distance": 0.0,
        "coefficients": rng.exponential(1, 100).round(4).tolist(),
    }


def swc(number: int, *, original: bool = False) -> bytes:
    """Return the reconstruction of a neuron; the format of the text varies with the number."""
    position, radius, parent, kind = _tree(number)
    head = (
        []
        if number % 4 == 3
        else [f"# Original file {number}.swc edited using a tool", "#", "# ## nested header"]
    )
    lines = list(head)
    for node, ((x, y, z), r, above, label) in enumerate(
        zip(position, radius, parent, kind, strict=True), 1
    ):
        row = f"{node} {label} {x} {y} {z} {r} {above or -1}"
        lines.append(f" {row} " if number % 4 == 1 else row)
    if original:
        lines = [line.replace(" ", "\t") for line in lines]
    return ("\r\n" if number % 2 else "\n").join([*lines, ""]).encode()


def papers() -> list[Record]:
    """Return the papers of the archives."""
    return [
        {
            "id": f"5f00000000000000000000{paper:02x}",
            "pmid": f"3000000{paper}",
            "doi": f"10.1234/pdn.00{paper}",
            "title": f"Neurons of {archive}",
            "authors": [f"{archive} A", "Doe J"],
            "journal": "Journal of Synthetic Neuroanatomy",
            "year": year,
            "publishedDate": (year - 1970) * 31_557_600_000,
            "articleStatus": "Positive",
        }
        for paper, (archive, year, _) in enumerate([*_ARCHIVES, _SIEGERT], 1)
    ]
