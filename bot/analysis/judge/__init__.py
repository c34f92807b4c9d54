"""The judge: a sequential test that compares canary and primary by counts, however often it looks.

Pure: settings, history and intervals go in; a new state and an assessment come out. Read ``evidence`` (what one row
says), ``processes`` (how rows add up), ``dispersion`` (how bursty errors are), then ``judge`` (one interval more),
``state`` (what is remembered) and ``saved`` (the same as JSON), ``verdict`` (the answer), ``ratio``, ``forecast`` and
``wording`` (what people are shown), ``replay`` (recorded intervals, judged offline).

The promise: a canary no worse than the tolerance is aborted with probability at most ``alpha`` over the whole rollout,
however often we look. It is exact for independent requests; ``dispersion`` and the growth cap are there because real
errors come in bursts. It does not cover transients of the canary alone.
"""
