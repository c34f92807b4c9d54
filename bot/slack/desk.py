"""What each command and each button does: check who asks, ask the engine, answer the person. No Slack payloads here.

A refusal is raised, and told by whoever called. What succeeds is answered in a short line to the person alone;
everybody else sees the card. A freeze has no card, so it is announced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bot.controller.commands import Seen
from bot.controller.ports import Clock
from bot.rollout.errors import Fault, Refusal
from bot.rollout.freeze import ALL, Freeze, covering
from bot.rollout.model import Rollout
from bot.rollout.service import ApprovalRule
from bot.slack import answers, cards, freezes, views, wording
from bot.slack.approvers import Approvers, Person
from bot.slack.blocks import Message
from bot.slack.engine import Engine
from bot.slack.parsing import Command, Verb, parse, usage
from bot.slack.views import AbortForm, View


class Caller(Protocol):
    """The person at the other end, and the ways to answer them."""

    @property
    def person(self) -> Person:
        """Who it is."""

    @property
    def channel(self) -> str:
        """The id of the channel they are in, "" outside of channels."""

    @property
    def channel_name(self) -> str:
        """Its name without ``#``, "" where Slack does not say it."""

    def tell(self, answer: Message | str) -> None:
        """Answer the person; a string is a sentence of ours, not yet escaped."""

    def announce(self, message: Message) -> None:
        """Tell everybody where this was asked; whoever came where nobody else is hears it alone."""

    def show(self, view: View) -> None:
        """Open a form, where one can be opened.

        Raises:
            Refusal: not from here.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Answers commands, clicks and forms."""

    engine: Engine
    approvers: Approvers
    clock: Clock
    command: str

    def parse(self, text: str) -> Command:
        """What was typed.

        Raises:
            Refusal: no command.
        """
        return parse(text, [service.name for service in self.engine.services()], self.command)

    def serve(self, caller: Caller, asked: Command) -> None:
        """Do what a command asks.

        Raises:
            Refusal: it is not possible, or not theirs to ask.
        """
        if asked.verb is not Verb.HELP:
            self.approvers.check_member(caller.person)
        serve = self._questions().get(asked.verb) or self._deeds()[asked.verb]
        serve(caller, asked)

    def _questions(self) -> dict[Verb, Callable[[Caller, Command], None]]:
        return {
            Verb.STATUS: self._status,
            Verb.LIST: lambda caller, _asked: caller.tell(answers.live(self.engine.live(), self.command)),
            Verb.WHY: self._why,
            Verb.PLAN: self._plan,
            Verb.HISTORY: self._history,
            Verb.SERVICES: self._services,
            Verb.HELP: lambda caller, _asked: caller.tell(answers.help_text(self.command)),
        }

    def _deeds(self) -> dict[Verb, Callable[[Caller, Command], None]]:
        return {
            Verb.START: self._start,
            Verb.APPROVE: self._approve,
            Verb.ABORT: self._abort,
            Verb.PAUSE: lambda caller, asked: self._simple(caller, asked, self.engine.pause),
            Verb.RESUME: lambda caller, asked: self._simple(caller, asked, self.engine.resume),
            Verb.RETRY: lambda caller, asked: self._decide(caller, asked, self.engine.retry),
            Verb.ACCEPT: lambda caller, asked: self._decide(caller, asked, self.engine.accept),
            Verb.RESTORE: lambda caller, asked: self._decide(caller, asked, self.engine.restore),
            Verb.FREEZE: self._freeze,
            Verb.UNFREEZE: self._unfreeze,
        }

    # Clicks and forms

    def click(self, caller: Caller, action_id: str, value: str) -> None:
        """Do what a button says. Nothing is told on success: the card changes.

        Raises:
            Refusal: the button is old, or not theirs to press.
        """
        self.approvers.check_member(caller.person)
        holding = {
            cards.PAUSE_PREFIX: self.engine.pause,
            cards.RESUME_PREFIX: self.engine.resume,
            cards.LEAVE_PREFIX: self.engine.leave,
        }
        prefix = next((p for p in holding if value.startswith(p)), "")
        token = value.removeprefix(prefix)
        seen = Seen.read(token)
        rollout = self._seen(seen)
        match action_id:
            case cards.DETAILS:
                caller.show(views.details(rollout, self.engine.story(rollout)))
            case cards.ABORT:
                caller.show(views.abort_form(rollout, caller.channel))
            case cards.APPROVE:
                self._check_approver(caller, rollout)
                self.engine.approve(seen.service, by=caller.person.id, evidence=token)
            case cards.HOLD:
                holding.get(prefix, self.engine.pause)(seen.service, by=caller.person.id)
            case cards.RETRY | cards.ACCEPT | cards.RESTORE:
                self._check_approver(caller, rollout)
                self._decisions()[action_id](seen.service, by=caller.person.id)
            case _:
                raise Refusal("I do not know that button. Use the newest card of the rollout.")

    def abort(self, caller: Caller, form: AbortForm) -> None:
        """Do what the abort form says.

        Raises:
            Refusal: the rollout it is about is over.
        """
        self.approvers.check_member(caller.person)
        rollout = self._seen(form.seen)
        if rollout.ended:
            raise Refusal(f"{wording.title(rollout)} is over already ({rollout.phase}).")
        self.engine.abort(form.seen.service, by=caller.person.id, reason=form.reason)

    def start_form(self, caller: Caller, service: str | None = None) -> None:
        """Open the start form."""
        self.approvers.check_member(caller.person)
        try:
            frozen = self.engine.freezes()
        except Fault:
            frozen = ()  # whoever submits the form is told what is wrong
        services = self.engine.services()
        caller.show(views.start_form(services, caller.channel, service, frozen=frozen, command=self.command))

    def home(self, person: Person) -> View:
        """The App Home of this person."""
        live = self.engine.live()
        yours = [r for r in live if wording.needs_somebody(r) and self._may_decide(person, r)]
        past = [r for service in self.engine.services() for r in self.engine.history(service.name)[:5] if r.ended]
        past.sort(key=lambda rollout: rollout.ended_at or 0.0, reverse=True)
        others = [rollout for rollout in live if rollout not in yours]
        return views.home(yours, others, past, self.engine.freezes(), self.command, self.clock.now())

    # Questions

    def _status(self, caller: Caller, asked: Command) -> None:
        if asked.service is None and len(self.engine.live()) != 1:
            caller.tell(answers.live(self.engine.live(), self.command))
            return
        service = asked.service or self.engine.live()[0].service
        rollout = self.engine.active(service)
        if rollout is None:
            frozen = covering(self.engine.freezes(), service)
            now = self.clock.now()
            caller.tell(answers.idle(service, self.engine.history(service), frozen, now, self.command))
        else:
            caller.tell(answers.status(rollout, self.engine.story(rollout), self.clock.now()))

    def _why(self, caller: Caller, asked: Command) -> None:
        service = self._service(asked)
        rollout = self.engine.active(service) or next(iter(self.engine.history(service)), None)
        if rollout is None:
            raise Refusal(f"{service} has had no rollout yet.")
        caller.tell(answers.why(rollout, self.engine.story(rollout)))

    def _plan(self, caller: Caller, asked: Command) -> None:
        service = self._only_service(asked)
        caller.tell(answers.plan(service, asked.version, self.engine.plan(service, asked.version)))

    def _history(self, caller: Caller, asked: Command) -> None:
        service = self._service(asked)
        caller.tell(answers.history(service, self.engine.history(service)))

    def _services(self, caller: Caller, _asked: Command) -> None:
        in_flight = {rollout.service: rollout for rollout in self.engine.live()}
        caller.tell(answers.services(self.engine.services(), in_flight, self.engine.freezes()))

    # Deeds

    def _start(self, caller: Caller, asked: Command) -> None:
        if not asked.version:
            self.start_form(caller, asked.service)
            return
        service = self._only_service(asked)
        if asked.overrides.auto:  # it gives every approval in advance, so it is an approver's to give
            rules = {known.name: known.approvals for known in self.engine.services()}
            if service in rules:
                self.approvers.check_approver(caller.person, rules[service])
        # Always the service's own channel: whoever follows its releases follows that one, wherever this was typed.
        rollout = self.engine.start(service, asked.version, by=caller.person.id, channel="", overrides=asked.overrides)
        here = caller.channel_name and rollout.channel.lstrip("#") == caller.channel_name
        where = "the card is below" if here else f"the card is in {rollout.channel}"
        caller.tell(f"Started {rollout.service} {rollout.version}: {where}.")

    def _approve(self, caller: Caller, asked: Command) -> None:
        service = self._service(asked)
        self._check_approver(caller, self._live(service))
        rollout = self.engine.approve(service, by=caller.person.id, evidence=None)
        caller.tell(f"Noted. {wording.title(rollout)}: {wording.state(rollout)}.")

    def _abort(self, caller: Caller, asked: Command) -> None:
        rollout = self.engine.abort(self._service(asked), by=caller.person.id, reason=asked.reason)
        caller.tell(f"Aborting. {wording.title(rollout)}: {wording.state(rollout)}.")

    def _decide(self, caller: Caller, asked: Command, decision: Callable[..., Rollout]) -> None:
        """What only approvers may do."""
        self._check_approver(caller, self._live(self._service(asked)))
        self._simple(caller, asked, decision)

    def _simple(self, caller: Caller, asked: Command, change: Callable[..., Rollout]) -> None:
        rollout = change(self._service(asked), by=caller.person.id)
        caller.tell(f"Done. {wording.title(rollout)}: {wording.state(rollout)}.")

    def _freeze(self, caller: Caller, asked: Command) -> None:
        scope = self._only_service(asked)
        for before in self.engine.freezes():
            if before.scope == scope:
                self._check_may_end(caller, before)
        live = [rollout for rollout in self.engine.live() if scope in {ALL, rollout.service}]
        by = caller.person.id
        freeze, replaced = self.engine.freeze(scope, by=by, reason=asked.reason, seconds=asked.seconds)
        caller.announce(freezes.begun(freeze, replaced, live, self.command))

    def _unfreeze(self, caller: Caller, asked: Command) -> None:
        scope = self._only_service(asked)
        frozen = self.engine.freezes()
        freeze = next((one for one in frozen if one.scope == scope), None)
        if freeze is None:
            raise Refusal(freezes.not_frozen(scope, frozen, self.command))
        self._check_may_end(caller, freeze)
        left = [one for one in frozen if one != freeze and (scope == ALL or one.covers(scope))]
        self.engine.unfreeze(freeze, by=caller.person.id)
        caller.announce(freezes.ended(freeze, caller.person.id, left))

    def _decisions(self) -> dict[str, Callable[..., Rollout]]:
        engine = self.engine
        return {cards.RETRY: engine.retry, cards.ACCEPT: engine.accept, cards.RESTORE: engine.restore}

    # Who and which

    def _check_approver(self, caller: Caller, rollout: Rollout) -> None:
        self.approvers.check_approver(caller.person, rollout.approvals_rule)

    def _check_may_end(self, caller: Caller, freeze: Freeze) -> None:
        """To end somebody else's freeze, or to put another in its place, is a second person's decision.

        Raises:
            Refusal: they neither froze it nor are an approver of what is frozen.
        """
        if caller.person.id == freeze.by:
            return
        rules = [service.approvals for service in self.engine.services() if freeze.covers(service.name)]
        names = [] if any(not rule.approvers for rule in rules) else [name for rule in rules for name in rule.approvers]
        try:
            self.approvers.check_approver(caller.person, ApprovalRule(approvers=tuple(dict.fromkeys(names))))
        except Refusal as refusal:
            raise Refusal(freezes.not_theirs(freeze, self.clock.now(), refusal.sentence)) from refusal

    def _may_decide(self, person: Person, rollout: Rollout) -> bool:
        rule: ApprovalRule = rollout.approvals_rule
        own = person.id == rollout.started_by and not rule.own and wording.needs_approval(rollout)
        return not own and self.approvers.may_approve(person, rule)

    def _service(self, asked: Command) -> str:
        """The service meant: the one named, the only one in flight, or the only one there is.

        Raises:
            Refusal: it could be several.
        """
        if asked.service is not None:
            return asked.service
        live = sorted({rollout.service for rollout in self.engine.live()})
        if len(live) == 1:
            return live[0]
        if not live:
            return self._only_service(asked)
        raise Refusal(f"Which one: {', '.join(live)}? {usage(asked.verb, self.command)}")

    def _only_service(self, asked: Command) -> str:
        if asked.service is not None:
            return asked.service
        names = [service.name for service in self.engine.services()]
        if len(names) == 1:
            return names[0]
        raise Refusal(f"Which service: {', '.join(names[:20])}? {usage(asked.verb, self.command)}")

    def _live(self, service: str) -> Rollout:
        rollout = self.engine.active(service)
        if rollout is None:
            raise Refusal(
                f"{service} has no rollout in flight. Begin one with `{self.command} start {service} VERSION`."
            )
        return rollout

    def _seen(self, seen: Seen) -> Rollout:
        """The rollout a button or a form is about, live or ended; never a later one of the same service.

        Raises:
            Refusal: it is too long ago.
        """
        active = self.engine.active(seen.service)
        if active is not None and active.id == seen.rollout_id:
            return active
        past = next((r for r in self.engine.history(seen.service) if r.id == seen.rollout_id), None)
        if past is None:
            raise Refusal("That rollout is long over. The newest card has the buttons that count.")
        return past
