"""The people of a schedule: they start, approve, answer alerts, and click too late and too often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from bot.controller.decisions import Abandon, By, Event, Pause, Restore, Resume, Retry
from bot.model.errors import CanaryError, Refusal
from bot.model.rollout import HoldCause, Phase, Rollout, UserId
from bot.words.rendering import plain
from bot.words.sentence import Sentence, Text
from tests.torture.rig import Rig

MAYA, OMAR, LENA = UserId("U0MAYA0001"), UserId("U0OMAR0001"), UserId("U0LENA0001")
SERVICE = "reviews"
EVENTS: Mapping[str, Event] = {"pause": Pause(), "resume": Resume(), "retry": Retry(), "restore": Restore()}
PATIENCE = 2  # how often they restore what somebody changed, before they give up


class Trouble(Protocol):
    """Where what must not happen is told."""

    def __call__(self, what: str) -> None: ...


class People:
    """They use the controller's commands, as every click and command does in the end."""

    def __init__(self, rig: Rig, violated: Trouble) -> None:
        self._rig = rig
        self._violated = violated
        self._tokens: list[str] = []
        self._halts = self._drifts = 0
        self.answer = True

    def start(self) -> bool:
        """Whether a rollout began."""
        return self._try(lambda: self._rig.bot.controller.start(SERVICE, "v2", by=MAYA))

    def answer_questions(self) -> None:
        """Approve what is asked for, and see to what holds it."""
        rollout = self._active()
        if rollout is None or not self.answer:
            return
        token = self._rig.bot.controller.button_token(rollout)
        if token not in self._tokens:
            self._tokens.append(token)
        if rollout.asked_at is not None and not rollout.approvals:
            self.approve(token)
        elif rollout.phase is Phase.HALTED:
            self._halts += 1
            self._command("retry" if self._halts == 1 else "abort")
        elif rollout.hold and rollout.hold.cause is HoldCause.DRIFT and rollout.hold.notified:
            self._drifts += 1
            self._command("restore" if self._drifts <= PATIENCE else "abort")

    def approve(self, token: str | None = None) -> None:
        """Click, or type."""
        self._try(lambda: self._rig.bot.controller.approve(SERVICE, by=OMAR, evidence=token), clicks=bool(token))

    def click_again(self) -> None:
        """The newest button, twice."""
        for token in self._tokens[-1:] * 2:
            self.approve(token)

    def click_late(self) -> None:
        """A button of some time ago. It must not count, unless it is still the one that is shown."""
        if len(self._tokens) < 2:  # the newest one is not late
            return
        rollout, token = self._active(), self._tokens[-2]
        current = rollout is not None and token == self._rig.bot.controller.button_token(rollout)
        # Somebody who has clicked nothing so far: the same click of the same person is answered as it was before.
        counted = self._try(lambda: self._rig.bot.controller.approve(SERVICE, by=LENA, evidence=token), clicks=True)
        if counted and not current:
            self._violated("a late click was counted")

    def abort(self) -> None:
        """Everyone back."""
        self._command("abort")

    def abandon(self) -> None:
        """Out of the bot's hands, as it is."""
        self._try(lambda: self._rig.bot.controller.decide(SERVICE, Abandon("nothing else helps"), By(id=OMAR)))

    def pause(self) -> Callable[[], None]:
        """Until somebody resumes."""
        self._command("pause")
        return lambda: self._command("resume")

    def nobody_answers(self) -> Callable[[], None]:
        """Until somebody does."""
        self.answer = False

        def back() -> None:
            self.answer = True

        return back

    def _command(self, name: str) -> None:
        controller = self._rig.bot.controller
        if name == "abort":
            self._try(lambda: controller.abort(SERVICE, by=OMAR, reason="looks bad"))
        else:
            self._try(lambda: controller.decide(SERVICE, EVENTS[name], By(id=OMAR)))

    def _active(self) -> Rollout | None:
        if self._rig.away:
            return None
        try:
            found: Rollout | None = self._rig.bot.controller.active(SERVICE)
        except CanaryError:
            return None
        return found

    def _try(self, command: Callable[[], object], *, clicks: bool = False) -> bool:
        """Whether it was done; a refusal or a fault is an answer like any other, anything else a crash."""
        if self._rig.away:
            return False  # Slack says so to whoever clicks
        try:
            command()
        except Refusal as refusal:
            if clicks and not names_something(refusal.sentence):
                self._violated(f"a refused click was not told what has changed: {plain(refusal.sentence)}")
            return False
        except CanaryError:
            return False
        return True


def names_something(text: Text) -> bool:
    """Whether a refusal says what is so now, or by whom or what it came: a fixed phrase says neither."""
    return isinstance(text, Sentence) and bool(text.args)
