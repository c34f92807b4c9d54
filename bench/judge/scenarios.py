"""What is simulated: half an hour of a rollout, healthy in spite of some noise, or bad in some way from some moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product


class Noise(StrEnum):
    """What makes traffic unlike a textbook's, for healthy and bad canaries alike."""

    PLAIN = "plain"
    DIURNAL = "diurnal"  # load and errors rise and fall together on both versions
    INCIDENT = "common incident"  # 15 % errors on both versions for 4 min
    CLUSTER = "clustered errors"  # errors come six at a time
    DRIFT = "slow error noise"  # each version's share wanders by itself, over a minute
    WANDER = "slower error noise"  # the same over 5 min, longer than the longest block bursts are measured in
    BURSTS = "pod bursts"  # a pod fails 35 % of its requests for 35 s, each one every 35 min
    COLD = "cold start"  # the canary's first minute: latency x3, and 2 % errors for 20 s
    NODE = "slower node"  # the canary's latency is up to 10 % higher
    LOST = "scrapes lost"  # 15 % of them, and an outage of 2 min
    BLIP20 = "canary-only blip, 20 s"
    BLIP45 = "canary-only blip, 45 s"
    BLIP60 = "canary-only blip, 60 s"
    BLIP90 = "canary-only blip, 90 s"
    SLOW45 = "canary's latency x3, 45 s"


class Split(StrEnum):
    """How much traffic the canary gets."""

    FIVE = "5 %"
    TWENTY = "20 %"
    FIFTY = "50 %"
    MIRROR = "mirror"
    STAGED = "staged"


