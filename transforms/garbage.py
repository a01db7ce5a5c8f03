"""Python's search for cyclic garbage, made rarer in the processes that count."""

import gc

# The youngest generation is looked through after so many new objects that stay; Python's default
# is 700. A batch of records is as many at once, none of them in a cycle: with many keys the search
# took a quarter of all time. Measured, see docs/readers.md.
_NEW_OBJECTS = 10_000
_YOUNGER_SEARCHES = 20


def search_rarely() -> None:
    """Raises the thresholds of this process's garbage collector; lowers none."""
    wanted = (_NEW_OBJECTS, _YOUNGER_SEARCHES, _YOUNGER_SEARCHES)
    now = gc.get_threshold()
    if now[0]:
        # With 0 it is switched off.
        gc.set_threshold(*(max(pair) for pair in zip(now, wanted, strict=True)))
