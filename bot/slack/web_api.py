"""The wire to Slack's message methods, and what its failures mean to us. What is said, and when, is decided elsewhere.

The client must not retry by itself (see ``bot.slack.client``): a post that timed out may have been made, so trying
again is for ``delivery`` to decide.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.controller.ports import CardRef, Clock
from bot.model.errors import Fault
from bot.slack.blocks import Block, Message
from bot.slack.codes import NO_SCOPE, NO_TOKEN, RESTRICTED, answer_code, needed_scope, remedy

PLAIN_FOR = 24 * 3600.0  # seconds a workspace that refused the newer blocks is not asked again
CARD_EVENT = "canary_card"
TOO_MANY_REQUESTS = 429

_CARD_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
_UNREACHABLE = frozenset(
    {
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "is_inactive",  # the same, to an edit
        "no_permission",
        "user_not_in_channel",
        *RESTRICTED,
    }
)
_BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "block_mismatch"})


class SlackFault(Fault):
    """Slack did not take what we said."""

    def __init__(self, sentence: str) -> None:
        super().__init__("Slack", sentence)


class RetryLater(SlackFault):
    """Nothing gets through for now, whatever it says: Slack cannot be reached, or does not know our token."""

    def __init__(self, sentence: str, *, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(sentence)


class Limited(SlackFault):
    """Nothing was posted: Slack asks for silence on one method. The others go on."""

    def __init__(self, sentence: str, *, seconds: float, method: str) -> None:
        self.seconds = seconds
        self.method = method
        super().__init__(sentence)


class Refused(SlackFault):
    """Slack did not take this one. Whether others would pass is not known: it may be the message, or Slack."""


class NoSuchMethod(Refused):
    """Whoever answers there does not know the method, and would not know it the next time."""


class Ambiguous(SlackFault):
    """No answer came: the message may or may not have been posted."""


class Unreachable(SlackFault):
    """The channel is not one we can write to until a person changes something. ``code`` is Slack's word for why."""

    def __init__(self, sentence: str, code: str) -> None:
        self.code = code
        super().__init__(sentence)


class CardGone(SlackFault):
    """The card was deleted, or may not be edited any more."""


class BlocksRefused(SlackFault):
    """The workspace does not take these blocks; it may take plainer ones. Never leaves ``Channel``."""


