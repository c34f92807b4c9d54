"""The story that the pictures of README and docs are taken of: three releases, with all that people say in between."""

from __future__ import annotations

from collections.abc import Callable

from bot.model.rollout import HoldCause, Phase, Rollout
from sandbox.slack.model import Message
from tests.pictures.shot import Shot, of_message, of_view, of_window
from tests.pictures.stage import LENA, MAYA, OMAR, Stage

Take = Callable[[str, Shot], None]
FAILING = 0.3
PAST_MINUTES = 30  # of ordinary traffic, before anybody starts anything


def play(stage: Stage, take: Take) -> None:
    """Play it to its end; ``take`` is given what to picture, at the moment when it is to be seen."""
    story = Story(stage, take)
    story.before_anything()
    story.a_release_that_goes_bad()
    story.a_release_that_goes_well()
    story.a_promotion_that_is_taken_back()
    story.an_abort_that_is_rehearsed()
    story.an_upgrade_that_hangs()


class Story:
    """One playing of it."""

    def __init__(self, stage: Stage, take: Take) -> None:
        self._stage = stage
        self._take = take

    # Acts

    def before_anything(self) -> None:
        """Somebody looks around."""
        self._stage.pass_time(PAST_MINUTES * 60)
        self._answer("help", MAYA, "help")
        self._answer("services", MAYA, "services")
        self._answer("plan", MAYA, "plan reviews v2")
        self._answer("no-rollout", MAYA, "status")

    def a_release_that_goes_bad(self) -> None:
        """Started by the form, approved, held by a hand edit, and aborted when v2 fails."""
        stage = self._stage
        stage.types(MAYA, "start")
        self._take("start-form", of_view(stage.form(MAYA)))
        stage.fills_in(MAYA, service="reviews", version="v2")
        stage.minutes(1)
        self._card("mirroring")
        self._answer("status", LENA, "status reviews")
        self._answer("why", LENA, "why reviews")
        self._answer("pause", MAYA, "pause reviews")
        stage.sweep()
        self._card("paused")
        self._answer("resume", MAYA, "resume reviews")
        stage.until(_asked)
        self._card("question", OMAR)
        self._window("workspace", OMAR)
        self._home("home", OMAR)
        self._answer("not-yours", MAYA, "approve reviews")
        self._answer("approve", OMAR, "approve reviews")
        stage.until(lambda live: _at(live, 1))
        self._card("shifting")
        self._hand_edit()
        stage.until(lambda live: live and live.hold and live.hold.cause is HoldCause.DRIFT and live.hold.notified)
        self._card("drift", OMAR)
        self._answer("restore", OMAR, "restore reviews")
        stage.until(lambda live: live and live.hold is None)
        stage.until(lambda live: _at(live, 2))
        stage.minutes(1)
        self._answer("set", OMAR, "set reviews 30")
        stage.sweep()
        self._answer("back", MAYA, "back reviews")
        stage.minutes(1)
        stage.fails(v2=FAILING)
        stage.until(lambda live: live is None)
        stage.fails()
        self._card("aborted")
        self._newest("abort-told")
        self._answer("history", LENA, "history reviews")
        self._answer("retry", LENA, "retry reviews --from-stage --because the database is well again")
        stage.minutes(1)
        self._card("retried", OMAR)
        stage.types(LENA, "abort reviews not yet")
        stage.until(lambda live: live is None)

    def a_release_that_goes_well(self) -> None:
        """After a freeze: v3, to its end."""
        stage = self._stage
        self._answer("freeze", MAYA, "freeze reviews --for 2h v2 is being looked into")
        self._answer("frozen", LENA, "start reviews v3")
        self._answer("unfreeze", MAYA, "unfreeze reviews")
        self._begin(LENA, "start reviews v3")
        stage.until(_asked)
        stage.clicks(OMAR, "canary_approve")
        self._answer("list", LENA, "list")
        self._approve_to_the_end()
        self._card("promoted", LENA)
        self._newest("promotion-told")

    def a_promotion_that_is_taken_back(self) -> None:
        """v3 is not what it should be after all."""
        self._answer("rollback", MAYA, "rollback reviews")
        self._stage.sweep()
        self._approve_to_the_end()
        self._card("rolled-back", MAYA)

    def an_abort_that_is_rehearsed(self) -> None:
        """Nothing is wrong with v2."""
        self._answer("drill", MAYA, "drill reviews v2")
        self._stage.until(lambda live: live is None)
        self._card("drilled", MAYA)

    def an_upgrade_that_hangs(self) -> None:
        """The primary's new pods do not become ready: it halts, and people decide."""
        stage = self._stage
        stage.kube.deployments.start_seconds("default", "reviews-v1", None)
        self._begin(LENA, "start reviews v2")
        for _ in range(2):
            stage.until(_asked)
            stage.clicks(OMAR, "canary_approve")
        stage.until(lambda live: live and live.phase is Phase.HALTED)
        self._card("halted", OMAR)
        stage.types(OMAR, "abandon reviews")
        self._take("abandon-form", of_view(stage.form(OMAR)))

    # Pictures

    def _answer(self, name: str, who: str, words: str) -> None:
        answer = self._stage.types(who, words)
        assert answer is not None, f"/canary {words} was not answered"
        self._take(name, of_message(self._id(who), answer))

    def _card(self, name: str, who: str = MAYA) -> None:
        self._take(name, of_message(self._id(who), self._stage.card))

    def _newest(self, name: str) -> None:
        self._take(name, of_message(self._id(LENA), self._notified()))

    def _window(self, name: str, who: str) -> None:
        self._take(name, of_window(self._id(who), self._stage.card))

    def _home(self, name: str, who: str) -> None:
        self._stage.slack.open_home(who)
        view = self._stage.slack.workspace.home(who)
        assert view is not None
        self._take(name, of_view(view))

    # The rest

    def _begin(self, who: str, words: str) -> None:
        answer = self._stage.types(who, words)
        assert self._stage.store_says() is not None, answer

    def _approve_to_the_end(self) -> None:
        stage = self._stage
        while stage.store_says() is not None:
            stage.until(lambda live: live is None or _asked(live))
            if stage.store_says() is not None:
                stage.clicks(OMAR, "canary_approve")

    def _notified(self) -> Message:
        """What the whole channel was told last."""
        messages = self._stage.slack.workspace.messages("#releases")
        return [message for message in messages if message.broadcast][-1]

    def _hand_edit(self) -> None:
        """Somebody sends half of the users to each version, with kubectl."""
        vs = self._stage.kube.store.get("VirtualService", "default", "reviews")
        assert vs is not None
        for destination in vs["spec"]["http"][-1]["route"]:
            destination["weight"] = 50
        self._stage.kube.replace_as("kubectl-edit", vs)

    def _id(self, who: str) -> str:
        return self._stage.slack.workspace.user(who).id


def _asked(live: Rollout | None) -> bool:
    return live is not None and live.asked_at is not None


def _at(live: Rollout | None, stage: int) -> bool:
    """Whether users are on the canary, at the stage with this number."""
    return live is not None and live.phase is Phase.SHIFTING and live.stage >= stage and not _asked(live)
