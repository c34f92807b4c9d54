"""The wire to Slack's message methods, and what its failures mean to us. What is said, and when, is decided elsewhere.

The client must not retry by itself (see ``bot.slack.client``): a post that timed out may have been made, so trying
again is for ``delivery`` to decide.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from typing import Any, Protocol
from urllib.error import URLError

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.controller.ports import CardRef, Clock
from bot.model.digits import whole_number
from bot.model.errors import Fault
from bot.slack.blocks import Block, Message
from bot.slack.charts import CHART
from bot.slack.codes import NO_SCOPE, NO_TOKEN, RESTRICTED, answer_code, needed_scope, remedy
from bot.words.sentence import Seconds, Text, said, together

log = structlog.get_logger(__name__)

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
TOO_LONG = "msg_blocks_too_long"
_BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", TOO_LONG, "block_mismatch"})


class SlackFault(Fault):
    """Slack did not take what we said."""

    def __init__(self, sentence: Text) -> None:
        super().__init__("Slack", sentence)


class RetryLater(SlackFault):
    """Nothing gets through for now, whatever it says: Slack cannot be reached, or does not know our token."""

    def __init__(self, sentence: Text, *, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(sentence)


class Limited(SlackFault):
    """Nothing was posted: Slack asks for silence on one method. The others go on."""

    def __init__(self, sentence: Text, *, seconds: float, method: str) -> None:
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

    def __init__(self, sentence: Text, code: str) -> None:
        self.code = code
        super().__init__(sentence)


class CardGone(SlackFault):
    """The card was deleted, or may not be edited any more."""


class BlocksRefused(SlackFault):
    """The workspace does not take these blocks; it may take plainer ones. Never leaves ``Channel``."""

    def __init__(self, sentence: Text, *, too_long: bool) -> None:
        self.too_long = too_long
        super().__init__(sentence)


class Form(Enum):
    """How much of Slack's newer blocks a message uses."""

    CHART = auto()
    NATIVE = auto()
    PLAIN = auto()
    TEXT = auto()


_NEW = frozenset({Form.CHART, Form.NATIVE})  # what a workspace may not have yet


class RefusedForms(Protocol):
    """What the workspace does not take, kept for all replicas and for the time after a restart."""

    def seconds_left(self, form: str) -> float:
        """How long it is not to be tried, 0 where it may be; raises ``Fault`` where that cannot be asked."""

    def remember(self, form: str, seconds: float) -> None:
        """It was refused, and is not to be tried for so long; raises ``Fault`` where that cannot be kept."""


class Channel:
    """Posts and edits, in whatever form the workspace takes."""

    def __init__(self, client: WebClient, clock: Clock, kept: RefusedForms | None = None) -> None:
        """``kept`` None: what the workspace does not take is known for as long as this process lives."""
        self._client = client
        self._clock = clock
        self._kept = kept
        self._refused_until: dict[Form, float] = {}

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
            raise RetryLater(error.sentence, seconds=10) from error
        except Limited as error:
            raise RetryLater(error.sentence, seconds=error.seconds) from error

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
        """Send the richest form the workspace takes: with a chart, native blocks, plain ones, or one paragraph.

        What it refuses it is not asked again for a day; a form that nobody takes says nothing about the workspace.
        """
        refused: dict[Form, BlocksRefused] = {}
        for form, blocks in _forms(message):
            if self._clock.now() < self._until(form):
                continue
            try:
                answer = send(blocks)
            except BlocksRefused as error:
                refused[form] = error
                continue
            # Too long is this message's own trouble, and says nothing about what the workspace takes.
            self._remember([one for one, why in refused.items() if one in _NEW and not why.too_long])
            return answer
        raise Refused(said("slack.fault_every_form")) from next(iter(refused.values()), None)

    def _until(self, form: Form) -> float:
        """Until when the workspace is not asked to take it. What is kept is read before the first such message."""
        if form in _NEW and form not in self._refused_until:
            try:
                left = self._kept.seconds_left(form.name.lower()) if self._kept is not None else 0.0
            except Fault as fault:  # a try that is refused costs less than a card that waits
                log.warning("slack.refused_forms_unknown", reason=fault.sentence)
                return 0.0
            self._refused_until[form] = self._clock.now() + left
        return self._refused_until.get(form, 0.0)

    def _remember(self, forms: Sequence[Form]) -> None:
        for form in forms:
            self._refused_until[form] = self._clock.now() + PLAIN_FOR
            try:
                if self._kept is not None:
                    self._kept.remember(form.name.lower(), PLAIN_FOR)
            except Fault as fault:  # this process knows it
                log.warning("slack.refused_form_not_kept", reason=fault.sentence)

    def _call(self, method: str, call: Callable[[], SlackResponse]) -> SlackResponse:
        """One call, with its failure in our words."""
        try:
            return call()
        except SlackApiError as error:
            raise _reading(method, error) from error
        except (TimeoutError, http.client.HTTPException, ConnectionResetError) as error:
            raise Ambiguous(said("slack.fault_late", method=method)) from error
        except (URLError, OSError) as error:
            raise RetryLater(said("slack.fault_unreached"), seconds=5) from error
        except (SlackClientError, json.JSONDecodeError) as error:
            raise Refused(said("slack.fault_unreadable", method=method)) from error


def _forms(message: Message) -> Iterator[tuple[Form, Sequence[Block]]]:
    """Every form there is of it, the richest first."""
    native = tuple(block for block in message.blocks if block["type"] != CHART)
    if len(native) < len(message.blocks):
        yield Form.CHART, message.blocks
    if native != message.plain:
        yield Form.NATIVE, native
    yield Form.PLAIN, message.plain
    yield Form.TEXT, ({"type": "section", "text": {"type": "mrkdwn", "text": message.text}},)


def _reading(method: str, error: SlackApiError) -> SlackFault:
    """What Slack's answer means for us."""
    code = answer_code(error)
    status = error.response.status_code if isinstance(error.response, SlackResponse) else 0
    if status == TOO_MANY_REQUESTS or code in {"ratelimited", "rate_limited"}:
        wait = retry_after(error)
        return Limited(said("slack.fault_limited", time=Seconds(wait), method=method), seconds=wait, method=method)
    if code in _BLOCKS_REFUSED:
        return BlocksRefused(said("slack.fault_blocks", code=code), too_long=code == TOO_LONG)
    if code in _CARD_GONE:
        return CardGone(said("slack.fault_card_gone", code=code))
    if code in _UNREACHABLE:
        return Unreachable(said("slack.fault_unreachable", code=code), code)
    if code in NO_TOKEN or code == NO_SCOPE:
        refused = said("slack.fault_refused", method=method, code=code)
        hint = said("slack.fault_token") if code in NO_TOKEN else remedy(code, needed_scope(error))
        return RetryLater(together((refused, hint or "")), seconds=30)
    # Server errors, and whatever is new.
    return (NoSuchMethod if code == "unknown_method" else Refused)(
        said("slack.fault_refused", method=method, code=code)
    )


def retry_after(error: SlackApiError) -> float:
    """Seconds Slack wants us to wait."""
    headers = error.response.headers if isinstance(error.response, SlackResponse) else {}
    value = next((v for k, v in dict(headers).items() if k.lower() == "retry-after"), "30")
    value = value[0] if isinstance(value, list) else value
    seconds = whole_number(str(value))
    return 30.0 if seconds is None else float(seconds)
