"""A start leaves nothing behind that every later collection would look at again."""

from __future__ import annotations

import gc
import weakref

from gateway.garbage import settle


class Knot:
    """Holds itself: only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_stands_is_not_looked_at_again_and_what_comes_later_is_collected_as_ever() -> None:
    """Performance: after the start a full collection sees new objects only; a later cycle is still freed."""
    before = Knot()
    gone_at_start = weakref.ref(Knot())
    try:
        settle()
        assert gone_at_start() is None
        assert gc.get_freeze_count() > 1000
        assert not any(one is before for one in gc.get_objects())
        later = Knot()
        assert any(one is later for one in gc.get_objects())
        seen = weakref.ref(later)
        del later
        gc.collect()
        assert seen() is None
    finally:
        gc.unfreeze()
