"""Draws a schedule of faults: the same seed gives the same one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from tests.chaos.checkpoint_faults import KillDuringCheckpoint
from tests.chaos.faults import (
    Fault,
    KillDriver,
    KillDriverWhileSubmitting,
    KillFlink,
    KillHarness,
    KillJobManager,
    KillLeader,
    KillTaskManager,
)
from tests.chaos.outages import BrokerOutage, FreezeTaskManager, ZooKeeperOutage

_MAX_PAUSE_SECONDS = 4.0

# How often, in a hundred. Those that take long are rare, so that a hundred end within an hour.
_WITH_HIGH_AVAILABILITY: tuple[tuple[Fault, int], ...] = (
    (KillHarness(), 30),
    (KillTaskManager(), 21),
    (KillLeader(), 17),
    (KillDriver(), 12),
    (KillDuringCheckpoint(), 8),
    (ZooKeeperOutage(), 4),
    (KillFlink(), 3),
    (BrokerOutage(), 3),
    (FreezeTaskManager(), 2),
)
_WITHOUT: tuple[tuple[Fault, int], ...] = (
    (KillHarness(), 35),
    (KillTaskManager(), 25),
    (KillDriver(), 14),
    (KillDuringCheckpoint(), 8),
    (KillJobManager(), 8),
    (KillDriverWhileSubmitting(), 3),
    (KillFlink(), 3),
    (BrokerOutage(), 3),
    (FreezeTaskManager(), 1),
)


class Planned(NamedTuple):
    """A fault to come.

    Attributes:
      fault: what breaks.
      pause_seconds: to wait after the recovery from it.
    """

    fault: Fault
    pause_seconds: float


def draw_schedule(kills: int, *, seed: int, high_availability: bool) -> list[Planned]:
    """Draws so many faults, in a random order, each kind as often as its share says.

    Args:
      kills: how many.
      seed: another seed gives another order and other pauses.
      high_availability: whether the cluster has it, which decides the kinds.
    """
    chance = random.Random(seed)
    shares = _WITH_HIGH_AVAILABILITY if high_availability else _WITHOUT
    faults = _apportion(kills, shares)
    chance.shuffle(faults)
    return [Planned(fault, chance.uniform(0, _MAX_PAUSE_SECONDS)) for fault in faults]


def _apportion(count: int, shares: Sequence[tuple[Fault, int]]) -> list[Fault]:
    """Each fault in its share of `count`; what is left over goes to the largest remainders."""
    total = sum(share for _, share in shares)
    whole = [count * share // total for _, share in shares]
    by_remainder = sorted(
        range(len(shares)), key=lambda place: count * shares[place][1] % total, reverse=True
    )
    for place in by_remainder[: count - sum(whole)]:
        whole[place] += 1
    return [fault for (fault, _), times in zip(shares, whole, strict=True) for _ in range(times)]
