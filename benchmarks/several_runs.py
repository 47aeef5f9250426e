"""Print one table of several runs: the ratios of each row, and whether all runs meet its goal.

for run in 1 2 3; do python benchmarks/run.py --json run$run.jsonl; sleep 1200; done
python benchmarks/several_runs.py run1.jsonl run2.jsonl run3.jsonl
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(paths: list[str]) -> None:
    runs = []
    for path in paths:
        rows = map(json.loads, Path(path).read_text().splitlines())
        runs.append({(row["job"], row["what"]): row for row in rows})
    print(f"| job | what | {' | '.join(f'run {n}' for n, _ in enumerate(runs, 1))} | goal | met |")
    print("|---" * (len(runs) + 4) + "|")
    words = {True: "yes", False: "**no**", None: "-"}
    for key in dict.fromkeys(key for run in runs for key in run):
        found = [run.get(key) for run in runs]
        measured = [row for row in found if row]
        ratios = [f"{row['ratio']:.2f}" if row else "-" for row in found]
        met = None if measured[0]["met"] is None else all(row["met"] for row in measured)
        print(f"| {' | '.join([*key, *ratios])} | {measured[0]['goal']} | {words[met]} |")


if __name__ == "__main__":
    main(sys.argv[1:])
