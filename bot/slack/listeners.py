"""From Slack's payloads to the commands: acknowledge within three seconds, then do, then answer.

A listener that was reached too late does nothing: Slack has told the person that it failed, and a command that runs
anyway would run twice when they try again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from slack_bolt import Ack, App, BoltContext, BoltResponse, Respond

from bot.model.errors import Fault, Refusal
from bot.model.rollout import UserId
from bot.slack import forms
from bot.slack.accounts import SLACKBOT, Person
from bot.slack.app_home import OPEN_CARD
from bot.slack.app_home_refresh import AppHomes
from bot.slack.cards import ABORT, ACCEPT, APPROVE, DETAILS, PAUSE, RESTORE, RETRY, ROLLBACK, START_AGAIN
from bot.slack.client import CountingClient
from bot.slack.commands import Commands
from bot.slack.forms import FormErrors, View
from bot.slack.requester import Deduplication, Requester
from bot.words.rendering import Voice, plain
from bot.words.sentence import Code, said

TOO_LATE = 2.5  # seconds; Slack gives up at 3
# Seconds since a mention was written, by two machines' clocks. Slack delivers what nobody took again after one minute
# and after five, when whoever wrote it has long done something else, and what it says may mean another stage.
MENTIONED_FOR = 50.0
# Seconds until Slack surely shows what a submission was acknowledged with. What came of it travels another way, and
# must not be overtaken by "Checking".
SHOWN_AFTER = 0.7

Body = dict[str, Any]
Work = Callable[[], None]

log = structlog.get_logger(__name__)


class Listeners:
    """Everything the app listens to."""

    def __init__(
        self,
        commands: Commands,
        client: CountingClient,
        homes: AppHomes[Any],
        monotonic: Callable[[], float] = time.monotonic,
        deduplication: Deduplication | None = None,
        pause: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._commands = commands
        self._pause = pause
        self._client = client
        self._homes = homes
        self._monotonic = monotonic
        self._deduplication = deduplication or Deduplication()

    def register(self, app: App) -> None:
        """Connect everything."""
        app.use(self.stamp)
        app.command(self._commands.command)(self.on_command)
        for action_id in (APPROVE, PAUSE, ABORT, RETRY, ACCEPT, RESTORE, DETAILS, START_AGAIN, ROLLBACK):
            app.action(action_id)(self.on_click)
        app.action(forms.SERVICE_CHOSEN)(self.on_service_chosen)
        app.action(forms.NEW)(self.on_shortcut)
        app.action(OPEN_CARD)(lambda ack: ack())
        app.shortcut(forms.START)(self.on_shortcut)
        app.view(forms.START)(self.on_start_form)
        app.view(forms.ABORT_REASON)(self.on_abort_form)
        app.view(forms.ABANDON_REASON)(self.on_abandon_form)
        app.event("app_mention")(self.on_mention)
        app.event("app_home_opened")(self.on_home)
        for changed in ("subteam_members_changed", "subteam_updated"):
            app.event(changed)(self.on_groups_changed)
        app.error(self.on_error)

    def stamp(self, context: BoltContext, next: Callable[[], BoltResponse]) -> BoltResponse:  # noqa: A002  # Bolt's name
        """Note the arrival, before the listener waits for a free thread."""
        context["received_at"] = self._monotonic()
        return next()

    def on_command(self, ack: Ack, body: Body, context: BoltContext, respond: Respond) -> None:
        """``/canary ...``."""
        requester = self._requester(body, context, respond)
        if not self._in_time(ack, context, requester) or not self._deduplication.is_new(requester.trigger):
            return
        text = str(body.get("text") or "")
        self._answering(requester, lambda: self._commands.answer(requester, text))

    def on_click(self, ack: Ack, body: Body, context: BoltContext, respond: Respond) -> None:
        """A button of a card or of the App Home."""
        requester = self._requester(body, context, respond)
        if not self._in_time(ack, context, requester) or not self._deduplication.is_new(requester.trigger):
            return
        action = next(iter(body.get("actions") or ()), None)
        action_id, value = (str(forms.within(action, name) or "") for name in ("action_id", "value"))
        self._answering(requester, lambda: self._commands.click(requester, action_id, value))
        if forms.within(body, "view", "type") == "home":
            self._homes.open(requester.person)

    def on_shortcut(self, ack: Ack, body: Body, context: BoltContext) -> None:
        """The start form, from the shortcuts menu or from the App Home."""
        requester = self._requester(body, context, None)
        if self._in_time(ack, context, requester):
            self._answering(requester, lambda: self._commands.starting.open(requester))

    def on_service_chosen(self, ack: Ack, body: Body, context: BoltContext) -> None:
        """A service was chosen in the start form: its versions are shown."""
        view = found if isinstance(found := body.get("view"), dict) else {}
        asked = forms.read_chosen(view)
        requester = self._requester(body, context, None, str(forms.metadata(view).get("channel", "")))
        if self._in_time(ack, context, requester):
            self._answering(requester, lambda: self._commands.starting.service_chosen(requester, asked))

    def on_start_form(self, ack: Ack, body: Body, view: View, context: BoltContext) -> None:
        """The start form was submitted: what is wrong is said beside the fields, and it stays open meanwhile."""
        requester = self._requester(body, context, None, str(forms.metadata(view).get("channel", "")))
        voice = requester.voice
        try:
            asked = forms.read_start(view)
        except FormErrors as wrong:
            ack(response_action="errors", errors={where: plain(why, voice) for where, why in wrong.errors.items()})
            return
        checking = {"response_action": "update", "view": forms.checking(asked, voice)}
        if self._in_time(ack, context, requester, **checking) and self._deduplication.is_new(_submission(body, view)):
            self._pause(SHOWN_AFTER)
            self._answering(requester, lambda: self._commands.starting.submit(requester, asked))

    def on_abort_form(self, ack: Ack, body: Body, view: View, context: BoltContext) -> None:
        """The reason for an abort was given."""
        channel = str(forms.metadata(view).get("channel", ""))
        requester = self._requester(body, context, None, channel)
        if self._in_time(ack, context, requester) and self._deduplication.is_new(_submission(body, view)):
            self._answering(requester, lambda: self._commands.abort(requester, forms.read_reason(view)))

    def on_abandon_form(self, ack: Ack, body: Body, view: View, context: BoltContext) -> None:
        """The reason for abandoning a rollout was given, which confirms it."""
        channel = str(forms.metadata(view).get("channel", ""))
        requester = self._requester(body, context, None, channel)
        if self._in_time(ack, context, requester) and self._deduplication.is_new(_submission(body, view)):
            self._answering(requester, lambda: self._commands.abandon(requester, forms.read_reason(view)))

    def on_mention(self, event: Body, body: Body, context: BoltContext) -> None:
        """``@canary status``, which works inside threads, where slash commands do not."""
        if _is_programs(event) or not self._deduplication.is_new(str(body.get("event_id", ""))):
            return
        requester = Requester(
            person=self._person(event.get("user"), _senders_team(event, body), context),
            client=self._client,
            channel=str(event.get("channel", "")),
            voice=self._commands.voices.in_channel(str(event.get("channel", ""))),
            thread=str(event.get("thread_ts") or event.get("ts") or ""),
        )
        if not self._now() - _seconds(event.get("ts")) <= MENTIONED_FOR:  # whatever is no time is late as well
            log.warning("slack.mention_too_late", user=requester.person.id)
            requester.reply(said("slack.mention_late", seconds=round(MENTIONED_FOR)))
            return
        text = str(event.get("text") or "").partition(">")[2]
        self._answering(requester, lambda: self._commands.answer(requester, text))

    def on_home(self, event: Body, body: Body, context: BoltContext) -> None:
        """Somebody opened the App Home."""
        if event.get("tab", "home") == "home":
            self._homes.open(self._person(event.get("user"), body.get("team_id"), context))

    def on_groups_changed(self) -> None:
        """A user group changed: believe nothing remembered."""
        self._commands.approvers.forget()

    def on_error(self, error: Exception, body: Body, context: BoltContext) -> None:
        """What failed outside of ``_answering``."""
        self._unforeseen(self._requester(body, context, context.respond), error)

    def _answering(self, requester: Requester, work: Work) -> None:
        """Do the work; whatever comes of it is told to the person.

        Nothing may be raised from here: Bolt takes the acknowledgement back from a listener that raises at once, and
        Slack would say that the command failed.
        """
        try:
            work()
        except Refusal as refusal:
            log.info("slack.refused", user=requester.person.id, reason=refusal.sentence)
            requester.refuse(refusal)
        except Fault as fault:
            log.warning("slack.fault", user=requester.person.id, system=fault.system, reason=fault.sentence)
            requester.reply(said("slack.fault", system=fault.system, why=fault.sentence))
        except Exception as error:  # noqa: BLE001  # see above
            self._unforeseen(requester, error)

    def _unforeseen(self, requester: Requester, error: Exception) -> None:
        """A mistake of ours: the person gets an id, the log gets the rest."""
        error_id = uuid4().hex[:8]
        log.error("slack.listener_failed", error_id=error_id, exc_info=error)
        if requester.person.id:
            requester.reply(said("slack.unforeseen", id=Code(error_id)))

    def _in_time(self, ack: Ack, context: BoltContext, requester: Requester, **answer: Any) -> bool:
        """Acknowledge, with this answer, unless Slack has given up already."""
        if self._monotonic() - float(context["received_at"]) <= TOO_LATE:
            ack(**answer)
            return True
        log.warning("slack.too_late", user=requester.person.id)
        requester.reply(said("slack.too_late"))
        return False

    def _requester(self, body: Body, context: BoltContext, respond: Respond | None, channel: str = "") -> Requester:
        """Who sent the payload, in whichever of Slack's shapes."""
        where = channel or str(forms.within(body, "channel", "id") or body.get("channel_id") or "")
        name = str(forms.within(body, "channel", "name") or body.get("channel_name") or "")
        team = forms.within(body, "user", "team_id") or forms.within(body, "team", "id") or body.get("team_id")
        person = self._person(forms.within(body, "user", "id") or body.get("user_id"), team, context)
        return Requester(
            person=person,
            client=self._client,
            channel=where,
            channel_name=name,
            message=str(forms.within(body, "container", "message_ts") or ""),
            voice=self._voice(person, where, name),
            respond=respond if respond is not None and self._client.is_slacks(respond.response_url) else None,
            trigger=str(body.get("trigger_id") or ""),
            view=str(forms.within(body, "view", "id") or ""),
        )

    def _voice(self, person: Person, channel: str, name: str) -> Voice:
        """How somebody is answered: in the channel's language, and outside of channels as they read Slack."""
        if channel:
            return self._commands.voices.in_channel(channel, name)
        return self._commands.voices.of_reader(self._commands.approvers.known_language(person))

    def _person(self, user: object, team: object, context: BoltContext) -> Person:
        authorized = context.authorize_result
        home = (authorized.team_id if authorized is not None else None) or ""
        return Person(id=UserId(str(user or "")), team=str(team or ""), home=_served(home, self._client.workspace))


def _served(installed: str, meant: str) -> str:
    """The workspace that is served: of an app that is installed for a whole organisation, the one that was named."""
    return meant if meant and (not installed or installed.startswith("E")) else installed


def _is_programs(event: Body) -> bool:
    """Whether an app, a workflow or a reminder wrote the message."""
    program = event.get("bot_id") or event.get("bot_profile") or event.get("subtype") == "bot_message"
    return bool(program) or event.get("user") == SLACKBOT


def _senders_team(event: Body, body: Body) -> object:
    """The writer's own workspace. In a shared channel several fields name one; whichever is foreign counts."""
    named = [event[key] for key in ("user_team", "source_team", "team") if event.get(key)]
    return next((team for team in named if team != body.get("team_id")), body.get("team_id"))


def _seconds(ts: object) -> float:
    """When a message was written; long ago where Slack does not say it."""
    try:
        return float(str(ts))
    except ValueError:
        return -math.inf


def _submission(body: Body, view: View) -> str:
    """What tells one submission of a form from another; a form that is open can be submitted once as it is."""
    return f"{view.get('id')}:{view.get('hash')}" if view.get("id") else str(body.get("trigger_id") or "")
