#!/usr/bin/env bash
# Every test, in four parts; the later ones are run even where an earlier one failed, so that one run tells everything.
set -uo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE  # what was compiled is kept, or every process compiles every file again
failed=0

part() { .venv/bin/python -m pytest "$@" || failed=1; }

part -m "not sandbox" -n 4 --dist worksteal
# Stories and killed bots wait more than they work, so several are played at once, and the long ones first; schedules of
# faults need their processor.
part -m sandbox -n 5 --dist load --maxschedchunk 1 tests/sandbox/test_scenarios.py tests/sandbox tests/contract tests/pictures
part -m sandbox -n 4 --dist worksteal tests/crash
part -m sandbox -n 2 --dist worksteal tests/torture
exit $failed
