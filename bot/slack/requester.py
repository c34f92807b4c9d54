"""A person who came through Slack, the ways to answer them, and how to tell that they came twice."""

from __future__ import annotations

import http.client
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.error import URLError

import structlog
from slack_bolt import Respond
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.model.errors import Fault, Refusal
from bot.slack.accounts import Person
from bot.slack.blocks import Message
from bot.slack.client import CountingClient
from bot.slack.codes import answer_code
from bot.slack.forms import View
from bot.slack.reply_messages import message_of
from bot.words.rendering import ENGLISH, Voice
from bot.words.sentence import Code, Text, said

REMEMBERED = 2000  # payloads recognised when Slack delivers them again
SLACK_FAILURES = (SlackClientError, URLError, OSError, http.client.HTTPException)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """A ``Caller`` who came through Slack.

    Attributes:
        respond: the payload's own way back, used where there is one; it works in channels the bot is not in.
        view: the form that they submitted, or chose something in.
        thread: where a mention is answered for everybody; None answers the person alone.
        voice: that of the channel they are in.
    """

    person: Person
    client: CountingClient
    channel: str = ""
    channel_name: str = ""
    message: str = ""
    respond: Respond | None = None
    trigger: str = ""
    view: str = ""
    thread: str | None = None
    voice: Voice = ENGLISH

    def reply(self, answer: Message | Text) -> None:
        """Answer where the question came from; a sentence that is no message goes to the person alone."""
        aloud = isinstance(answer, Message)
        self._answer(answer if isinstance(answer, Message) else message_of((answer,), self.voice), aloud=aloud)

    def whisper(self, message: Message) -> None:
        """Answer the person alone."""
        self._answer(message, aloud=False)

    def refuse(self, refusal: Refusal) -> None:
        """Tell the person alone why not, with every reason."""
        self._answer(message_of((refusal.sentence, *refusal.reasons), self.voice), aloud=False)

    def _answer(self, message: Message, *, aloud: bool) -> None:
        """A lost answer is logged: what was asked for is done all the same."""
        try:
            self._say(message, aloud=aloud)
        except SLACK_FAILURES as error:
            log.warning("slack.answer_lost", user=self.person.id, error=type(error).__name__)

    def announce(self, message: Message) -> None:
        """Tell everybody where the command was typed. A lost announcement is logged: what it is about is done."""
        try:
            if not self._responded(message, "in_channel"):
                self._say(message, aloud=True)
        except SLACK_FAILURES as error:
            log.warning("slack.announcement_lost", user=self.person.id, error=type(error).__name__)

    def show(self, view: View) -> str:
        """Open a form while the trigger lives; tells its id.

        Raises:
            Refusal: there is no trigger, or it is used up.
        """
        if not self.trigger:
            raise Refusal(said("slack.no_form_here", command=Code(self.voice.command)))
        try:
            answer = self.client.views_open(trigger_id=self.trigger, view=view)
        except SLACK_FAILURES as error:
            code = answer_code(error) if isinstance(error, SlackApiError) else type(error).__name__
            log.warning("slack.form_not_opened", error=code)
            raise Refusal(said("slack.form_not_opened")) from error
        return str((answer.get("view") or {}).get("id") or "")

    def replace(self, view: View, shown: str = "") -> bool:
        """Show this instead of the form ``shown``, or of the one that was submitted; False where it is closed."""
        if not (shown or self.view):
            return False
        try:
            self.client.views_update(view_id=shown or self.view, view=view)
        except SLACK_FAILURES as error:
            code = answer_code(error) if isinstance(error, SlackApiError) else type(error).__name__
            log.info("slack.form_not_replaced", error=code)
            return False
        return True

    def _say(self, message: Message, *, aloud: bool) -> None:
        if self._responded(message, "ephemeral"):
            return
        if self.thread and aloud:
            self.client.chat_postMessage(
                channel=self.channel, thread_ts=self.thread, text=message.text, blocks=message.plain
            )
        else:
            self._whisper(message)

    def _responded(self, message: Message, response_type: str) -> bool:
        """Answer through the address that came with the payload; False where there is none, or it is used up."""
        if self.respond is None:
            return False
        answer = {"text": message.text, "blocks": message.plain, "response_type": response_type}
        try:
            self.client.respond(self.respond, answer | {"replace_original": False})
        except SlackApiError as error:
            log.info("slack.response_refused", error=answer_code(error))
            return False
        return True

    def _whisper(self, message: Message) -> None:
        """To the person alone: in the channel where that works, else in the conversation with the app."""
        if self.channel:
            try:
                self.client.chat_postEphemeral(
                    channel=self.channel,
                    user=self.person.id,
                    thread_ts=self.thread,
                    text=message.text,
                    blocks=message.plain,
                )
            except SlackApiError as error:
                log.info("slack.whisper_refused", error=answer_code(error))
            else:
                return
        self.client.chat_postMessage(channel=self.person.id, text=message.text, blocks=message.plain)


class Deduplication:
    """Payloads seen before: Slack, or a proxy in front of us, may deliver one twice, and to two replicas.

    ``shared`` is what all replicas know together. While it cannot be asked, what this one knows is enough: a command
    served twice is at worst refused the second time.
    """

    def __init__(self, shared: Callable[[str], bool] = lambda _key: True) -> None:
        self._shared = shared
        self._shown: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, key: str) -> bool:
        """Whether this is the first time; no key is always new."""
        if not self._is_new_here(key):
            return False
        try:
            return not key or self._shared(key)
        except Fault as fault:
            log.warning("slack.repeats_unknown", reason=fault.sentence)
            return True

    def _is_new_here(self, key: str) -> bool:
        with self._lock:
            if key and key in self._shown:
                return False
            if key:
                self._shown[key] = None
            while len(self._shown) > REMEMBERED:
                self._shown.popitem(last=False)
            return True
