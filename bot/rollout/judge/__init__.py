"""The judge: a sequential test that compares canary and primary by counts, however often it looks.

Pure: settings, history and intervals go in; a new state and an assessment come out. Read ``evidence`` (what one row
says), ``processes`` (how rows add up), ``dispersion`` (how bursty errors are), ``ratio`` (what people are shown), then
``judge`` (the verdict), ``saved`` (its state as JSON), ``wording`` (its sentences) and ``replay`` (recorded intervals,
judged offline).

The promise: a canary no worse than the tolerance is aborted with probability at most ``alpha`` over the whole rollout,
however often we look. It is exact for independent requests; ``dispersion`` and the growth cap are there because real
errors come in bursts. It does not cover transients of the canary alone.
"""
