"""Send the same calls by allensdk and by pdneuro to one local server, and compare them.

``python compare.py THEIRS``, where THEIRS is a Python that has allensdk 2.16.2. Requests and results are
compared; a difference that is not in ``BETTER`` makes the comparison fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pdneuro

sys.path.insert(0, str(Path(__file__).parent))
from calls import CALLS

#: Why a call has another result or other requests than in allensdk, by its method.
BETTER = {
    "get_morphology_features": "allensdk sends except$eqt,a,g,s; pdneuro sends except$eqtags",
    "download_deformation_field": "pdneuro returns the paths",
    "save_reconstruction_markers": "allensdk takes the first file, pdneuro the file of this type",
}


def run(python: str, package: str, sandbox: Any, home: str) -> list[dict[str, Any]]:
    """Return the results of all calls, each with the requests that it sent."""
    sandbox.requests.clear()
    url = f"{sandbox.url}/allen"
    command = [python, str(Path(__file__).with_name("calls.py")), package, url]
    environment = {**os.environ, "HOME": home, "PDNEURO_CACHE_DIR": f"{home}/cache"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{package}: {done.stderr}")
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found: list[dict[str, Any]] = [{**result, "requests": []} for result in results]
    number = -1
    for request in sandbox.requests:
        if "/call/" in request.path:
            number = int(request.path.rsplit("/", 1)[1])
            continue
        query = "&".join(f"{key}={value}" for key, value in request.query.items())
        found[number]["requests"].append(unquote(f"{request.path}?{query}"))
    return found


def main(theirs: str) -> int:
    """Print how each call compares, and return the number of unexpected differences."""
    with pdneuro.sandbox.start() as sandbox, tempfile.TemporaryDirectory() as home:
        left = run(theirs, "allensdk", sandbox, f"{home}/a")
        right = run(sys.executable, "pdneuro", sandbox, f"{home}/b")
    wrong, sent = 0, set[str]()
    for (name, method, args, kwargs), one, other in zip(CALLS, left, right, strict=True):
        # pdneuro does not send a query whose response is cached.
        other["requests"] = sorted({*other["requests"], *(sent & set(one["requests"]))})
        one["requests"].sort()
        sent |= {each for each in other["requests"] if "query.json" in each}
        parts = [
            key for key in ("result", "error", "files", "requests") if one.get(key) != other.get(key)
        ]
        why = BETTER.get(method) if parts else None
        wrong += bool(parts) and why is None
        state = "same" if not parts else f"better: {why}" if why else f"DIFFERS in {', '.join(parts)}"
        print(f"{name}.{method}{(*args, kwargs)!r}"[:110], state)
        if parts and why is None:
            for key in parts:
                print(f"   allensdk {key}: {json.dumps(one.get(key))[:500]}")
                print(f"   pdneuro  {key}: {json.dumps(other.get(key))[:500]}")
    print(f"{len(CALLS)} calls, {wrong} unexpected differences")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(*sys.argv[1:])))
