"""The rules of a canary rollout: values in, values out.

Nothing here has a clock, a network, a log or a library. ``now`` (seconds since the epoch), ids and everything seen in
the world are arguments. Read in this order: ``bot.model.rollout`` (what a rollout is), ``plans`` (its stages and what
each says the world must look like), ``decide`` (what may happen to it), ``compare`` and ``actions`` (what is not so
yet, and what to do about it). A notification is an ``Entry`` that one of these rules makes; ``bot.slack`` shows it.
"""
