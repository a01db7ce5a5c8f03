"""Ids for the parts of a graph that do not change when other parts come or go.

Beam numbers the transforms of a graph, and Flink keeps timers under these numbers: with one
topic more, or without samples, a job could not find its timers in a savepoint. Ids made from
labels stay.
"""

from __future__ import annotations

import hashlib
from typing import Any

from apache_beam.pipeline import AppliedPTransform, ComponentIdMap

_LABEL_CHARACTERS = 60


class StableIds(ComponentIdMap):
    """Ids of transforms made from their full labels; of everything else numbered as usual."""

    def _unique_ref(self, obj: Any = None, obj_type: Any = None, label: Any = None) -> str:
        if obj_type is not AppliedPTransform or not label:
            numbered: str = super()._unique_ref(obj, obj_type, label)
            return numbered
        digest = hashlib.sha256(str(label).encode()).hexdigest()[:12]
        return f"{self.namespace}_{self._normalize(label)[:_LABEL_CHARACTERS]}_{digest}"
