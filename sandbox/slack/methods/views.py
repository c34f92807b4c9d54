"""views.*: modals and App Home. The app's answer to a submission may carry a view as well, so ``build`` is shared."""

from __future__ import annotations

import secrets
from typing import Any

from sandbox.slack.methods.call import Answer, Call, Method, SlackError, accepted_blocks
from sandbox.slack.model import View
from sandbox.slack.wire import view_json
from sandbox.slack.workspace import Workspace

STACK = 3
LIMITS = {"title": 24, "submit": 24, "close": 24}


def open_view(call: Call) -> Answer:
    """views.open: a first modal, on the strength of a trigger id; it replaces whatever was open."""
    user = _acting_user(call)
    view = build(call.workspace, call.json("view"), user=user, view_id=call.workspace.new_id("V"))
    for open_one in call.workspace.views(user):
        call.workspace.close_view(open_one)
    return {"view": view_json(call.workspace.show(view))}


def push_view(call: Call) -> Answer:
    """views.push: another modal on top."""
    user = _acting_user(call)
    return {"view": view_json(push_on_top(call.workspace, user, call.json("view")))}


def update_view(call: Call) -> Answer:
    """views.update: by id or external id; a ``hash`` that is no longer current is refused."""
    view = call.workspace.view(call.text("view_id") or call.text("external_id"))
    if view is None:
        raise SlackError("not_found")
    _check_hash(call, view)
    return {"view": view_json(replace_with(call.workspace, view, call.json("view")))}


def publish_view(call: Call) -> Answer:
    """views.publish: one person's App Home."""
    user = call.user("user_id")
    known = call.workspace.home(user.id)
    if known is not None:
        _check_hash(call, known)
    body = call.json("view")
    view = build(call.workspace, body, user=user.id, view_id=known.id if known else call.workspace.new_id("V"))
    if view.type != "home":
        raise SlackError("invalid_arguments", "must be of type home [json-pointer:/view/type]")
    return {"view": view_json(call.workspace.show(view))}


def build(workspace: Workspace, body: object, *, user: str, view_id: str, below: View | None = None) -> View:
    """The view an app describes, if Slack would show it."""
    if not isinstance(body, dict) or body.get("type") not in {"modal", "home"}:
        raise SlackError("invalid_arguments", "missing required field: view")
    problems = list(_problems(body)) if body["type"] == "modal" else []
    if problems:
        raise SlackError("invalid_arguments", *problems)
    return View(
        id=view_id,
        user=user,
        type=body["type"],
        hash=f"{int(workspace.clock())}.{secrets.token_hex(4)}",
        title=_words(body, "title") or "",
        blocks=accepted_blocks(workspace, body.get("blocks"), body["type"], error="invalid_arguments"),
        callback_id=body.get("callback_id") or "",
        private_metadata=body.get("private_metadata") or "",
        external_id=body.get("external_id") or "",
        submit=_words(body, "submit"),
        close=_words(body, "close"),
        notify_on_close=bool(body.get("notify_on_close")),
        root_view_id=(below.root_view_id if below else view_id),
        previous_view_id=below.id if below else None,
    )


def replace_with(workspace: Workspace, view: View, body: object) -> View:
    """Show what ``body`` describes where ``view`` is."""
    stack = workspace.views(view.user)
    below = next((known for known in stack if known.id == view.previous_view_id), None)
    return workspace.replace_view(build(workspace, body, user=view.user, view_id=view.id, below=below))


def push_on_top(workspace: Workspace, user: str, body: object) -> View:
    """Show a modal above the others of this user, three at most."""
    stack = workspace.views(user)
    if len(stack) >= STACK:
        raise SlackError("push_limit_reached")
    below = stack[-1] if stack else None
    return workspace.show(build(workspace, body, user=user, view_id=workspace.new_id("V"), below=below))


def _acting_user(call: Call) -> str:
    user, refusal = call.tickets.use_trigger(call.text("trigger_id"))
    if refusal:
        raise SlackError(refusal)
    return user


def _check_hash(call: Call, view: View) -> None:
    if call.text("hash") not in {"", view.hash}:
        raise SlackError("hash_conflict")


def _problems(body: dict[str, Any]) -> list[str]:
    problems = []
    for key, limit in LIMITS.items():
        words = _words(body, key)
        if words is not None and not 1 <= len(words) <= limit:
            problems.append(f"must be less than {limit + 1} characters [json-pointer:/view/{key}/text]")
    if _words(body, "title") is None:
        problems.append("missing required field: title [json-pointer:/view]")
    if len(body.get("private_metadata") or "") > 3000:  # noqa: PLR2004 Slack's limit
        problems.append("must be less than 3001 characters [json-pointer:/view/private_metadata]")
    if len(body.get("callback_id") or "") > 255:  # noqa: PLR2004 Slack's limit
        problems.append("must be less than 256 characters [json-pointer:/view/callback_id]")
    kinds = [block.get("type") for block in body.get("blocks") or [] if isinstance(block, dict)]
    if "input" in kinds and _words(body, "submit") is None:
        problems.append("missing required field: submit, needed with input blocks [json-pointer:/view]")
    return problems


def _words(body: dict[str, Any], key: str) -> str | None:
    value = body.get(key)
    return str(value.get("text", "")) if isinstance(value, dict) else None


METHODS: dict[str, Method] = {
    "views.open": open_view,
    "views.push": push_view,
    "views.update": update_view,
    "views.publish": publish_view,
}
