"""A bound on distinct keys."""

from __future__ import annotations

from transforms.key_bound import KeyBound


def test_keys_beyond_the_bound_have_no_series_of_their_own() -> None:
    """The first come first."""
    bound = KeyBound(2, {})
    bound.admit(("a", "b", "c"), 1, closed=None)

    assert ["a", "b"] == list(bound.last_panes)


def test_a_key_whose_panes_are_all_closed_makes_room() -> None:
    """Pods come and go; the bound is on those that live at one time."""
    bound = KeyBound(2, {"a": 1, "b": 9})

    bound.admit(["c"], 10, closed=5)

    assert {"b": 9, "c": 10} == bound.last_panes
    assert bound.changed


def test_the_newest_pane_of_a_key_is_kept() -> None:
    """A late line of an old pane does not make the key old."""
    bound = KeyBound(2, {"a": 7})

    bound.admit(["a"], 3, closed=None)

    assert ({"a": 7}, False) == (bound.last_panes, bound.changed)
