"""Are the figures good: gates, the sequential judge, harm of mirroring. Pure.

A new gate is a limit in ``gates`` or, where it compares both sides, a module of its own that ``analysis`` calls.
"""
