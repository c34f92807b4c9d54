"""ValidatingAdmissionPolicies (admissionregistration.k8s.io/v1), as far as the rules in ``deploy`` need them.

CEL is cel-python's. Kubernetes compiles it with more libraries: of those the rules use ``split``, which is given here. As
in the API server a missing field is an error and an error refuses (``failurePolicy: Fail``), ``oldObject`` is null when
something is made, and a policy without a binding does nothing. Not here: limits on what an expression may cost
(Kubernetes: a million steps for each, ten million for a policy), its type checker, params, selectors, ``messageExpression``
and ``authorizer``. ``variables`` are evaluated before they are needed: a faulty one fails the rules that use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import celpy
from celpy import celtypes

from sandbox.kube.objects import Object

_MODELLED = {"failurePolicy", "matchConstraints", "matchConditions", "variables", "validations"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One write on its way into the store: of a ``subresource`` the two objects are that one's."""

    user: str
    operation: str  # CREATE, UPDATE or DELETE
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
        self.policies = {one["metadata"]["name"]: Policy(one["spec"]) for one in policies}

    def refusals(self, review: Review) -> list[str]:
        """What the policies that deny have against it, as the API server says it."""
        return [
            f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: {message}"
            for name, policy in self.policies.items()
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
        self._variables = {one["name"]: _compiled(one["expression"]) for one in spec.get("variables", ())}
        self._validations = [(one["message"], _compiled(one["expression"])) for one in spec["validations"]]

    def is_about(self, review: Review) -> bool:
        """Whether it is asked at all."""
        scope = _scope(review)
        return any(_covers(rule, review) for rule in self._rules) and all(_holds(one, scope) for one in self._conditions)

    def objections(self, review: Review) -> list[str]:
        """The messages of the rules that do not hold; none where it is not about this."""
        if not self.is_about(review):
            return []
        scope = _scope(review)
        variables = scope["variables"] = celtypes.MapType()
        for name, variable in self._variables.items():
            value = _value(variable, scope)
            if not isinstance(value, celpy.CELEvalError):
                variables[celtypes.StringType(name)] = value
        return [message for message, rule in self._validations if not _holds(rule, scope)]


def _covers(rule: Mapping[str, Any], review: Review) -> bool:
    resource = f"{review.resource}/{review.subresource}" if review.subresource else review.resource
    asked = {
        "apiGroups": review.group,
        "apiVersions": review.version,
        "operations": review.operation,
        "resources": resource,
    }
    return all(value in rule[name] or "*" in rule[name] for name, value in asked.items())


def _scope(review: Review) -> dict[str, Any]:
    request = {
        "operation": review.operation,
        "resource": {"group": review.group, "version": review.version, "resource": review.resource},
        "subResource": review.subresource,
        "userInfo": {"username": review.user},
    }
    return {
        "request": celpy.json_to_cel(request),
        "object": celpy.json_to_cel(review.after),
        "oldObject": celpy.json_to_cel(review.before),
    }


def _holds(rule: celpy.Runner, scope: dict[str, Any]) -> bool:
    """An error holds nothing: what is not surely allowed is refused."""
    value = _value(rule, scope)
    return isinstance(value, bool | celtypes.BoolType) and bool(value)


def _value(program: celpy.Runner, scope: dict[str, Any]) -> Any:
    try:
        return program.evaluate(scope)
    except celpy.CELEvalError as error:
        return error


def _split(text: celtypes.StringType, at: celtypes.StringType) -> celtypes.ListType:
    return celtypes.ListType([celtypes.StringType(part) for part in text.split(at)])


@cache
def _compiled(expression: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(expression), functions={"split": _split})
