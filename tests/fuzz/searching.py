"""Looking for inputs that break the law, for a while: with atheris where it is installed, else with Hypothesis."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import mutated

LONGEST = 100_000  # bytes of an input
MEMORY = 1500  # MB for the process
SLOWED = 10.0  # seconds for one input: code that tells where it has been takes about ten times as long
OURS_OF_TEN = 7  # inputs that are made of trees, of ten; the others are libFuzzer's own


def search(name: str, seconds: float, folder: Path) -> None:
    """Give inputs to a target for ``seconds``, keep in ``folder`` what breaks the law, and print how many there were.

    With atheris the process ends here: libFuzzer does not come back.
    """
    if importlib.util.find_spec("atheris") is None:
        _search_at_random(name, seconds, folder)
    else:
        _search_guided(name, seconds, folder)


def _search_guided(name: str, seconds: float, folder: Path) -> None:
    import atheris  # noqa: PLC0415  # it is not there on every platform

    with atheris.instrument_imports(include=["bot"]):
        from tests.fuzz import targets  # noqa: PLC0415  # instruments what it imports

    try_one = _keeping(name, folder, longest=SLOWED)

    def other(data: bytes, most: int, seed: int) -> bytes:
        if seed % 10 < OURS_OF_TEN:
            return mutated(data, seed, most)
        changed: bytes = atheris.Mutate(data, most)
        return changed

    atheris.Setup(
        [sys.argv[0], f"-max_total_time={max(1, round(seconds))}", f"-max_len={LONGEST}", f"-rss_limit_mb={MEMORY}",
         "-timeout=20", "-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={folder}/",
         str(folder / "corpus"), str(targets.CORPUS / name)],
        try_one,
        custom_mutator=other,
    )  # fmt: skip
    (folder / "corpus").mkdir(exist_ok=True)
    atheris.Fuzz()


def _search_at_random(name: str, seconds: float, folder: Path) -> None:
    from tests.fuzz import targets  # noqa: PLC0415  # as above

    try_one, until, count = _keeping(name, folder, 1.0), time.monotonic() + seconds, 0

    @settings(max_examples=500, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(inputs(targets.seeds(name)))
    def some(data: bytes) -> None:
        nonlocal count
        if time.monotonic() < until:
            count += 1
            try_one(data)

    while time.monotonic() < until:
        some()
    print(f"inputs: {count}")


def inputs(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Seeds, changed a few times."""

    def changed(seed: bytes, changes: list[int]) -> bytes:
        for change in changes:
            seed = mutated(seed, change)
        return seed

    return st.builds(changed, st.sampled_from(seeds), st.lists(st.integers(0, 2**32), max_size=4))


def _keeping(name: str, folder: Path, longest: float) -> Callable[[bytes], None]:
    """Tries one input; the first that breaks the law at a place is kept, with what happened."""
    from tests.fuzz import law, targets  # noqa: PLC0415  # as above

    met: set[str] = set()
    folder.mkdir(parents=True, exist_ok=True)

    def try_one(data: bytes) -> None:
        try:
            law.obey(targets.TARGETS[name], data, longest)
        except law.Violation as violation:
            if violation.key in met:
                return
            met.add(violation.key)
            path = folder / hashlib.sha256(violation.key.encode()).hexdigest()[:12]
            path.write_bytes(data)
            path.with_suffix(".why").write_text(f"{violation.key}\n{violation}\n", errors="backslashreplace")

    return try_one
