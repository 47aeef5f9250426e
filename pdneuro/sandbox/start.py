"""Start the sandbox and set pdneuro's options to it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pdneuro.options import set_options
from pdneuro.sandbox import connectome
from pdneuro.sandbox.allen import AllenApp
from pdneuro.sandbox.braincircuits import CAVE_TOKEN, PROJECTS, TOKEN, BrainCircuitsApp
from pdneuro.sandbox.cave import CaveApp, cave_tokens
from pdneuro.sandbox.connectome import Connectome, Table
from pdneuro.sandbox.neuprint import TOKEN as NEUPRINT_TOKEN
from pdneuro.sandbox.neuprint import NeuPrintApp
from pdneuro.sandbox.neuromorpho import NeuroMorphoApp
from pdneuro.sandbox.published import PublishedApp
from pdneuro.sandbox.server import LocalServer, Request
from pdneuro.transport import tokens
from pdneuro.transport.store import make_private_folder


class Sandbox:
    """A running sandbox: a context manager, or call :meth:`stop` at the end.

    Attributes
    ----------
    url : str
        Address of the server.
    options : dict
        Options of pdneuro for this server.
    braincircuits, allen, neuromorpho : BrainCircuitsApp, AllenApp, NeuroMorphoApp
    cave, neuprint : CaveApp, NeuPrintApp
        Imitated services; their attributes can be changed.

    Examples
    --------
    >>> with pdneuro.sandbox.start() as sandbox:
    ...     sandbox
    ...     sandbox.options["allen_url"]
    <Sandbox at http://127.0.0.1:..., 3,000 neurons>
    'http://127.0.0.1:.../allen'
    """

    def __init__(self, edges: Table | None, neurons: Table | None, port: int, latency: float) -> None:
        brain = connectome.bundled_brain() if edges is None else Connectome(edges, neurons)
        self.braincircuits = BrainCircuitsApp(brain)
        self.allen = AllenApp()
        self.neuromorpho = NeuroMorphoApp()
        self.cave = CaveApp()
        self.published = PublishedApp(brain)
        self.neuprint = NeuPrintApp(brain)
        # The app is looked up at each request, since tests replace it.
        apps = {
            "/braincircuits": lambda request: self.braincircuits(request),
            "/allen": lambda request: self.allen(request),
            "/neuromorpho": lambda request: self.neuromorpho(request),
            "/cave": lambda request: self.cave(request),
            "/published": lambda request: self.published(request),
            "/neuprint": lambda request: self.neuprint(request),
        }
        self._server = LocalServer(apps, port=port, latency=latency)
        self.url = self._server.url
        self.options: dict[str, Any] = {
            "braincircuits_url": f"{self.url}/braincircuits",
            "allen_url": f"{self.url}/allen",
            "allen_files_url": f"{self.url}/allen",
            "neuromorpho_url": f"{self.url}/neuromorpho/api",
            "neuromorpho_files_url": f"{self.url}/neuromorpho/dableFiles",
            "neuromorpho_rate": None,
            "cave_url": f"{self.url}/cave",
            "published_url": f"{self.url}/published",
            "abc_atlas_url": f"{self.url}/published",
            "neuprint_url": f"{self.url}/neuprint",
            "sandbox_url": self.url,
            "source": PROJECTS[0],
        }
        self.tokens = {"braincircuits": TOKEN, "neuprint": NEUPRINT_TOKEN, **cave_tokens()}
        self.cave_token = CAVE_TOKEN
        self._cleanup = contextlib.ExitStack()
        #: Folder of a sandbox that is kept.
        self._folder: Path | None = None

    @property
    def requests(self) -> list[Request]:
        """Return all requests so far.

        Examples
        --------
        >>> with pdneuro.sandbox.start() as sandbox:
        ...     table = pdneuro.allen.OntologiesApi().get_structure_sets()
        ...     [request.path for request in sandbox.requests]
        ['/allen/api/v2/data/query.json']
        """
        return self._server.requests

    def fail(self, **fault: Any) -> None:
        """Make the next requests fail.

        Parameters
        ----------
        times : int, default 1
            Number of requests that fail.
        path : str
            Only requests whose path contains this text fail.
        status, retry_after : int, float
            Status code and ``Retry-After`` header of the response.
        delay : float
            Seconds to wait before the response.
        reset, truncate, html : bool
            Close the connection; send half of the body; send an HTML page.
        body : bytes
            Body of the response.

        Examples
        --------
        >>> with pdneuro.sandbox.start() as sandbox:
        ...     sandbox.fail(path="/svg/", status=503, retry_after=0)
        ...     svg = pdneuro.allen.SvgApi().get_svg(100960033)
        ...     len(sandbox.requests)
        2
        """
        self._server.fail(**fault)

    def settings(self) -> dict[str, str]:
        """Return environment variables that set another process to this sandbox.

        Examples
        --------
        >>> with pdneuro.sandbox.start() as sandbox:
        ...     sandbox.settings()["PDNEURO_SOURCE"]
        'fruitfly_fafb_flywire'
        """
        options = {f"PDNEURO_{name.upper()}": str(value) for name, value in self.options.items()}
        names = {
            "global.daf-apis.com": "API_SECRET_microns",
            "global.em.brain.allentech.org": "API_SECRET_v1dd",
        }
        tokens = {
            names.get(service, f"PDNEURO_{service.upper()}_TOKEN"): value
            for service, value in self.tokens.items()
        }
        # No general token, which would otherwise be one of the user.
        return {**options, **tokens, "PDNEURO_CAVE_TOKEN": ""}

    def point_here(self, cache_dir: Any = None) -> None:
        """Set the options and tokens to this sandbox, with a separate cache.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> with pdneuro.sandbox.start() as sandbox:
        ...     sandbox.point_here(cache_dir=pathlib.Path(tempfile.mkdtemp()) / "cache")
        ...     pathlib.Path(pdneuro.get_options()["cache_dir"]).name
        'cache'
        """
        if cache_dir is None:
            cache_dir = self._cleanup.enter_context(
                tempfile.TemporaryDirectory(prefix="pdneuro-sandbox-", ignore_cleanup_errors=True)
            )
        # Not as a block: the options hold in all threads, and in all cells of a notebook.
        self._cleanup.push(set_options(**self.options, cache_dir=cache_dir, offline=False))
        # The token of neuPrint is for the address in the options, which are set by now.
        self._cleanup.enter_context(tokens.overridden(only=True, **self.tokens))

    def stop(self) -> None:
        """Close the server and restore the options.

        Examples
        --------
        >>> before = pdneuro.get_options()["allen_url"]
        >>> sandbox = pdneuro.sandbox.start()
        >>> pdneuro.allen.RmaApi()
        <RmaApi at http://127.0.0.1:.../allen>
        >>> sandbox.stop()
        >>> pdneuro.get_options()["allen_url"] == before
        True
        """
        self._cleanup.close()
        self._server.stop()
        if self in _kept.values():
            del _kept[self._folder]

    def forget(self) -> None:
        """Stop, and delete the address and the cache that ``keep=True`` has kept.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> sandbox = pdneuro.sandbox.start(keep=True, cache_dir=folder)
        >>> [path.name for path in folder.iterdir()]
        ['kept-sandbox']
        >>> sandbox.forget()
        >>> list(folder.iterdir())
        []
        """
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Sandbox at {self.url}, {len(self.braincircuits.connectome.ids):,} neurons>"


#: Running sandboxes of this process that are kept, by folder.
_kept: dict[Path, Sandbox] = {}


def start(
    *,
    edges: Table | None = None,
    neurons: Table | None = None,
    port: int = 0,
    latency: float = 0.0,
    cache_dir: Any = None,
    keep: bool = False,
) -> Sandbox:
    """Start the sandbox and set the options to it until the end of the ``with`` block.

    Parameters
    ----------
    edges, neurons : DataFrame or path, optional
        Your own data (csv, tsv, txt, parquet, feather): edges with any known column names, neurons
        with a column of IDs. Default: the bundled synthetic brain of 3,000 neurons and 45,000 edges.
    port : int, default 0
        Port of the server; 0 selects a free port.
    latency : float, default 0
        Seconds to wait before each response.
    cache_dir : path, optional
        Folder for the cache. Default: a temporary folder that is deleted at the end.
    keep : bool, default False
        Use the same address and cache after a restart of Python or of a notebook's kernel, so that what
        was downloaded is still cached. Both are in the folder ``kept-sandbox`` of ``cache_dir``, or of
        the user's cache. :meth:`Sandbox.forget` deletes it. Your own data require ``cache_dir``.

    Returns
    -------
    Sandbox
        A context manager; in a notebook, call its ``stop()`` at the end.

    Examples
    --------
    >>> pdneuro.sandbox.neurons().root_id.head(2).neuro.properties("size").shape
    (2, 1)
    """
    if keep:
        return _start_kept(edges, neurons, port, latency, cache_dir)
    return _with_options(Sandbox(edges, neurons, port, latency), cache_dir)


def _with_options(sandbox: Sandbox, cache_dir: Any) -> Sandbox:
    try:
        sandbox.point_here(cache_dir)
    except BaseException:
        sandbox.stop()
        raise
    return sandbox


def _start_kept(
    edges: Table | None, neurons: Table | None, port: int, latency: float, cache_dir: Any
) -> Sandbox:
    """Start a sandbox at an address of an earlier one; the list of their ports is next to the cache."""
    if cache_dir is None:
        if edges is not None:
            raise ValueError(
                "keep=True with your own data requires cache_dir=, a folder for this data set alone, "
                "because cached values of other data would be wrong."
            )
        import platformdirs

        cache_dir = platformdirs.user_cache_dir("pdneuro", appauthor=False)
    folder = Path(cache_dir).expanduser().absolute() / "kept-sandbox"
    if folder in _kept:  # a cell that runs again
        _kept[folder].stop()
    make_private_folder(folder)
    list_of_ports = folder / "ports.txt"
    ports = [int(word) for word in list_of_ports.read_text().split()] if list_of_ports.exists() else []
    for known in [port] if port else [*ports, 0]:
        try:
            sandbox = Sandbox(edges, neurons, known, latency)
            break
        except OSError:  # another process, such as the kernel of a second notebook, uses the port
            if known in (0, port):
                raise
    _with_options(sandbox, folder)
    used = urlsplit(sandbox.url).port
    if used not in ports:
        list_of_ports.write_text(" ".join(map(str, [*ports, used])))
    sandbox._folder = folder
    _kept[folder] = sandbox
    return sandbox
