"""Where a rollout's card is, as an address that opens it."""

from __future__ import annotations

from slack_sdk import WebClient

from bot.controller.ports import CardRef, Outbox
from bot.model.errors import Fault
from bot.model.rollout import Rollout
from bot.slack.requester import SLACK_FAILURES

MOST = 1000  # addresses remembered; a card never moves


class Permalinks:
    """Asks Slack once for each card."""

    def __init__(self, outbox: Outbox, client: WebClient) -> None:
        self._outbox = outbox
        self._client = client
        self._known: dict[CardRef, str] = {}

    def of(self, rollout: Rollout) -> str:
        """The address of the rollout's card; "" where there is none, or nobody can say now."""
        try:
            card = self._outbox.card(rollout.key, rollout.spec.id)
        except Fault:
            return ""
        if card is None:
            return ""
        if card not in self._known:
            found = self._ask(card)
            if not found:
                return ""
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[card] = found
        return self._known[card]

    def _ask(self, card: CardRef) -> str:
        try:
            answer = self._client.chat_getPermalink(channel=card.channel, message_ts=card.ts)
        except SLACK_FAILURES:
            return ""
        found = str(answer.get("permalink") or "")
        return found if found.startswith(("https://", "http://")) else ""
