"""ValidatingAdmissionPolicies (admissionregistration.k8s.io/v1), as far as the rules in ``deploy`` need them.

CEL is cel-python's. Kubernetes compiles it with more libraries: of those the rules use ``split``, which is given here.
To Kubernetes values of different types are unequal and numbers are compared as numbers; cel-python calls that an error,
so ``==`` is given as well. As in the API server a missing field is an error and an error refuses (``failurePolicy:
Fail``), ``oldObject`` is null when something is made, and a policy without a binding does nothing.

Not here: what an expression may cost (Kubernetes: a million steps for each, ten million for a policy), its type
checker, params, selectors, ``messageExpression`` and ``authorizer``. ``variables`` are evaluated before they are
needed: a faulty one fails every rule that names it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import celpy
import celpy.evaluation
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

from sandbox.kube.objects import Object

_MODELLED = {"failurePolicy", "matchConstraints", "matchConditions", "variables", "validations"}

_VARIABLE = re.compile(r"\bvariables\.(\w+)")

Scope = dict[str, Any]
Part = Callable[["_Activation"], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One write on its way into the store: of a ``subresource`` the two objects are that one's."""

    user: str
    operation: str  # CREATE or UPDATE
    group: str
    version: str
    resource: str
    before: Object | None
    after: Object | None
    subresource: str = ""


class Policies:
    """The policies and bindings among some documents.

    Raises:
        ValueError: something in them is not modelled here.
        celpy.CELParseError: an expression does not compile.
    """

    def __init__(self, documents: Iterable[Object]) -> None:
        known = list(documents)
        policies = [one for one in known if one["kind"] == "ValidatingAdmissionPolicy"]
        self._actions = {
            one["spec"]["policyName"]: one["spec"]["validationActions"]
            for one in known
            if one["kind"] == "ValidatingAdmissionPolicyBinding"
        }
        self._policies = {one["metadata"]["name"]: Policy(one["spec"]) for one in policies}

    def refusals(self, review: Review) -> list[str]:
        """What the policies that deny have against it, as the API server says it; the server itself tells the first."""
        return [
            f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: {message}"
            for name, policy in self._policies.items()
            if "Deny" in self._actions.get(name, ())
            for message in policy.objections(review)
        ]


class Policy:
    """One of them, compiled."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        if unknown := spec.keys() - _MODELLED:
            raise ValueError(f"not modelled: {', '.join(sorted(unknown))}")
        self._rules = spec["matchConstraints"]["resourceRules"]
        self._conditions = [_compiled(one["expression"]) for one in spec.get("matchConditions", ())]
        self._variables = [(one["name"], one["expression"]) for one in spec.get("variables", ())]
        self._validations = [(one["message"], one["expression"]) for one in spec["validations"]]
        for _, expression in (*self._variables, *self._validations):
            _compiled(expression)

    def objections(self, review: Review) -> list[str]:
        """The messages of the rules that do not hold; none where it is not about this."""
        if not any(_covers(rule, review) for rule in self._rules):
            return []
        scope = _scope(review)
        if not all(_holds(condition, scope) for condition in self._conditions):
            return []
        self._add_variables(scope)
        return [
            message
            for message, rule in self._validations
            if not _knows(rule, scope) or not _holds(_compiled(rule), scope)
        ]

    def _add_variables(self, scope: Scope) -> None:
        variables = scope["variables"] = celtypes.MapType()
        for name, expression in self._variables:
            value = _value(_compiled(expression), scope) if _knows(expression, scope) else CELEvalError(name)
            if not isinstance(value, CELEvalError):
                variables[celtypes.StringType(name)] = value


def _knows(expression: str, scope: Scope) -> bool:
    """Whether it names only variables that could be evaluated: cel-python takes ages over errors within errors."""
    return all(name in scope["variables"] for name in _VARIABLE.findall(expression))


def account_of(manager: str) -> str:
    """Whose writes a field manager's are: the stand-in has one token for everybody."""
    ours = manager in {"canary-bot", "canary-bot-watchdog"}
    return f"system:serviceaccount:canary-bot:{manager}" if ours else manager


def _covers(rule: Mapping[str, Any], review: Review) -> bool:
    resource = f"{review.resource}/{review.subresource}" if review.subresource else review.resource
    asked = {
        "apiGroups": review.group,
        "apiVersions": review.version,
        "operations": review.operation,
        "resources": resource,
    }
    return all(value in rule[name] or "*" in rule[name] for name, value in asked.items())


def _scope(review: Review) -> Scope:
    request = {
        "operation": review.operation,
        "resource": {"group": review.group, "version": review.version, "resource": review.resource},
        "subResource": review.subresource,
        "userInfo": {"username": review.user},
    }
    return {
        "request": json_to_cel(request),
        "object": json_to_cel(review.after),
        "oldObject": json_to_cel(review.before),
    }


