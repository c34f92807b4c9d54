"""A plugin of mypy: a sentence is made text by ``plain`` or ``parts``, in somebody's voice, and never by ``str``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mypy.plugin import FunctionContext, Plugin
from mypy.types import Instance, Type, UnionType, get_proper_type

SENTENCE = "bot.words.sentence.Sentence"


class Sentences(Plugin):
    """Looks at each call of ``str``: ``Sentence.__str__`` raises, and it is better known before."""

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """As mypy asks for it."""
        return _checked if fullname == "builtins.str" else None


def _checked(call: FunctionContext) -> Type:
    given = [one for types in call.arg_types for kind in types for one in _each(kind)]
    if any(isinstance(one, Instance) and one.type.fullname == SENTENCE for one in given):
        call.api.fail("A sentence is made text by plain() or parts(), in somebody's voice", call.context)
    return call.default_return_type


def _each(kind: Type) -> Iterator[Type]:
    proper = get_proper_type(kind)
    if isinstance(proper, UnionType):
        for item in proper.items:
            yield from _each(item)
    else:
        yield proper


def plugin(_version: str) -> type[Plugin]:
    """What mypy looks for."""
    return Sentences
