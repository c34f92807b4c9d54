"""What kind of failure an API server's refusal is; the messages are what real servers send."""

from __future__ import annotations

import json

import pytest

from bot import redaction
from bot.adapters.kube_answers import Unanswered, answer_in, warnings_in
from bot.model.errors import Cause, Contended, Fault
from bot.words.rendering import plain

RBAC = (
    'deployments.apps "reviews-v1" is forbidden: User "system:serviceaccount:canary-bot:canary-bot" cannot patch '
    'resource "deployments" in API group "apps" in the namespace "default"'
)
AUTHORIZER = f"{RBAC}: the policy of the platform team says no"
QUOTA = (
    'deployments.apps "reviews-v1" is forbidden: exceeded quota: objects, requested: count/deployments.apps=1, '
    "used: count/deployments.apps=2, limited: count/deployments.apps=2"
)
LIMITS = 'pods "reviews-v1-abc" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
POLICY = (
    "deployments.apps \"reviews-v1\" is forbidden: ValidatingAdmissionPolicy 'images' with binding 'images' denied "
    "request: images come from our registry"
)
ENDING = (
    'deployments.apps "reviews-v1" is forbidden: unable to create new content in namespace default because it is being '
    "terminated"
)
WEBHOOK = 'admission webhook "validation.gatekeeper.sh" denied the request: [images] images come from our registry'
QUOTED = f'{WEBHOOK}: User "maya" cannot be trusted'
BROKEN = (
    'Internal error occurred: failed calling webhook "validate.kyverno.svc": failed to call webhook: Post '
    '"https://kyverno.kyverno.svc:443/validate": no endpoints available for service "kyverno"'
)


@pytest.mark.parametrize(
    ("status", "message", "cause"),
    [
        (401, "Unauthorized", Cause.FORBIDDEN),
        (403, RBAC, Cause.FORBIDDEN),
        (403, AUTHORIZER, Cause.FORBIDDEN),
        (403, "", Cause.FORBIDDEN),
        (403, QUOTA, Cause.REFUSED),
        (403, LIMITS, Cause.REFUSED),
        (403, POLICY, Cause.REFUSED),
        (403, ENDING, Cause.REFUSED),
        (403, WEBHOOK, Cause.REFUSED),
        (403, QUOTED, Cause.REFUSED),
        (400, WEBHOOK, Cause.REFUSED),
        (422, 'Deployment.apps "reviews-v1" is invalid: spec.replicas: Invalid value: -1', Cause.REFUSED),
        (405, "the server does not allow this method on the requested resource", Cause.REFUSED),
        (500, BROKEN, Cause.UNREACHABLE),
        (503, "the server is currently unable to handle the request", Cause.UNREACHABLE),
        (504, "request did not complete within requested timeout - context deadline exceeded", Cause.TIMED_OUT),
        (429, "too many requests, please try again later", Cause.UNREACHABLE),
    ],
)
def test_a_refusal_says_what_kind_of_failure_it_is(status: int, message: str, cause: Cause) -> None:
    body = json.dumps({"kind": "Status", "status": "Failure", "message": message, "code": status}).encode()

    with pytest.raises(Fault) as caught:
        answer_in(status, body, "patch Deployment default/reviews-v1")

    assert caught.value.cause is cause
    assert message in plain(caught.value.sentence)
    assert isinstance(caught.value, Unanswered) == (status >= 500 or status == 429)


def test_a_server_that_calls_itself_slow_has_timed_out_whatever_the_status() -> None:
    body = json.dumps({"kind": "Status", "reason": "ServerTimeout", "message": "The list operation ...", "code": 500})

    with pytest.raises(Unanswered) as caught:
        answer_in(500, body.encode(), "list Pods of default")

    assert caught.value.cause is Cause.TIMED_OUT


@pytest.mark.parametrize(("status", "cause"), [(403, Cause.FORBIDDEN), (502, Cause.UNREACHABLE), (200, None)])
def test_a_page_of_some_proxy_is_no_answer(status: int, cause: Cause | None) -> None:
    with pytest.raises(Unanswered) as caught:
        answer_in(status, b"<html>", "read Deployment default/reviews-v1")

    assert caught.value.cause is (cause or Cause.UNREACHABLE)


def test_a_conflict_stays_somebody_elses_write() -> None:
    with pytest.raises(Contended):
        answer_in(409, b'{"message": "the object has been modified"}', "update VirtualService default/reviews")


def test_what_somebody_repeats_of_our_credentials_is_not_repeated_to_people() -> None:
    redaction.forget()
    redaction.learn("opaque-hunter-elf")
    refusal = {"kind": "Status", "code": 403, "message": "x" * 490 + " the token opaque-hunter-elf is not known here"}

    with pytest.raises(Fault) as refused:
        answer_in(403, json.dumps(refusal).encode(), "write it")

    assert "hunter" not in plain(refused.value.sentence)
    assert "opaque-" not in plain(refused.value.sentence)  # nor a part of it, where the sentence was cut
    assert warnings_in(['299 - "opaque-hunter-elf is old"']) == ["… is old"]
