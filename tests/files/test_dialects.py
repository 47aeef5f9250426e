"""Each published file of a connectome, in the shape of its columns with a few rows: edges and counts."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.files import write_table

A, B, C = 720575940621522189, 720575940632800257, 720575940617869243
X, Y, Z = 10045, 10056, 520195
SHORT = 720575940 * 10**9
SIX = "gaba_avg,ach_avg,glut_avg,oct_avg,ser_avg,da_avg"


class Edges(NamedTuple):
    """A file of edges: its name, its text, the arguments that it needs, and what it contains."""

    name: str
    text: str
    pairs: dict[tuple[Any, Any], int]
    arguments: dict[str, Any] = {}
    roi: list[Any] | None = None
    nt: list[Any] | None = None


CODEX = f"{A},{B},ME_R,5,GABA\n{A},{B},LO_R,2,GABA\n{B},{C},UNASGD,7,ACH\n"
CODEX_PAIRS = {(A, B): 7, (B, C): 7}
CODEX_ROI, CODEX_NT = ["ME_R", "LO_R", "UNASGD"], ["GABA", "GABA", "ACH"]
CODEX_NAMES = "pre_root_id,post_root_id,neuropil,syn_count,nt_type\n"
PAIRS = {(X, Y): 30, (Y, Z): 2}

EDGES = [
    *(
        Edges(name, CODEX_NAMES + CODEX, CODEX_PAIRS, {}, CODEX_ROI, CODEX_NT)
        for name in ("connections.csv.gz", "connections_princeton.csv.gz", "connections_5_ol_2.csv.gz")
    ),
    Edges("no_threshold_connections.csv.gz", CODEX, CODEX_PAIRS, {}, CODEX_ROI, CODEX_NT),
    Edges(
        "fafb_v783_princeton_synapse_table.csv.gz",
        "pre_x,pre_y,pre_z,ctr_x,ctr_y,ctr_z,post_x,post_y,post_z,size,pre_root_id_720575940,"
        "post_root_id_720575940,neuropil\n"
        f"1,2,3,4,5,6,7,8,9,120,{A - SHORT},{B - SHORT},ME_R\n"
        f"2,2,3,4,5,6,7,8,9,88,{A - SHORT},{B - SHORT},LO_R\n",
        {(A, B): 2},
        roi=["ME_R", "LO_R"],
    ),
    Edges(
        "synapse_coordinates.csv.gz",
        f"pre_root_id,post_root_id,x,y,z\n{A},{B},1,2,3\n,,2,2,3\n,{C},3,2,3\n,,4,2,3\n{B},{A},5,2,3\n",
        {(A, B): 2, (A, C): 2, (B, A): 1},
    ),
    Edges(
        "proofread_connections_783.feather",
        f"pre_pt_root_id,post_pt_root_id,neuropil,syn_count,{SIX}\n"
        f"{A},{B},ME_R,5,0.9,0.1,0,0,0,0\n{B},{C},ME_R,1,0.1,0.6,0,0,0,0.2\n",
        {(A, B): 5, (B, C): 1},
        roi=["ME_R", "ME_R"],
        nt=["GABA", "ACH"],
    ),
    Edges(
        "flywire_synapses_783.feather",
        f"id,pre_pt_root_id,post_pt_root_id,connection_score,cleft_score,{SIX},neuropil,pre_x\n"
        f"7,{A},{B},30.5,140,0.1,0.2,0,0,0.6,0,ME_R,5\n8,{A},{B},60.25,150,0.9,0,0,0,0,0,ME_R,6\n",
        {(A, B): 2},
        nt=["SER", "GABA"],
    ),
    Edges(
        "Connectivity_783.parquet",
        "Presynaptic_ID,Postsynaptic_ID,Presynaptic_Index,Postsynaptic_Index,Connectivity,Excitatory,"
        f"Excitatory x Connectivity\n{A},{B},0,1,30,1,30\n{B},{C},1,2,2,-1,-2\n",
        {(A, B): 30, (B, C): 2},
    ),
    Edges(
        "traced-total-connections.csv", f"bodyId_pre,bodyId_post,weight\n{X},{Y},30\n{Y},{Z},2\n", PAIRS
    ),
    Edges(
        "traced-roi-connections.csv",
        f"bodyId_pre,bodyId_post,roi,weight\n{X},{Y},EB,20\n{X},{Y},NotPrimary,10\n{Y},{Z},EB,2\n",
        PAIRS,
        roi=["EB", "NotPrimary", "EB"],
    ),
    Edges("traced-connections.csv", f"bodyId_pre,bodyId_post,weight\n{X},{Y},30\n{Y},{Z},2\n", PAIRS),
    Edges(
        "traced-connections-per-roi.csv",
        f"bodyId_pre,bodyId_post,roi,weight\n{X},{Y},T1,30\n{Y},{Z},T1,2\n",
        PAIRS,
    ),
    Edges(
        "connectome-weights-male-cns-v1.0-minconf-0.5.feather",
        f"body_pre,body_post,weight\n{X},{Y},30\n{Y},{Z},2\n",
        PAIRS,
    ),
    Edges(
        "connectome-weights-male-cns-v1.0-minconf-0.5-traced-only.feather",
        f"body_pre,body_post,weight,type_pre,type_post\n{X},{Y},30,KC,MBON\n{Y},{Z},2,MBON,KC\n",
        PAIRS,
    ),
    Edges(
        "syn-partners-male-cns-v1.0-minconf-0.5.feather",
        "x_pre,y_pre,z_pre,body_pre,conf_pre,x_post,y_post,z_post,body_post,conf_post,primary_post\n"
        f"1,2,3,{X},0.9,4,5,6,{Y},0.8,EB\n2,2,3,{X},0.7,4,5,6,{Y},0.6,FB\n",
        {(X, Y): 2},
        roi=["EB", "FB"],
    ),
    Edges(
        "Neuprint_Neuron_Connections.csv",
        f":START_ID(Body-ID),:END_ID(Body-ID),weight:int,weightHP:int,roiInfo:string\n{X},{Y},30,20,{{}}\n"
        f"{Y},{Z},2,1,{{}}\n",
        PAIRS,
    ),
    *(
        Edges(
            name,
            f"pre,post,count,{more}\n{A},{B},30,0.5,60,7\n{B},{C},2,0.1,20,7\n",
            {(A, B): 30, (B, C): 2},
        )
        for name, more in (
            ("fafb_783_simple_edgelist.feather", "norm,total_input,x1"),
            ("banc_888_edgelist_simple_v3.feather", "norm,pre_count,post_count"),
        )
    ),
    Edges(
        "banc_888_split_edgelist.feather",
        "pre,post,count,norm,total_input,pre_label,post_label,compartment_input\n"
        f"{A},{B},20,0.5,60,axon,dendrite,50\n{A},{B},10,0.5,60,axon,axon,10\n",
        {(A, B): 30},
    ),
    Edges(
        "fafb_783_synapses.feather",
        f"pre,post,x,y,z,prepost,syn_top_nt\n{A},{B},1,2,3,0,gaba\n{A},{B},2,2,3,0,gaba\n",
        {(A, B): 2},
    ),
    Edges(
        "synapses_nov2022_human_readable_connectioncounts_countthresh3.parquet",
        f"pre_root_id,post_root_id,num_synapses\n{A},{B},30\n{B},{C},3\n",
        {(A, B): 30, (B, C): 3},
    ),
    Edges(
        "synapses_nov2022_human_readable_connectioncountsperneuropil.parquet",
        f"pre_root_id,post_root_id,neuropil,num_synapses\n{A},{B},T1,20\n{A},{B},T2,10\n",
        {(A, B): 30},
        roi=["T1", "T2"],
    ),
    Edges(
        "synapses_pni_2.parquet",
        f"id,pre_pt_root_id,post_pt_root_id,size,ctr_pt_position_x\n1,{A},{B},120,5\n2,{A},{B},80,6\n",
        {(A, B): 2},
    ),
    Edges("h01_c3.csv", f"pre_seg_id,post_seg_id,pair_count\n{X},{Y},30\n{Y},{Z},2\n", PAIRS),
    Edges(
        "h01_c3_flat.csv",
        f"pre_synaptic_site.neuron_id,post_synaptic_partner.neuron_id,type\n{X},{Y},1\n{X},{Y},1\n",
        {(X, Y): 2},
    ),
    Edges(
        "herm_full_edgelist.csv",
        "Source, Target, Weight, Type\nADAL            , ADAR            , 1, electrical\n"
        "ADAL            , AIBL            , 2, chemical\nADAL , AIBL , 3, electrical\n",
        {("ADAL", "ADAR"): 1, ("ADAL", "AIBL"): 5},
        {"nodes": "names"},
    ),
    Edges(
        "NeuronConnect.csv",
        "Neuron 1,Neuron 2,Type,Nbr\nADAL,ADAR,EJ,1\nADAL,AIBL,S,2\nADAL,AIBL,Sp,3\n",
        {("ADAL", "ADAR"): 1, ("ADAL", "AIBL"): 5},
        {"nodes": "names"},
    ),
    Edges(
        "all-all_connectivity_matrix.csv",
        f",{X},{Y},{Z}\n{X},0,30,0\n{Y},0,0,2\n{Z},1,0,0\n",
        {(X, Y): 30, (Y, Z): 2, (Z, X): 1},
    ),
    Edges(
        "worm_matrix.csv",
        ",ADAL,ADAR\nADAL,0,3\nADAR,1,0\n",
        {("ADAL", "ADAR"): 3, ("ADAR", "ADAL"): 1},
        {"nodes": "names"},
    ),
    Edges(
        "influence_as_rows.parquet",
        f"upstream_id,downstream_id,influence\n{A},{B},0.25\n",
        {(A, B): 1},
        {"weight": "rows"},
    ),
]


def written(name: str, text: str, folder: Path) -> Path:
    """Write a file with its name and format; text files are as published, also without a header."""
    path = folder / name
    if ".csv" in name or ".tsv" in name:
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    else:
        write_table(pd.read_csv(io.StringIO(text)), path)
    return path


def sums(edges: pd.DataFrame) -> dict[tuple[Any, Any], int]:
    total = edges.groupby(["pre", "post"])["weight"].sum()
    return {pair: int(weight) for pair, weight in total.items()}


@pytest.mark.parametrize("file", EDGES, ids=lambda file: file.name)
def test_edges_and_counts_of_each_published_file(file: Edges, tmp_path: Path) -> None:
    path = written(file.name, file.text, tmp_path)
    edges = pdneuro.read_edges(path, **file.arguments)
    assert list(edges.columns[:3]) == ["pre", "post", "weight"]
    assert sums(edges) == file.pairs
    assert edges["weight"].dtype == np.int64
    for role, expected in (("roi", file.roi), ("nt", file.nt)):
        if expected is not None:
            assert edges[role].tolist() == expected
    only = pdneuro.read_edges(path, only=True, **file.arguments)
    assert sums(only) == file.pairs
    assert list(only.columns) == ["pre", "post", "weight"]


@pytest.mark.parametrize(
    "file", [f for f in EDGES if "nodes" not in f.arguments], ids=lambda file: file.name
)
def test_a_connectome_reads_the_same_edges(file: Edges, tmp_path: Path) -> None:
    path = written(file.name, file.text, tmp_path)
    with pdneuro.set_options(cache_dir=tmp_path / "cache"):
        brain = pdneuro.Connectome.from_files(path, **file.arguments)
    assert sums(brain.to_frame()) == file.pairs


AS_FRAMES = [file for file in EDGES if "matrix" not in file.name and "no_threshold" not in file.name]


@pytest.mark.parametrize("file", AS_FRAMES, ids=lambda file: file.name)
def test_a_frame_of_each_file_has_the_same_edges(file: Edges) -> None:
    frame = pd.read_csv(io.StringIO(file.text), dtype_backend="numpy_nullable")
    before = frame.copy()
    assert sums(frame.neuro.as_edges(**file.arguments)) == file.pairs
    pd.testing.assert_frame_equal(frame, before)


# -- files that are rejected ------------------------------------------------------------------------

REJECTED = {
    "banc_influence.parquet": (
        f"upstream_id,downstream_id,influence,influence_norm\n{A},{B},0.5,0.1\n",
        errors.MissingColumnsError,
        "'influence' contains scores.*weight='rows'",
    ),
    "mcns_fw_edge_comp.csv": (
        "pre,post,weight\nKC,MBON,2.5\n",
        errors.InvalidIdError,
        r"nodes=.names.*numbers, names = pd\.factorize",
    ),
    "per_neuron_neuropil_count_pre_783.feather": (
        f"pre_pt_root_id,neuropil,count\n{A},ME_R,5\n",
        errors.MissingColumnsError,
        "table of neurons",
    ),
    "syn-points-male-cns.feather": (
        f"body,kind,x\n{X},PreSyn,5\n",
        errors.MissingColumnsError,
        "table of neurons",
    ),
    "herm_full_edgelist.csv": (
        "Source,Target,Weight\nADAL,AIBL,1\n",
        errors.InvalidIdError,
        r"nodes=.names.*numbers, names = pd\.factorize",
    ),
}


def test_the_case_of_letters_in_names_is_free(tmp_path: Path) -> None:
    text = f":start_id(body-id),:end_id(body-id),Weight:INT\n{X},{Y},4\n"
    assert pdneuro.read_edges(written("neuprint.csv", text, tmp_path)).to_numpy().tolist() == [[X, Y, 4]]
    scores = "GABA_AVG,Ach Avg,GLUT_AVG,OCT_AVG,SER_AVG,DA_AVG"
    text = f"PRE_ROOT_ID,POST_ROOT_ID,SYN_COUNT,{scores}\n{A},{B},4,0.7,0.1,0,0,0,0\n"
    assert pdneuro.read_edges(written("scores.csv", text, tmp_path)).nt.tolist() == ["GABA"]
    text = f"ROOT_ID,{scores}\n{A},0.1,0.7,0,0,0,0\n"
    assert pdneuro.read_neurons(written("neurons.csv", text, tmp_path)).nt.tolist() == ["ACH"]
    text = f"Left ID,RIGHT_ID,celltype\n{X},{Y},KC\n{Z},no pair,MBON\n"
    path = written("larva.csv", text, tmp_path)
    assert pdneuro.read_neurons(path)[["root_id", "side"]].to_numpy().tolist() == [
        [X, "left"],
        [Z, "left"],
        [Y, "right"],
    ]
    edges = written("edges.csv", f"pre,post,weight\n{X},{Y},3\n", tmp_path)
    assert set(pdneuro.Connectome.from_files(edges, path).ids) == {X, Y, Z}


def test_a_matrix_of_names_is_an_error_that_shows_both_ways(tmp_path: Path) -> None:
    path = written("matrix.csv", ",ADAL,AIBL\nADAL,0,3\nAIBL,1,0\n", tmp_path)
    for read in (pdneuro.read_edges, pdneuro.Connectome.from_files):
        with pytest.raises(errors.InvalidIdError, match=r"nodes=.names.*numbers, names = pd\.factorize"):
            read(path)
    assert pdneuro.read_edges(path, nodes="names")["weight"].tolist() == [3, 1]


@pytest.mark.parametrize("name", REJECTED)
def test_other_files_are_errors_that_say_why(name: str, tmp_path: Path) -> None:
    text, kind, words = REJECTED[name]
    path = written(name, text, tmp_path)
    with pytest.raises(kind, match=words):
        pdneuro.read_edges(path)


def test_type_names_with_fractions_are_rejected_for_their_weights(tmp_path: Path) -> None:
    path = written("edges.csv", "pre,post,weight\nKC,MBON,2.5\n", tmp_path)
    with pytest.raises(errors.InvalidEdgesError, match="weight"):
        pdneuro.read_edges(path, nodes="names")


def test_received_synapses_are_named(tmp_path: Path) -> None:
    text = "Neuron 1,Neuron 2,Type,Nbr\nADAL,AIBL,S,2\nAIBL,ADAL,R,2\n"
    path = written("NeuronConnect.csv", text, tmp_path)
    with pytest.warns(errors.InconsistentEdgesWarning, match="'R'"):
        pdneuro.read_edges(path, nodes="names")


# -- tables of neurons ------------------------------------------------------------------------------


class Neurons(NamedTuple):
    """A file of neurons: its name, its text, its column of IDs, its IDs and its transmitters."""

    name: str
    text: str
    on: str
    ids: list[int]
    nt: list[Any] | None = None
    arguments: dict[str, Any] = {}


SCORES = "da_avg,ser_avg,gaba_avg,glut_avg,ach_avg,oct_avg"
NEURONS = [
    Neurons(
        "neurons.csv.gz",
        f"root_id,group,nt_type,nt_type_score,{SCORES}\n{A},ME,GABA,0.9,0,0,0.9,0,0,0\n",
        "root_id",
        [A],
        ["GABA"],
    ),
    Neurons(
        "neurons_scores.csv",
        f"root_id,{SCORES}\n{A},0,0,0.9,0,0,0\n{B},0.5,0,0,0,0.4,0\n{C},0,0,0,0,0,0\n",
        "root_id",
        [A, B, C],
        ["GABA", "DA", None],
    ),
    Neurons(
        "classification.csv.gz",
        "root_id,flow,super_class,class,sub_class,hemilineage,side,nerve\n"
        f"{A},intrinsic,optic,,,,left,\n",
        "root_id",
        [A],
    ),
    Neurons("consolidated_cell_types.csv.gz", f"root_id,primary_type\n{A},KC\n", "root_id", [A]),
    Neurons("cell_stats.csv.gz", f"root_id,length_nm,area_nm,size_nm\n{A},1,2,3\n", "root_id", [A]),
    Neurons("visual_neuron_types.csv.gz", f"root_id,type,family,side\n{A},Mi1,M,left\n", "root_id", [A]),
    Neurons(
        "column_assignment.csv.gz", f"root_id,hemisphere,type,p,q\n{A},left,Mi1,0,1\n", "root_id", [A]
    ),
    Neurons("cross_version_consistent_names.csv", f"{A},ME.1\n{B},ME.2\n", "0", [A, B]),
    Neurons(
        "banc_neurons.csv.gz",
        "Root ID,Top in/out region,Predicted NT type,Predicted NT confidence,Verified NT type,Class\n"
        f"{A},EB,ACH,0.9,,KC\n",
        "Root ID",
        [A],
        ["ACH"],
    ),
    Neurons("Completeness_783.csv", f",Completed\n{A},True\n{B},True\n", "Unnamed: 0", [A, B]),
    Neurons(
        "Supplemental_file1_neuron_annotations.tsv",
        f"supervoxel_id\troot_id\tcell_type\ttop_nt\ttop_nt_conf\tknown_nt\n7\t{A}\tKC\tgaba\t0.9\t\n",
        "root_id",
        [A],
        ["gaba"],
    ),
    Neurons(
        "Supplemental_file5_hemibrain_meta.csv",
        f'bodyId,type,side,somaLocation,pre,post\n{X},KC,left,"1,2,3",5,6\n',
        "bodyId",
        [X],
    ),
    Neurons("traced-neurons.csv", f"bodyId,type,instance\n{X},KC,KC_R\n{Y},,\n", "bodyId", [X, Y]),
    Neurons(
        "hemibrain-v1.2-body-mean-neurotransmitters.feather",
        "body,type,gaba,acetylcholine,glutamate,serotonin,octopamine,dopamine,neither,predicted_nt\n"
        f"{X},KC,0.9,0,0,0,0,0,0.1,gaba\n",
        "body",
        [X],
        ["gaba"],
    ),
    Neurons(
        "manc-v1.0-neuron-properties.feather",
        f"bodyId,type,class,somaSide,predictedNt\n{X},DNg,descending,LHS,acetylcholine\n",
        "bodyId",
        [X],
        ["acetylcholine"],
    ),
    Neurons(
        "body-annotations-male-cns-v1.0-minconf-0.5.feather",
        f"bodyId,type,predictedNt,consensusNt\n{X},KC,gaba,acetylcholine\n",
        "bodyId",
        [X],
        ["acetylcholine"],
    ),
    Neurons(
        "body-neurotransmitters-male-cns-v1.0.feather",
        "body,cell_type,total_nt_predictions,predicted_nt,consensus_nt\n"
        f"{X},KC,5,gaba,gaba\n{X},KC,5,gaba,gaba\n{Y},MB,3,glut,acetylcholine\n",
        "body",
        [X, Y],
        ["gaba", "acetylcholine"],
    ),
    Neurons("body-stats-male-cns.feather", f"body,size\n{X},5\n", "body", [X]),
    *(
        Neurons(
            f"{name}_meta.csv",
            f"{name}_id,region,side,cell_type,neurotransmitter_predicted,neurotransmitter_score\n"
            f"{A},brain,left,KC,gaba,0.9\n",
            f"{name}_id",
            [A],
            ["gaba"],
        )
        for name in ("fafb_783", "manc_121", "hemibrain_121", "malecns_09")
    ),
    Neurons(
        "banc_888_meta.feather",
        f"banc_888_id,root_id,cell_type,neurotransmitter_predicted\n{A},{A},KC,gaba\n{B},{A},KC,gaba\n",
        "banc_888_id",
        [A, B],
        ["gaba", "gaba"],
    ),
    Neurons("cell_ids_v2.parquet", f"id,pt_root_id,user_id,tag\n1,{A},77,x\n", "pt_root_id", [A]),
    Neurons("root_783.csv", f"root_783,type\n{A},KC\n", "root_783", [A]),
    Neurons("cells.csv", f"cell_id,type\n{X},KC\n", "cell_id", [X]),
    Neurons(
        "larva_annotations.csv",
        f"left_id,right_id,celltype\n{X},{Y},KC\n{Z},no pair,PN\n",
        "root_id",
        [X, Z, Y],
    ),
]


def test_the_column_of_a_version_is_found_by_repeats_after_the_first_rows(tmp_path: Path) -> None:
    """``root_id`` is repeated in a row that a sample of the file does not have."""
    rows = pd.DataFrame(
        {"banc_888_id": range(A, A + 3000), "root_id": range(B, B + 3000), "side": "left"}
    )
    rows.loc[2999, "root_id"] = B
    rows.to_csv(tmp_path / "neurons.csv", index=False)
    edges = pd.DataFrame({"pre": [A], "post": [A + 1], "weight": [1]})
    local = pdneuro.Connectome(edges, neurons=tmp_path / "neurons.csv")
    found = pd.Series([A, A + 2999]).neuro.properties("side", source=local)
    assert found["side"].tolist() == ["left", "left"]


@pytest.mark.parametrize("file", NEURONS, ids=lambda file: file.name)
def test_ids_and_transmitters_of_each_published_table(file: Neurons, tmp_path: Path) -> None:
    path = written(file.name, file.text, tmp_path)
    neurons = pdneuro.read_neurons(path, **file.arguments)
    assert neurons[file.on].tolist() == file.ids
    assert neurons[file.on].dtype == np.int64
    names = file.text.splitlines()[0].replace("\t", ",").split(",")
    if any(name.isidentifier() for name in names):
        assert {name for name in names if name} <= set(neurons.columns)
    if file.nt is None:
        assert "nt" not in neurons.columns
    else:
        assert [None if pd.isna(value) else value for value in neurons["nt"]] == file.nt


@pytest.mark.parametrize("file", NEURONS, ids=lambda file: file.name)
def test_a_connectome_knows_the_neurons_of_each_table(file: Neurons, tmp_path: Path) -> None:
    edges = tmp_path / "edges.csv"
    edges.write_text(f"pre,post,weight\n{file.ids[0]},{C},5\n")
    path = written(file.name, file.text, tmp_path)
    with pdneuro.set_options(cache_dir=tmp_path / "cache"):
        brain = pdneuro.Connectome.from_files(edges, path)
    assert set(brain.ids) == {*file.ids, C}


def test_equal_rows_are_read_once_whatever_the_index() -> None:
    table = pd.DataFrame({"root_id": [A, B], "type": ["KC", None]})
    twice = pd.concat([table, table])
    read = pdneuro.read_neurons(twice)
    pd.testing.assert_frame_equal(read, table)
    assert len(twice) == 4


def test_ids_as_text_are_exact(tmp_path: Path) -> None:
    table = pd.DataFrame({"fafb_783_id": [str(A), str(B)], "neurotransmitter_score": ["0.5", "NA"]})
    write_table(table, tmp_path / "fafb_783_meta.feather")
    assert pdneuro.read_neurons(tmp_path / "fafb_783_meta.feather")["fafb_783_id"].tolist() == [A, B]


def test_a_list_of_ids_of_numpy(tmp_path: Path) -> None:
    path = tmp_path / "proofread_root_ids_783.npy"
    np.save(path, np.array([A, B]))
    neurons = pdneuro.read_neurons(path)
    assert neurons.columns.tolist() == ["root_id"]
    assert neurons["root_id"].tolist() == [A, B]
    assert pdneuro.read_table(path, ["root_id"])["root_id"].tolist() == [A, B]
    with pytest.raises(errors.MissingColumnsError, match=r"783\.npy lacks the columns 'id'.* 'root_id'"):
        pdneuro.read_table(path, ["root_id", "id"])
    np.save(path, np.array([0.5, 1.0]))
    with pytest.raises(errors.InvalidFileError, match=r"proofread_root_ids_783\.npy.*list of IDs"):
        pdneuro.read_neurons(path)


MANY = {
    "labels.csv.gz": f"root_id,label,user_id\n{A},KC,1\n{A},Kenyon cell,2\n{B},MBON,1\n",
    "coordinates.csv.gz": f"root_id,position,supervoxel_id\n{A},[1 2 3],7\n{A},[4 5 6],8\n{B},[1 1 1],9\n",
    "per_neuron_neuropil_count_post_783.csv": (
        f"post_pt_root_id,neuropil,count\n{A},ME_R,5\n{A},LO_R,2\n{B},ME_R,1\n"
    ),
    "tbar-neurotransmitters.csv": f"body,x,nt_gaba\n{A},1,0.5\n{A},2,0.5\n{B},1,0.1\n",
}


@pytest.mark.parametrize("name", MANY)
def test_many_rows_of_a_neuron_need_a_choice(name: str, tmp_path: Path) -> None:
    path = written(name, MANY[name], tmp_path)
    with pytest.raises(errors.MultipleRecordsError, match=f"{A} with 2.*many='first'.*many='list'"):
        pdneuro.read_neurons(path)
    first = pdneuro.read_neurons(path, many="first")
    lists = pdneuro.read_neurons(path, many="list")
    rows = pdneuro.read_neurons(path, many="rows")
    on = first.columns[0]
    assert (first[on].tolist(), lists[on].tolist(), rows[on].tolist()) == ([A, B], [A, B], [A, A, B])
    column = first.columns[1]
    assert lists[column].map(len).tolist() == [2, 1]
    assert lists[column].map(lambda values: values[0]).tolist() == first[column].tolist()
    with pytest.raises(ValueError, match="'first', 'list', 'rows'"):
        pdneuro.read_neurons(path, many="last")


@pytest.mark.parametrize("read", [pdneuro.read_edges, pdneuro.read_neurons])
def test_errors_name_the_file(read: Callable[[Path], pd.DataFrame], tmp_path: Path) -> None:
    path = written("notes.csv", "subject,text\na,b\n", tmp_path)
    with pytest.raises(errors.MissingColumnsError) as caught:
        read(path)
    assert any("notes.csv" in note for note in caught.value.__notes__)
    with pytest.raises(TypeError, match="int"):
        read(7)  # type: ignore[arg-type]


def test_further_columns_of_edges(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text("pre,post,weight,size\n11,12,3,9\n")
    for columns in ("size", ["size"]):
        found = pdneuro.read_edges(path, columns=columns)
        assert found.to_dict("list") == {"pre": [11], "post": [12], "weight": [3], "size": [9]}
    matrix = tmp_path / "matrix.csv"
    matrix.write_text(",11,12,13\n11,0,1,2\n12,0,0,3\n13,1,1,0\n")
    assert pdneuro.read_edges(matrix, columns=[])["weight"].tolist() == [1, 2, 3, 1, 1]
    with pytest.raises(errors.MissingColumnsError, match=r"matrix has no further.*columns=\['size'\]"):
        pdneuro.read_edges(matrix, columns=["size"])


@pytest.mark.parametrize("columns", [None, ["x"]])
def test_whether_cells_without_an_id_repeat_the_one_above_can_be_chosen(
    columns: list[str] | None, tmp_path: Path
) -> None:
    path = tmp_path / "edges.csv"
    path.write_text("pre_root_id,post_root_id,x,y,z\n11,12,1,2,3\n,,4,5,6\n")
    assert pdneuro.read_edges(path, columns=columns)["pre"].tolist() == [11, 11]
    assert pdneuro.read_edges(path, columns=columns, sparse=True)["pre"].tolist() == [11, 11]
    with pytest.warns(errors.DroppedRowsWarning, match="1 of 2 edges"):
        assert pdneuro.read_edges(path, columns=columns, sparse=False)["pre"].tolist() == [11]


@pytest.mark.parametrize(
    ("cells", "names"), [("GABA", ["roi", "nt"]), ("9", ["roi", "4"]), (None, ["roi"])]
)
def test_the_fifth_column_without_a_header_is_a_transmitter_if_it_is_text(
    cells: str | None, names: list[str], tmp_path: Path
) -> None:
    rows = [f"{720575940621522189 + n},{720575940632800257 + n},ME_R,{n + 2}" for n in range(3)]
    rows = [row if cells is None else f"{row},{cells}" for row in rows]
    (tmp_path / "edges.csv").write_text("\n".join(rows))
    found = pdneuro.read_edges(tmp_path / "edges.csv")
    assert found.columns.tolist() == ["pre", "post", "weight", *names]
    assert found["weight"].tolist() == [2, 3, 4]


def test_the_column_of_neurons_and_transmitters_that_are_given_stay() -> None:
    table = pd.DataFrame(
        {"root_id": [11, 11], "other": [12, 13], "NT": ["ACH", "GLUT"], "nt": ["gaba", "x"]}
    )
    found = pdneuro.read_neurons(table, on="other")
    pd.testing.assert_frame_equal(found, table)
    headless = pd.DataFrame({"0": [7, 8], "1": [720575940621522189, 720575940632800257]})
    assert pdneuro.read_neurons(headless, on="0")["0"].tolist() == [7, 8]
