"""What splittable DoFns are given: restrictions from a start on, and watermarks."""

from typing import Any

from apache_beam.io.restriction_trackers import OffsetRange as Restriction
from apache_beam.io.restriction_trackers import OffsetRestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider, WatermarkEstimatorProvider
from apache_beam.utils.timestamp import Timestamp

# No offset is as high.
NO_END = 2**63 - 1


class EndlessTracker(OffsetRestrictionTracker):
    """Of what may have no end: that is not divided, only given back."""

    def try_split(self, fraction_of_remainder: float) -> Any:
        """Splits as Beam asks for it; None where there is nothing to divide."""
        if fraction_of_remainder != 0 and self.stop_position() == NO_END:
            return None
        return super().try_split(fraction_of_remainder)

    def is_bounded(self) -> bool:
        """Whether there is an end."""
        return bool(self.stop_position() != NO_END)


class EndlessProvider(RestrictionProvider):
    """Restrictions of elements that have a `start` and a `stop`, which may be `NO_END`."""

    def initial_restriction(self, element: Any) -> Restriction:
        """All of the element."""
        return Restriction(element.start, element.stop)

    def create_tracker(self, restriction: Restriction) -> EndlessTracker:
        """A tracker of this module."""
        return EndlessTracker(restriction)

    def restriction_size(self, element: Any, restriction: Restriction) -> int:
        """How much is left; without an end nobody knows, and a runner may not be told infinity."""
        return 1 if restriction.stop == NO_END else restriction.size()

    def truncate(self, element: Any, restriction: Restriction) -> Restriction | None:
        """What a job that is drained still reads: on to an end, if there is one."""
        return None if restriction.stop == NO_END else restriction


class WatermarkProvider(WatermarkEstimatorProvider):
    """Watermarks that a DoFn moves on itself, from a moment that is given."""

    def __init__(self, start: Timestamp) -> None:
        self._start = start

    def initial_estimator_state(self, element: Any, restriction: Restriction) -> Timestamp:
        """Where it begins."""
        return self._start

    def create_watermark_estimator(self, estimator_state: Timestamp) -> ManualWatermarkEstimator:
        """Goes on where it was."""
        return ManualWatermarkEstimator(estimator_state)
