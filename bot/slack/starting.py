"""Starting a rollout, from a command or from the form, which stays open until it is known what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.controller.controller_port import ControllerPort
from bot.model.errors import Fault, Refusal
from bot.model.rollout import Rollout
from bot.slack import forms
from bot.slack.approvers import Approvers
from bot.slack.caller import Caller
from bot.slack.forms import StartForm
from bot.slack.parsing import A_START, Command
from bot.slack.which import only_service, refuse_without_services
from bot.words.sentence import Text, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """What a start asks for, and what is said of it."""

    controller: ControllerPort
    approvers: Approvers

    def open(self, caller: Caller, asked: Command = A_START) -> None:
        """Open the form, with what was typed filled in.

        Raises:
            Refusal: nothing can be started.
        """
        self.approvers.check_member(caller.person)
        refuse_without_services(self.controller)
        form, voice = self._form(asked, caller.channel), caller.voice
        if form.chosen is None:
            caller.show(forms.start_form(form, voice))
            return
        # A trigger lives for three seconds and the API server may take longer, so something opens before it is asked.
        shown = caller.show(forms.listing(form.chosen, voice.command, voice))
        caller.replace(forms.start_form(self._with_versions(form), voice), shown)

    def service_chosen(self, caller: Caller, asked: Command) -> None:
        """Show the versions of the service that was chosen in the form.

        Raises:
            Refusal: they are nobody of this workspace.
        """
        self.approvers.check_member(caller.person)
        caller.replace(forms.start_form(self._with_versions(self._form(asked, caller.channel)), caller.voice))

    def submit(self, caller: Caller, asked: Command) -> None:
        """Start what the form says. The form stays open while it is checked, and says what came of it.

        Raises:
            Refusal, Fault: it was not started, and nobody looks at the form any more.
        """
        try:
            self.approvers.check_member(caller.person)
            rollout = self.start(caller, asked)
        except (Refusal, Fault) as error:
            if not self._answered(caller, asked, _found_by(error)):
                raise
            return
        except Exception:
            self._answered(caller, asked, (said("slack.start_failed"),))  # the form must not say that it checks
            raise
        if not caller.replace(forms.started(rollout, rollout.warnings, caller.voice)):
            caller.reply(forms.started_sentence(rollout))

    def start(self, caller: Caller, asked: Command) -> Rollout:
        """Start it, by ``Controller.start``, which is behind this port.

        Raises:
            Refusal, Fault: it was not started.
        """
        service = only_service(self.controller, asked)
        if asked.overrides.auto:  # it gives every approval in advance, so it is an approver's to give
            for known in self.controller.services():
                if service in {known.name, known.key}:
                    self.approvers.check_approver(caller.person, known.approvals)
        # Always the service's own channel: whoever follows its releases follows that one, wherever this was typed.
        return self.controller.start(
            service,
            asked.version,
            by=caller.person.id,
            channel="",
            overrides=asked.overrides,
            because=asked.reason,
        )

    def _answered(self, caller: Caller, asked: Command, findings: tuple[Text, ...]) -> bool:
        """Show what was found in the form; False where it is closed."""
        form = replace(self._form(asked, caller.channel), findings=findings)
        return caller.replace(forms.start_form(self._with_versions(form), caller.voice))

    def _form(self, asked: Command, channel: str) -> StartForm:
        try:
            frozen = self.controller.freezes()
        except Fault:
            frozen = ()  # whoever submits the form is told what is wrong
        return StartForm(services=self.controller.services(), channel=channel, asked=asked, frozen=frozen)

    def _with_versions(self, form: StartForm) -> StartForm:
        """The same with the versions there are; whoever cannot be told them types one."""
        if form.chosen is None:
            return form
        try:
            return replace(form, versions=self.controller.versions(form.chosen))
        except (Fault, Refusal):
            return form


def _found_by(error: Refusal | Fault) -> tuple[Text, ...]:
    """What stood against a start, the sentence that says what it comes to first."""
    if isinstance(error, Fault):
        return (said("slack.fault", system=error.system, why=error.sentence),)
    return (error.sentence, *error.reasons)
