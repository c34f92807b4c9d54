"""As much of PromQL as anybody asks a stand-in Prometheus: a real parser and a real evaluation, over samples of any
origin.

What is not understood is refused, as Prometheus refuses it: a query that a stand-in half understands proves nothing.
"""

from __future__ import annotations

from sandbox.promql.evaluation import Answer, Database, Labels, Matrix, Point, Series, Vector, evaluate
from sandbox.promql.parsing import Matcher, QueryError, parse

__all__ = [
    "Answer",
    "Database",
    "Labels",
    "Matcher",
    "Matrix",
    "Point",
    "QueryError",
    "Series",
    "Vector",
    "evaluate",
    "parse",
]
