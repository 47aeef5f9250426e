"""Messages in the words of a shell: flags and commands instead of Python arguments and calls."""

from __future__ import annotations

import re
from collections.abc import Callable

#: Python argument or option -> flag.
_FLAGS = {
    "on": "--column",
    "offline": "--offline",
    "refresh": "--refresh",
    "overwrite": "--overwrite",
    "prefix": "--prefix",
    "multiple": "--multiple",
    "on_error": "--on-error",
    "on_missing": "--on-missing",
    "source": "--source",
    "batch_size": "--batch-size",
    "max_workers": "--max-workers",
    "min_weight": "--min-weight",
    "max_nodes": "--max-nodes",
    "graph_id": "--graph-id",
}
_VALUE = r"""=(True|False|\.\.\.|"[^"]*"|'[^']*'|[\w.]*\w)"""
#: Not in an address or a query string.
_ARGUMENT = re.compile(rf"(?<![\w?&/.-])({'|'.join(_FLAGS)}){_VALUE}")
_CALLS: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"`pdneuro token set` or `pdneuro\.tokens\.save\(service, token\)`", "`pdneuro token set SERVICE`"),
    (r"`?pdneuro\.set_options\(([^()]*)\)`?", lambda call: _options(call[1])),
    (r"`?pdneuro\.tokens\.save\(['\"]?([^'\",]+)['\"]?, token\)`?", r"`pdneuro token set \1`"),
    (r"`?pdneuro\.tokens\.forget\(['\"]?([^'\",]+)['\"]?\)`?", r"`pdneuro token forget \1`"),
    (r"`?pdneuro\.cache\.(info|clear)\(\)`?", r"`pdneuro cache \1`"),
    (r"(pdneuro\.)?last_report\(\)", "--report FILE"),
    (
        r"pdneuro\.known_names\(\)",
        'python -c "import pdneuro; print(pdneuro.known_names().to_string())"',
    ),
]


def shell_words(message: str) -> str:
    """Return a message with flags and commands.

    >>> shell_words("Name the column: on=..., or use pdneuro.set_options(offline=True, timeout=90).")
    'Name the column: --column ..., or use --offline PDNEURO_TIMEOUT=90.'
    """
    for call, words in _CALLS:
        message = re.sub(call, words, message)
    return _ARGUMENT.sub(lambda found: _flag(found[1], found[2]), message)


def _options(arguments: str) -> str:
    """Return options as flags, or as environment variables if they have no flag."""
    named = [argument.strip().partition("=") for argument in arguments.split(",")]
    return " ".join(
        _flag(name, value) if name in _FLAGS else f"PDNEURO_{name.upper()}={value}"
        for name, _, value in named
    )


def _flag(name: str, value: str) -> str:
    if value in ("True", "False"):
        return _FLAGS[name] if value == "True" else f"without {_FLAGS[name]}"
    return f"{_FLAGS[name]} {value.strip(chr(34) + chr(39))}"
