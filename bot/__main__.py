"""The command line: arguments, exit codes (0 ok, 1 the answer is no, 2 usage), and nothing else."""

from __future__ import annotations

import argparse
import getpass
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from bot import bootstrap, logs, redaction
from bot.adapters.clock import stopwatch
from bot.analysis.judge.replay import DEFAULTS, replay
from bot.analysis.judge.second.recorded import replay_second
from bot.app import Bot
from bot.cli import ignore_rules, init, objects, status, watchdog
from bot.cli.check import check
from bot.cli.record import Wanted, record
from bot.cluster.gitops import Tool
from bot.controller.controller import Controller
from bot.controller.decisions import Abandon, By
from bot.model.errors import CanaryError, Refusal
from bot.model.freeze import covering
from bot.model.judge_settings import SECOND, STRICTNESS, for_edition
from bot.model.rollout import UserId
from bot.model.story import EntryKind
from bot.probes import OwnMetrics
from bot.probes.failure_log import Failures
from bot.rollout.phrases import status_text
from bot.settings.env import Settings, environment, read_settings, spoken
from bot.settings.services import read_services
from bot.settings.types import parse_duration
from bot.words.rendering import ENGLISH, Voice, plain
from bot.words.sentence import Text, said

ENV_FILE = Path(".env")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors are sentences on standard error."""
    arguments = _parser().parse_args(argv)
    try:
        code = _command(arguments)
        sys.stdout.flush()  # here, where a closed pipe can be answered for
    except CanaryError as error:
        _complain(f"{plain(error.text, spoken(environment(), ENV_FILE))}\n")
    except BrokenPipeError:  # `check | head`: whoever read has what they wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python flushes into it once more at its end
    except KeyboardInterrupt:
        pass
    except Exception:  # noqa: BLE001  # a mistake of ours; Python's own traceback may quote a secret
        _complain(traceback.format_exc())
    else:
        return code
    return 1


def _command(arguments: argparse.Namespace) -> int:
    if arguments.command == "version":  # asked for when nothing is set up yet
        _say([version("canary-bot")])
        return 0
    if arguments.command == "replay":  # needs no connection, so hardly any settings
        return _replay(arguments)
    settings = read_settings(environment(), ENV_FILE)
    if arguments.run in {_run, _watchdog}:
        logs.configure(settings.log_format, settings.log_level)
        logs.log_uncaught()
    else:  # standard output is the answer there, and it says what a library could not reach
        logs.configure(settings.log_format, settings.log_level, sys.stderr, libraries_least=logging.CRITICAL)
    command: Callable[[Settings, argparse.Namespace], int] = arguments.run
    return command(settings, arguments)


def _complain(text: str) -> None:
    print(redaction.redact(text), file=sys.stderr, end="")  # noqa: T201  # what the person at the shell reads


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="canary-bot", description="Mirrored canary releases on Istio, run from Slack."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Settings, argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about)
        made.set_defaults(run=run)
        return made

    command("run", _run, "run the bot until it is told to stop")
    command("watchdog", _watchdog, "bring users to safety when nobody looks after a rollout any more")
    command("check", _check, "check the configuration and every connection")
    plan = command("plan", _plan, "show every object a rollout would write")
    plan.add_argument("service")
    plan.add_argument("version")
    plan.add_argument("--output", choices=("yaml", "json"), default="yaml")
    first = command("init", _init, "show what a service's Gateway, DestinationRule, VirtualService and Service lack")
    first.add_argument("service")
    first.add_argument("--apply", action="store_true", help="write it, step by step, each proven by live figures")
    kept = command("gitops", _gitops, "show the rules that make a GitOps tool leave alone what a rollout writes")
    kept.add_argument("service")
    kept.add_argument("version", nargs="?", help="one that runs; the newest by default")
    kept.add_argument(
        "--tool", choices=[tool.value for tool in Tool], help="the tools that keep the objects by default"
    )
    shown = command("status", _status, "show live rollouts")
    shown.add_argument("service", nargs="?")
    abort = command("abort", _abort, "send everyone back to the healthy side")
    abort.add_argument("service")
    abort.add_argument("--reason", required=True)
    abandon = command("abandon", _abandon, "end a rollout's record and leave users and images as they are")
    abandon.add_argument("service")
    abandon.add_argument("--reason", required=True)
    past = command("history", _history, "show past rollouts")
    past.add_argument("service", nargs="?")
    recorded = commands.add_parser("replay", help="judge recorded intervals offline")
    recorded.add_argument("file", type=Path, metavar="FILE", help="JSON Lines, one interval each")
    recorded.add_argument("--service", help="with this service's tolerances, ceiling and bounds (SERVICES_FILE)")
    recorded.add_argument(
        "--edition", type=int, choices=(1, 2), default=STRICTNESS.edition, help="of the judge; 2 judges live rollouts"
    )
    recorded.add_argument(
        "--shield",
        action=argparse.BooleanOptionalAction,
        help="with its shield: would users have gone home? As the service has it by default",
    )
    recorded.add_argument("--output", choices=("text", "json"), default="text")
    command("sign", _sign, "sign the records that Redis holds unsigned, once you know that they are right")
    recording = command("record", _record, "write a rollout's figures from Prometheus as a file that replay reads")
    recording.add_argument("service")
    recording.add_argument("--for", dest="seconds", type=_duration, default=3600.0, metavar="1h", help="how far back")
    recording.add_argument("--version", dest="canary", help="the canary, where there was no rollout of it")
    commands.add_parser("version", help="show the version")
    return parser


def _run(settings: Settings, _: argparse.Namespace) -> int:
    settings.require_slack()
    own = OwnMetrics()
    failures = Failures(own, stopwatch)
    adapters = bootstrap.connect(
        settings, watching=True, without_services=True, called=own.called, failed=failures.item
    )
    Bot(settings, adapters, own, failures).run()
    return 0


def _watchdog(settings: Settings, _: argparse.Namespace) -> int:
    return watchdog.run(settings)


def _check(settings: Settings, _: argparse.Namespace) -> int:
    lines = []
    for line in check(settings):
        _say([redaction.redact(line.shown(settings.voice))])
        sys.stdout.flush()  # each when it is known
        lines.append(line)
    return 0 if all(line.ok for line in lines) else 1


def _plan(settings: Settings, arguments: argparse.Namespace) -> int:
    plan = _controller(settings).plan(arguments.service, arguments.version)
    shown = objects.plan_as_json if arguments.output == "json" else objects.plan_as_yaml
    _say([shown(plan, settings.voice)])
    return 1 if plan.reasons else 0


def _init(settings: Settings, arguments: argparse.Namespace) -> int:
    adapters = bootstrap.connect(settings)
    service = adapters.catalogue.get(arguments.service)
    needed = init.needed(service, adapters.kube, settings.kubernetes.istio_namespace)
    if not arguments.apply:
        _say(init.shown(needed), settings.voice)
        return 0
    systems = init.Systems(
        kube=adapters.kube, callers=adapters.metrics.callers, now=adapters.ports.clock.now, pause=time.sleep
    )
    for sentence in init.applied(service, needed, systems):
        _say([sentence], settings.voice)
        sys.stdout.flush()  # each when it is so
    return 0


def _gitops(settings: Settings, arguments: argparse.Namespace) -> int:
    adapters = bootstrap.connect(settings)
    controller, service = bootstrap.make_controller(adapters), adapters.catalogue.get(arguments.service)
    # Where all versions share one Deployment its name says nothing, and any does.
    chosen = arguments.version or next(iter(controller.versions(service.name)), "next")
    tool = Tool(arguments.tool) if arguments.tool else None
    plan = controller.plan(service.name, chosen)
    _say(ignore_rules.shown(service, chosen, plan, adapters.kube, tool, settings.voice))
    return 0


def _status(settings: Settings, arguments: argparse.Namespace) -> int:
    adapters = _live(settings)
    controller = bootstrap.make_controller(adapters)
    if arguments.service:
        active = controller.active(arguments.service)
        live = [active] if active else []
    else:
        live = list(controller.live())
    _say(status.status(live, adapters.ports.clock.now()), settings.voice)
    if arguments.service and live:
        _say(status.story(controller.story(live[0])), settings.voice)
    frozen = controller.freezes()
    _say(status.frozen(covering(frozen, arguments.service) if arguments.service else frozen), settings.voice)
    return 0


def _abort(settings: Settings, arguments: argparse.Namespace) -> int:
    by = UserId(f"{_user()} (shell)")
    rollout = bootstrap.make_controller(_live(settings)).abort(arguments.service, by=by, reason=arguments.reason)
    spec = rollout.spec
    aborted = said("cli.is_now", service=spec.service, version=spec.version, where=status_text(rollout))
    _say([aborted], settings.voice)
    return 0


def _sign(settings: Settings, _arguments: argparse.Namespace) -> int:
    count = _live(settings).signing.sign()
    _say([said("cli.signed", n=count)], settings.voice)
    return 0


def _abandon(settings: Settings, arguments: argparse.Namespace) -> int:
    controller = bootstrap.make_controller(_live(settings))
    by = By(id=UserId(f"{_user()} (shell)"))
    rollout = controller.decide(arguments.service, Abandon(arguments.reason), by)
    last = controller.story(rollout)[-1]
    _say([last.text], settings.voice)
    return 1 if last.kind is EntryKind.ALERT else 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id has no name
        return "somebody"


def _history(settings: Settings, arguments: argparse.Namespace) -> int:
    adapters = _live(settings)
    controller = bootstrap.make_controller(adapters)
    names = [arguments.service] if arguments.service else adapters.catalogue.names
    past = [one for name in names for one in (*controller.history(name), *controller.refusals(name))]
    unreadable = {one: why for name in names for one, why in controller.unreadable(name).items()}
    past.sort(key=lambda rollout: rollout.spec.started_at, reverse=True)
    _say(status.history(past, unreadable), settings.voice)
    lines = adapters.ports.freezes.story()
    froze = [line for line in lines if not arguments.service or line.freeze.covers(arguments.service)]
    _say(status.freezes(froze), settings.voice)
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    try:
        lines = arguments.file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(said("cli.file_unreadable", file=str(arguments.file), why=str(error))) from error
    judged_by = DEFAULTS
    if arguments.service:
        catalogue = read_services(read_settings(environment(), ENV_FILE).services_file)
        judged_by = catalogue.get(arguments.service).gates.judge
    # The second edition alone has a shield, so whoever asks for it asks for that.
    judged_by = for_edition(judged_by, SECOND.edition if arguments.shield else arguments.edition)
    if arguments.shield is not None:
        judged_by = replace(judged_by, shield=arguments.shield)
    answers = replay_second(lines, judged_by) if judged_by.shield else replay(lines, judged_by)
    _say(map(json.dumps, answers) if arguments.output == "json" else map(status.replayed, answers))
    return 0


def _record(settings: Settings, arguments: argparse.Namespace) -> int:
    adapters = bootstrap.connect(settings)
    service, now = adapters.catalogue.get(arguments.service), adapters.ports.clock.now()
    controller = bootstrap.make_controller(adapters)
    rollout = None if arguments.canary else next(iter(controller.history(service.name, 1)), None)
    wanted = Wanted(service=service, seconds=arguments.seconds, version=arguments.canary, rollout=rollout)
    _say(record(wanted, adapters.metrics, now))
    return 0


def _duration(text: str) -> float:
    """What is written after ``--for``; argparse tells the sentence."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _live(settings: Settings) -> bootstrap.Adapters:
    """Everything outside, for who deals with live rollouts: they need no ``services.yaml``."""
    return bootstrap.connect(settings, without_services=True)


def _controller(settings: Settings) -> Controller:
    return bootstrap.make_controller(bootstrap.connect(settings))


def _say(lines: Iterable[Text], voice: Voice = ENGLISH) -> None:
    for line in lines:
        print(plain(line, voice))  # noqa: T201  # standard output is the product here


if __name__ == "__main__":
    sys.exit(main())
