"""``replace`` as ``dataclasses`` has it, quick for the one record that is copied several times at every reconcile.

A rollout has more than fifty fields, and going through its ``__init__`` takes longer than most of the rules that change
one of them. It keeps its fields in a ``__dict__``, so a copy is a copy of that.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

__all__ = ["replace"]

if TYPE_CHECKING:  # the checker knows the fields and their types
    from dataclasses import replace
else:

    def replace(record: Any, /, **changes: Any) -> Any:
        """The record with these fields changed; all others are the very same objects.

        Raises:
            TypeError: it has no such field.
        """
        fields = getattr(record, "__dict__", None)
        if fields is None or hasattr(record, "__post_init__") or not changes.keys() <= fields.keys():
            return dataclasses.replace(record, **changes)
        copied = object.__new__(type(record))
        copied.__dict__.update(fields, **changes)
        return copied
