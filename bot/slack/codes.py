"""What Slack's short words for a failure mean for whoever set the app up, and how long lists are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.words.sentence import Channel, Code, Text, said, together

PAGES = 20  # of a list, at the most: a workspace may have tens of thousands of channels

# What the bot asks of Slack beside its own commands and mentions; deploy/slack-manifest.yaml grants it.
SCOPES = frozenset({"channels:read", "chat:write", "groups:read", "usergroups:read"})
# Without it nobody can tell bots and deactivated accounts from people; everything else works.
ACCOUNT_SCOPE = "users:read"
_CODE = re.compile(r"[a-z_]{1,60}")
NO_TOKEN = frozenset({"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"})
# Only some people may post there. The first is also what is said of a channel that Slack's lists show to be so.
RESTRICTED = ("restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel")
NO_SCOPE = "missing_scope"
_PAID = frozenset({"plan_upgrade_required", "paid_teams_only", "paid_only"})
# What methods answer to a token of an org-wide install (Enterprise Grid), which belongs to no workspace.
_ORG_WIDE = frozenset({"missing_argument", "org_login_required", "team_access_not_granted", "team_not_found"})

ORG_WIDE = said("slack.org_wide", bot="SLACK_BOT_TOKEN", team="SLACK_TEAM_ID")


def remedy(code: str, scope: str = "") -> Text:
    """What to do about it, as a sentence; "" where it is nothing of the app's set-up."""
    if code == NO_SCOPE:
        names = tuple(one.strip() for one in scope.split(",") if one.strip())
        return said("slack.lacks_scopes", names=names, n=len(names)) if names else said("slack.lacks_a_scope")
    if code in NO_TOKEN:
        return said("slack.no_token", code=code, bot="SLACK_BOT_TOKEN")
    if code in _ORG_WIDE:
        return together((said("slack.which_workspace", code=code), ORG_WIDE))
    if code in _PAID:
        return said("slack.no_groups", code=code, setting=Code("approvers"))
    return ""


def why_closed(channel: str, code: str) -> Text:
    """Why nothing can be posted in a channel, where nothing more is known than Slack's short word."""
    return remedy(code) or said("slack.room_closed", where=Channel(channel), code=code)


def answer_code(error: SlackApiError) -> str:
    """Slack's short word for what is wrong, such as ``not_in_channel``; never a page that some proxy sent instead."""
    data = error.response.data if isinstance(error.response, SlackResponse) else error.response
    code = str(data.get("error", "")) if isinstance(data, dict) else ""
    return code if _CODE.fullmatch(code) else "no readable answer"


def needed_scope(error: SlackApiError) -> str:
    """The scope whose lack Slack complains of, "" where it does not say."""
    data = error.response.data if isinstance(error.response, SlackResponse) else error.response
    return str(data.get("needed", "")) if isinstance(data, dict) else ""


def granted(answer: SlackResponse) -> frozenset[str] | None:
    """The token's scopes, which Slack says in every answer's headers; None where a proxy has taken them out."""
    headers = {str(name).lower(): value for name, value in dict(answer.headers or {}).items()}
    header = headers.get("x-oauth-scopes")
    if header is None:
        return None
    text = header[0] if isinstance(header, list) and header else header
    return frozenset(one.strip() for one in str(text).split(",") if one.strip())


def pages(ask: Callable[[str], dict[str, Any]], most: int = PAGES) -> Iterator[dict[str, Any]]:
    """Each page of a list; ``ask`` gets the cursor of the page, "" for the first."""
    cursor = ""
    for _ in range(most):
        page = ask(cursor)
        yield page
        cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            return