class Channel:
    """Posts and edits, in whatever form the workspace takes."""

    def __init__(self, client: WebClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._plain_until = 0.0

    def post_card(self, channel: str, message: Message, rollout_id: str) -> CardRef:
        """Post a new card; its metadata says whose it is."""
        metadata = {"event_type": CARD_EVENT, "event_payload": {"rollout": rollout_id}}
        answer = self._in_some_form(
            message,
            lambda blocks: self._post(channel=channel, text=message.text, blocks=blocks, metadata=metadata),
        )
        return CardRef(channel=str(answer["channel"]), ts=str(answer["ts"]))

    def update_card(self, card: CardRef, message: Message) -> None:
        """Edit the card, or any message of ours; as often as you like, the last one wins."""

        def update(blocks: Sequence[Block]) -> SlackResponse:
            # Without blocks Slack would delete those it has, so the text is one.
            return self._client.chat_update(channel=card.channel, ts=card.ts, text=message.text, blocks=blocks)

        self._in_some_form(message, lambda blocks: self._call("chat.update", lambda: update(blocks)))

    def post_line(self, card: CardRef, message: Message, *, broadcast: bool) -> None:
        """Reply in the card's thread; ``broadcast`` shows the reply in the channel too."""
        self._in_some_form(
            message,
            lambda blocks: self._post(
                channel=card.channel,
                thread_ts=card.ts,
                reply_broadcast=broadcast,
                text=message.text,
                blocks=blocks,
            ),
        )

    def post_direct(self, user: str, message: Message) -> CardRef:
        """To one person, in their conversation with the app: Slack opens it by their id, without a further scope."""
        answer = self._in_some_form(message, lambda blocks: self._post(channel=user, text=message.text, blocks=blocks))
        return CardRef(channel=str(answer["channel"]), ts=str(answer["ts"]))

    def ping(self) -> None:
        """Ask Slack something harmless.

        Raises:
            RetryLater: it does not answer.
        """
        try:
            self._ask_harmlessly()
        except (Ambiguous, Refused) as error:
            raise RetryLater(str(error.sentence), seconds=10) from error
        except Limited as error:
            raise RetryLater(str(error.sentence), seconds=error.seconds) from error

    def _ask_harmlessly(self) -> None:
        try:
            self._call("api.test", self._client.api_test)
        except NoSuchMethod:  # what stands between us and Slack may let only some through
            self._call("auth.test", self._client.auth_test)

    def _post(self, **arguments: Any) -> SlackResponse:
        return self._call(
            "chat.postMessage",
            lambda: self._client.chat_postMessage(unfurl_links=False, unfurl_media=False, **arguments),
        )

    def _in_some_form(self, message: Message, send: Callable[[Sequence[Block]], SlackResponse]) -> SlackResponse:
        """Send the richest form the workspace takes: native blocks, plain ones, or one paragraph."""
        refused: BlocksRefused | None = None
        for native, blocks in self._forms(message):
            try:
                return send(blocks)
            except BlocksRefused as error:
                refused = error
                if native:
                    self._plain_until = self._clock.now() + PLAIN_FOR
        raise Refused("Slack refuses the message in every form.") from refused

    def _forms(self, message: Message) -> Iterator[tuple[bool, Sequence[Block]]]:
        if self._clock.now() >= self._plain_until and message.blocks != message.plain:
            yield True, message.blocks
        yield False, message.plain
        yield False, ({"type": "section", "text": {"type": "mrkdwn", "text": message.text}},)

    def _call(self, method: str, call: Callable[[], SlackResponse]) -> SlackResponse:
        """One call, with its failure in our words."""
        try:
            return call()
        except SlackApiError as error:
            raise _reading(method, error) from error
        except (TimeoutError, http.client.HTTPException, ConnectionResetError) as error:
            raise Ambiguous(f"Slack did not answer {method} in time.") from error
        except (URLError, OSError) as error:
            raise RetryLater("Slack cannot be reached.", seconds=5) from error
        except (SlackClientError, json.JSONDecodeError) as error:
            raise Refused(f"Slack answered {method} with something unreadable.") from error


def _reading(method: str, error: SlackApiError) -> SlackFault:
    """What Slack's answer means for us."""
    code = answer_code(error)
    status = error.response.status_code if isinstance(error.response, SlackResponse) else 0
    if status == TOO_MANY_REQUESTS or code in {"ratelimited", "rate_limited"}:
        wait = retry_after(error)
        return Limited(f"Slack asks for {wait:g} s of silence on {method}.", seconds=wait, method=method)
    if code in _BLOCKS_REFUSED:
        return BlocksRefused(f"Slack refuses the blocks ({code}).")
    if code in _CARD_GONE:
        return CardGone(f"The card is gone ({code}).")
    if code in _UNREACHABLE:
        return Unreachable(f"Slack lets me write nothing there ({code}). Am I invited to the channel?", code)
    if code in NO_TOKEN or code == NO_SCOPE:
        hint = "Is the bot's token still good?" if code in NO_TOKEN else remedy(code, needed_scope(error))
        return RetryLater(f"Slack refused {method} ({code}). {hint}", seconds=30)
    # Server errors, and whatever is new.
    return (NoSuchMethod if code == "unknown_method" else Refused)(f"Slack refused {method} ({code}).")


def retry_after(error: SlackApiError) -> float:
    """Seconds Slack wants us to wait."""
    headers = error.response.headers if isinstance(error.response, SlackResponse) else {}
    value = next((v for k, v in dict(headers).items() if k.lower() == "retry-after"), "30")
    value = value[0] if isinstance(value, list) else value
    return float(value) if str(value).isdigit() else 30.0
