"""The judge's second edition: to protect users and to condemn the canary are two decisions.

At low evidence everyone goes home and the canary keeps its copies (``STEP_BACK``): that is cheap, and undone when the
evidence was a blip (``GO_BACK``). An abort stays final and may take its time, because nobody is at risk meanwhile.

Pure, and on arrays: every value has any number of leading axes, one entry per rollout. The product judges one rollout
(no leading axis); a simulation judges thousands at once with the very same lines. Read ``baseline`` (what the primary's
last hour fixes), ``row_evidence`` (what one row says), ``mixture`` (how rows add up to an abort), ``noninferiority``
(to a pass), ``shield`` (to a step back), ``stretch`` (typical latency), then ``sequential`` (one row more), ``single``
(one rollout's intervals) and ``compact`` (what is remembered of it, as JSON).

The promise: a canary no worse than tolerated is aborted with probability at most ``alpha`` over the whole rollout,
whatever step backs and people decide meanwhile. A step back has no such promise; its rate is measured.
"""
