"""Who may do what: the bot everything until a test forbids it, and everybody else everything; each has a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.kube.errors import forbidden
from sandbox.kube.objects import Object
from sandbox.kube.writes import Target

USER = "system:serviceaccount:default:canary-bot"
OTHERS = "sandbox-token-of-others"  # made up, and only good here: of people with kubectl, and of their tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """One thing that is not allowed; ``namespace`` None means everywhere."""

    verb: str
    plural: str
    namespace: str | None = None

    def covers(self, verb: str, plural: str, namespace: str) -> bool:
        """Whether this denial is about that request."""
        return (self.verb, self.plural) == (verb, plural) and self.namespace in {None, namespace}


class Access:
    """RBAC, turned upside down: a list of denials."""

    def __init__(self) -> None:
        self.denials: tuple[Denial, ...] = ()

    def check(self, verb: str, target: Target) -> None:
        """Raise 403 when the request is denied."""
        plural = _with_subresource(target.kind.plural, target.subresource)
        if self._denied(verb, plural, target.namespace):
            raise forbidden(target.kind, target.name, user=USER, verb=verb, namespace=target.namespace)

    def review(self, body: Object) -> Object:
        """Answer a SelfSubjectAccessReview."""
        spec: dict[str, Any] = body.get("spec") or {}
        asked = spec.get("resourceAttributes") or {}
        plural = _with_subresource(asked.get("resource", ""), asked.get("subresource", ""))
        denied = self._denied(asked.get("verb", ""), plural, asked.get("namespace", ""))
        reason = "" if denied else 'RBAC: allowed by RoleBinding "canary-bot"'
        return {
            "kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "metadata": {},
            "spec": spec,
            "status": {"allowed": not denied, **({"reason": reason} if reason else {})},
        }

    def who(self) -> Object:
        """Answer a SelfSubjectReview."""
        return {
            "kind": "SelfSubjectReview",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"creationTimestamp": None},
            "status": {"userInfo": {"username": USER, "groups": ["system:serviceaccounts", "system:authenticated"]}},
        }

    def _denied(self, verb: str, plural: str, namespace: str) -> bool:
        return any(denial.covers(verb, plural, namespace) for denial in self.denials)


def _with_subresource(plural: str, subresource: str) -> str:
    return f"{plural}/{subresource}" if subresource else plural