def _holds(rule: celpy.Runner, scope: Scope) -> bool:
    """An error holds nothing: what is not surely allowed is refused."""
    value = _value(rule, scope)
    return isinstance(value, bool | celtypes.BoolType) and bool(value)


def _value(program: celpy.Runner, scope: Scope) -> Any:
    try:
        return program.evaluate(scope)
    except CELEvalError as error:
        return error


def _equal(left: Any, right: Any) -> Any:
    """An error is equal to nothing, and stays one."""
    failed = [one for one in (left, right) if isinstance(one, CELEvalError)]
    return failed[0] if failed else celtypes.BoolType(_same(left, right))


def _unequal(left: Any, right: Any) -> Any:
    equal = _equal(left, right)
    return celtypes.BoolType(not equal) if isinstance(equal, celtypes.BoolType) else equal


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(_plain(left) == _plain(right))


def _plain(value: Any) -> Any:
    """As Python compares it: numbers as numbers, and true is none of them."""
    if isinstance(value, bool | celtypes.BoolType):
        return (bool(value),)
    return next((kind(value) for kind in (str, int, float) if isinstance(value, kind)), value)


def _split(text: celtypes.StringType, at: celtypes.StringType) -> celtypes.ListType:
    return celtypes.ListType([celtypes.StringType(part) for part in text.split(at)])


class _Activation:
    """What names mean: cel-python's own works out a type each time it looks one up."""

    def __init__(self, values: Scope) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise NameError(name) from None

    def nested_activation(self, vars: Scope) -> _Activation:  # noqa: A002  # cel-python's name
        """The same, and a variable of a macro."""
        return _Activation(self._values | vars)


def _result(activation: _Activation, part: Part) -> Any:
    """The value, or the error that it is."""
    try:
        return part(activation)
    except CELEvalError as error:
        return error
    except (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError) as error:
        return CELEvalError("no value", type(error), error.args)


def _all(activation: _Activation, variable: str, part: Part, values: Part) -> Any:
    each = (_result(activation.nested_activation(vars={variable: one}), part) for one in values(activation))
    return reduce(_and, each, celtypes.BoolType(True))


def _exists(activation: _Activation, variable: str, part: Part, values: Part) -> Any:
    each = (_result(activation.nested_activation(vars={variable: one}), part) for one in values(activation))
    return reduce(_or, each, celtypes.BoolType(False))


_and: Callable[[Any, Any], Any] = celpy.evaluation.eval_error("no such overload", TypeError)(celtypes.logical_and)
_or: Callable[[Any, Any], Any] = celpy.evaluation.eval_error("no such overload", TypeError)(celtypes.logical_or)


class _Program(celpy.CompiledRunner):
    """An expression as Python code, which is ten times as fast as to walk through its tree.

    What cel-python makes of it takes errors for true in ``all`` and ``exists``, lets some of Python's pass and answers
    ``has`` with a bool that is none of its own: those three are ours.
    """

    def __init__(self, environment: celpy.Environment, ast: Any, functions: Any = None) -> None:
        super().__init__(environment, ast, functions)
        text = _HAS.sub(r"\1celpy.celtypes.BoolType(\2)", self.tp.source_text)
        for ours in (_result, _all, _exists):
            text = text.replace(f"celpy.evaluation.{_THEIRS[ours]}(", f"{ours.__name__}(")
        self._names = vars(celpy.evaluation) | {one.__name__: one for one in _THEIRS}
        self._names |= {f"_{number}": celtypes.IntType(number) for number in _NUMBER.findall(text)}
        self._code = compile(_NUMBER.sub(r"_\1", text), "<cel>", "exec")  # a number is made once
        self._names["sandbox"] = sys.modules["sandbox"]  # whose our functions are

    def evaluate(self, context: Any) -> Any:
        """The value; names are each evaluation's own, and the original's all evaluations'."""
        names = self._names | {"base_activation": _Activation(context)}
        exec(self._code, names)  # noqa: S102  # made of our own rules
        if isinstance(value := names["CEL"], CELEvalError):
            raise value
        return value


_NUMBER = re.compile(r"celpy\.celtypes\.IntType\((\d+)\)")
_THEIRS = {_result: "result", _all: "macro_all", _exists: "macro_exists"}
_HAS = re.compile(r"^(ex_\d+ = lambda activation: )(not isinstance\(.*\))$", re.MULTILINE)
_FUNCTIONS = {"split": _split, "_==_": _equal, "_!=_": _unequal}


@cache
def _compiled(expression: str) -> celpy.Runner:
    environment = celpy.Environment(runner_class=_Program)
    return environment.program(environment.compile(expression), functions=_FUNCTIONS)
