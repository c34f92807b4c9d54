"""Are the figures good: gates, the sequential judge, harm of mirroring. Pure.

A new gate is a file in ``gates``; ``analysis`` calls it, with the figures of the stage and of the last minute.
"""
