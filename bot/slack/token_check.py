"""Whether Slack still knows the bot's token, and grants it what it needs; found out now and then, for readiness."""

from __future__ import annotations

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.codes import NO_SCOPE, NO_TOKEN, SCOPES, answer_code, granted, remedy
from bot.slack.requester import SLACK_FAILURES
from bot.words.sentence import Text

log = structlog.get_logger(__name__)


class TokenCheck:
    """``check`` asks; ``trouble`` is what came of it."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._found: Text | None = None

    def check(self) -> None:
        """Ask once; to be called about once a minute. Whoever does not answer has said nothing new."""
        try:
            scopes = granted(self._client.auth_test())
        except SlackApiError as error:
            code = answer_code(error)
            if code in NO_TOKEN:
                self._find(remedy(code))
            return
        except SLACK_FAILURES:
            return
        missing = sorted(SCOPES - (SCOPES if scopes is None else scopes))
        self._find(remedy(NO_SCOPE, ", ".join(missing)) if missing else None)

    def trouble(self) -> Text | None:
        """What is wrong, with what to do; None when nothing is known to be."""
        return self._found

    def _find(self, found: Text | None) -> None:
        if found and found != self._found:
            log.error("slack.token_refused", reason=found)
        self._found = found
