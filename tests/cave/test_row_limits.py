"""Whether a response is complete, by the numbers of rows of all."""

from __future__ import annotations

from pdneuro.cave.row_limits import Response, RowLimits


def refuse() -> bool:
    """Stand for a request that is not needed."""
    raise AssertionError("a request was sent")


def test_a_limit_that_a_header_mentions_once_is_known_from_then_on() -> None:
    limits = RowLimits()
    assert limits.judge("a", 7_777, 7_777) is Response.TRUNCATED
    assert limits.judge("b", 7_777, None) is Response.TRUNCATED
    assert limits.is_truncated("b", 7_777, refuse)


def test_a_response_is_complete_if_another_one_is_larger() -> None:
    limits = RowLimits()
    assert limits.judge("a", 123, None) is Response.SUSPICIOUS
    assert not limits.is_truncated("a", 123, lambda: False)
    assert limits.judge("a", 145, None) is Response.OPEN
    assert limits.judge("a", 167, None) is Response.OPEN
    assert not limits.is_truncated("a", 145, refuse)
    assert limits.is_truncated("a", 167, lambda: True)
    assert limits.judge("a", 167, None) is Response.TRUNCATED
