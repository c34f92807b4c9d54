"""What the API server says when it says no: one exception, worded and shaped as the real server's Status object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.kube.objects import Object
from sandbox.kube.resources import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One field at fault."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


@dataclass(slots=True)
class ApiError(Exception):
    """A refusal on its way to the client."""

    code: int
    reason: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    is_text: bool = False  # said by what stands before the API: no Status object, only its words

    def status(self) -> Object:
        """The Status object, as it goes over the wire."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({"details": self.details} if self.details else {}),
            "code": self.code,
        }


def _details(kind: Kind, name: str) -> dict[str, Any]:
    return {"name": name, **({"group": kind.group} if kind.group else {}), "kind": kind.plural}


def not_found(kind: Kind, name: str) -> ApiError:
    """404."""
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def already_exists(kind: Kind, name: str) -> ApiError:
    """409 for a create."""
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, why: str | None = None) -> ApiError:
    """409 for a write that was based on an older object."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


def invalid(what: str, kind: Kind, name: str, causes: Sequence[Cause]) -> ApiError:
    """422; ``what`` is the resource or the qualified kind, depending on the layer that found out."""
    text = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
    details = _details(kind, name) | {
        "kind": kind.kind,
        "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes],
    }
    shown = f"[{text}]" if len(causes) > 1 else text
    return ApiError(422, "Invalid", f'{what} "{name}" is invalid: {shown}', details)


def bad_patch(why: str) -> ApiError:
    """422 for a JSON patch that does not apply, a failed ``test`` for example."""
    causes = {"causes": [{"reason": "UnexpectedServerResponse", "message": why}]}
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", causes)


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(kind: Kind, name: str, *, user: str, verb: str, namespace: str) -> ApiError:
    """403, as RBAC words it."""
    scope = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    subject = f'{kind.resource} "{name}"' if name else kind.resource
    message = (
        f'{subject} is forbidden: User "{user}" cannot {verb} resource "{kind.plural}" '
        f'in API group "{kind.group}" {scope}'
    )
    return ApiError(403, "Forbidden", message, _details(kind, name))


def method_not_allowed() -> ApiError:
    """405."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def expired(asked: int, oldest: int) -> ApiError:
    """410: the change log no longer reaches back that far."""
    return ApiError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def expired_list(instead: str) -> ApiError:
    """410 for the rest of a list; ``instead`` is a token for what comes after it as it is now."""
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    return ApiError(410, "Expired", message, metadata={"continue": instead})


def unsupported_patch(accepted: Sequence[str]) -> ApiError:
    """415."""
    kinds = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {kinds}"
    return ApiError(415, "UnsupportedMediaType", message)


def admission_denied(webhook: str, why: str) -> ApiError:
    """400 from a validating webhook."""
    return ApiError(400, "BadRequest", f'admission webhook "{webhook}" denied the request: {why}')


def policy_denied(kind: Kind, name: str, why: str) -> ApiError:
    """422, as a ValidatingAdmissionPolicy without a reason of its own is answered for."""
    details = _details(kind, name) | {"causes": [{"message": why}]}
    return ApiError(422, "Invalid", f'{kind.resource} "{name}" is forbidden: {why}', details)


def injected(code: int, kind: Kind, name: str) -> ApiError:
    """The refusal a test asked for, in the words the real server uses for that code."""
    made: Mapping[int, ApiError] = {
        404: not_found(kind, name),
        409: conflict(kind, name),
        422: invalid(
            kind.qualified_kind, kind, name, [Cause(field="spec", message="Invalid value: injected by a test")]
        ),
        429: ApiError(
            429,
            "TooManyRequests",
            "Too many requests, please try again later.",
            headers={"Retry-After": "1"},
            is_text=True,
        ),
        500: ApiError(500, "InternalError", "Internal error occurred: etcdserver: request timed out"),
        503: ApiError(503, "ServiceUnavailable", "the server is currently unable to handle the request"),
        504: ApiError(504, "Timeout", "Timeout: request did not complete within requested timeout"),
    }
    return made.get(code) or ApiError(
        code, "Unknown", "an error on the server has prevented the request from succeeding"
    )
