"""The rules of a canary rollout: values in, values out.

Nothing here has a clock, a network, a log or a library. ``now`` (seconds since the epoch), ids and everything seen in
the world are arguments. Read in this order: ``model`` (what a rollout is), ``plans`` (its stages and what each says the
world must look like), ``machine`` (what may happen to it), ``gates`` (when figures are good enough), ``preflight``
(when a start is refused).
"""