# (stage, its end in seconds, the canary's share; None: mirrored)
STAGES: tuple[tuple[str, int, float | None], ...] = (
    ("mirror", 300, None),
    ("5", 600, 0.05),
    ("20", 1200, 0.2),
    ("50", 1800, 0.5),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row of a table.

    Attributes:
        group: the table it belongs to.
        rps: requests per second of the whole service.
        base: the primary's share of errors.
        times, points: the canary's share of errors is ``times`` that, plus ``points``.
        share: or it is this.
        slower: the canary's latency is so many times the primary's.
        onset: seconds after which the canary is bad.
        copied: the share of the requests that a mirror copies; the others never fail.
        users_only: what fails is met by users alone; copies are healthy.
    """

    group: str
    rps: float
    base: float
    split: Split
    noise: Noise = Noise.PLAIN
    times: float = 1.0
    points: float = 0.0
    share: float | None = None
    slower: float = 1.0
    onset: int = 0
    copied: float = 1.0
    users_only: bool = False

    @property
    def name(self) -> str:
        """Also the seed."""
        late = f", from minute {self.onset // 60}" if self.onset else ""
        noise = f", {self.noise}" if self.noise is not Noise.PLAIN and not self.group.startswith(self.noise) else ""
        copied = f" of {self.copied * 100:g} %" if self.copied < 1 else ""
        copied += ", for users only" if self.users_only else ""
        return f"{self.group}{noise}{late}, {self.rps:g} rps, {self.split}{copied}, base {self.base * 100:g} %"

    @property
    def stages(self) -> tuple[tuple[str, int, float | None], ...]:
        """Name, end and the canary's share of each stage."""
        whole: dict[Split, tuple[tuple[str, int, float | None], ...]] = {
            Split.FIVE: (("5", 1800, 0.05),),
            Split.TWENTY: (("20", 1800, 0.2),),
            Split.FIFTY: (("50", 1800, 0.5),),
            Split.MIRROR: (("mirror", 1800, None),),
            Split.STAGED: STAGES,
        }
        return whole[self.split]


HEALTHY = "healthy"
SOME = "healthy, writes that never fail and are not copied"
WITHIN = "1.1x, within tolerance"
LIMIT = "at the limit"
MARGIN = "at the margin"
THIRTY, TEN, FIVE, TWO = "30 % errors", "x10", "x5", "x2"
SLOW, SLIGHTLY_SLOW = "latency x2", "latency x1.2"
RATES = (10.0, 100.0)
KNOWN_LIMITS = (Noise.WANDER, Noise.BLIP45)  # shown, not checked: the judge does abort some of these
BASES = (0.001, 0.01)


def healthy() -> Iterator[Scenario]:
    """Canaries that must not be aborted."""
    for rps, base, split in product(RATES, BASES, (Split.TWENTY, Split.FIVE, Split.MIRROR)):
        yield Scenario(group=HEALTHY, rps=rps, base=base, split=split)
    for rps in RATES:
        yield Scenario(group=HEALTHY, rps=rps, base=0.001, split=Split.STAGED)
        yield Scenario(group=SOME, rps=rps, base=0.01, split=Split.MIRROR, copied=0.7)
    yield Scenario(group=SOME, rps=100, base=0.01, split=Split.MIRROR, copied=0.1)
    for rps, base, split in product(RATES, BASES, (Split.TWENTY, Split.MIRROR)):
        yield Scenario(group=WITHIN, rps=rps, base=base, split=split, times=1.1)
    for noise in (noise for noise in Noise if noise not in (Noise.PLAIN, *KNOWN_LIMITS)):
        for rps, base in product(RATES, BASES):
            yield Scenario(group=noise, rps=rps, base=base, split=Split.TWENTY, noise=noise)
        yield Scenario(group=noise, rps=100, base=0.001, split=Split.STAGED, noise=noise)
    for known, base in product(KNOWN_LIMITS, BASES):
        yield Scenario(group=known, rps=100, base=base, split=Split.TWENTY, noise=known)
    for rps, base in product(RATES, BASES):
        yield Scenario(group=LIMIT, rps=rps, base=base, split=Split.TWENTY, times=1.25, points=0.0002)
        yield Scenario(group=MARGIN, rps=rps, base=base, split=Split.TWENTY, times=1.5, points=0.005)


def bad() -> Iterator[Scenario]:
    """Canaries that must be."""
    yield Scenario(group=THIRTY, rps=1, base=0.001, split=Split.TWENTY, share=0.3)
    for rps, split in product(RATES, (Split.TWENTY, Split.FIVE, Split.MIRROR)):
        yield Scenario(group=THIRTY, rps=rps, base=0.001, split=split, share=0.3)
    for rps in RATES:
        yield Scenario(group=TEN, rps=rps, base=0.001, split=Split.TWENTY, times=10)
        yield Scenario(group=FIVE, rps=rps, base=0.01, split=Split.TWENTY, times=5)
        yield Scenario(group=TWO, rps=rps, base=0.01, split=Split.TWENTY, times=2)
        yield Scenario(group=SLOW, rps=rps, base=0.001, split=Split.TWENTY, slower=2)
        yield Scenario(group=SLIGHTLY_SLOW, rps=rps, base=0.001, split=Split.TWENTY, slower=1.2)
        yield Scenario(group=FIVE, rps=rps, base=0.01, split=Split.MIRROR, times=5, copied=0.7)
    yield Scenario(group=FIVE, rps=100, base=0.001, split=Split.TWENTY, times=5)
    yield Scenario(group=FIVE, rps=10, base=0.01, split=Split.MIRROR, times=5)
    yield Scenario(group=FIVE, rps=1, base=0.01, split=Split.TWENTY, times=5)
    yield Scenario(group=THIRTY, rps=100, base=0.001, split=Split.STAGED, share=0.3, onset=900)
    yield Scenario(group=TEN, rps=100, base=0.001, split=Split.STAGED, times=10, onset=900)
    yield Scenario(group=TEN, rps=100, base=0.001, split=Split.TWENTY, times=10, noise=Noise.BURSTS)
    yield Scenario(group=TEN, rps=10, base=0.001, split=Split.TWENTY, times=10, noise=Noise.CLUSTER)
