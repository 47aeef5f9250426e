"""TreeSearchApi: the ancestors and descendants of a structure or specimen."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pdneuro.allen import payload
from pdneuro.allen.api.base import Api, documented
from pdneuro.errors import InvalidQueryError

_KINDS = ("Structure", "Specimen")


@documented
class TreeSearchApi(Api):
    """Searches in the trees of structures and of specimens.

    {base_uri}

    Examples
    --------
    >>> tree = pdneuro.allen.TreeSearchApi().get_tree("Structure", 549, descendants=True)
    >>> tree[["id", "acronym"]].head(3)
        id acronym
    0  549      TH
    1  170     LGd
    2  599      CM
    """

    def build_query(
        self, kind: str, db_id: Any, ancestors: bool | None = None, descendants: bool | None = None
    ) -> str:
        """Return the address of a search; the arguments are those of :meth:`get_tree`.

        Examples
        --------
        >>> trees = pdneuro.allen.TreeSearchApi("https://api.brain-map.org")
        >>> trees.build_query("Structure", 385, ancestors=True)
        'https://api.brain-map.org/api/v2/tree_search/Structure/385.json?ancestors=true'
        """
        if kind not in _KINDS:
            raise InvalidQueryError(f"kind must be {' or '.join(_KINDS)}, not {kind!r}.")
        given = {"ancestors": ancestors, "descendants": descendants}
        wanted = [
            f"{name}={payload.value(bool(flag), name)}"
            for name, flag in given.items()
            if flag is not None
        ]
        query = f"?{'&'.join(wanted)}" if wanted else ""
        return f"{self.api_url}/api/v2/tree_search/{kind}/{payload.one_id(db_id, 'db_id')}.json{query}"

    def get_tree(
        self, kind: str, db_id: Any, ancestors: bool | None = None, descendants: bool | None = None
    ) -> pd.DataFrame:
        """Return a structure or specimen with its ancestors or descendants.

        Parameters
        ----------
        kind : {"Structure", "Specimen"}
        db_id : int
        ancestors, descendants : bool, optional

        Returns
        -------
        DataFrame
            One row per node.

        Raises
        ------
        {query errors}

        Examples
        --------
        >>> tree = pdneuro.allen.TreeSearchApi().get_tree("Structure", 385, ancestors=True)
        >>> tree["acronym"].tolist()
        ['root', 'grey', 'CH', 'CTX', 'Isocortex', 'VIS', 'VISp']
        """
        return self._records(self.build_query(kind, db_id, ancestors, descendants))
