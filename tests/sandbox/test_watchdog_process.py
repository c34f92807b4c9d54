"""The watchdog as a process: a cluster and services.yaml are all it needs, and it ends when it is told to."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from bot.adapters.istio import IstioMesh
from bot.adapters.kube import Kube
from bot.model.rollout import PodTemplate, RolloutId, Routes
from sandbox.catalogue import reviews, services_yaml
from sandbox.kube import bookinfo
from sandbox.kube.server import KubeApi
from sandbox.ports import free_port
from sandbox.processes import Program, answers, fetch
from sandbox.recorder import routes_of
from tests.builders import a_target

LIMIT = 6.0
TARGET = a_target()


def image_of(kube: KubeApi, name: str) -> str:
    deployment = kube.store.get("Deployment", "default", name)
    assert deployment is not None
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def everyone_is_home(kube: KubeApi) -> bool:
    return routes_of(kube.store.get("VirtualService", "default", "reviews") or {}, "v2") == (0, False)


@pytest.mark.sandbox
def test_users_of_a_rollout_without_a_bot_are_home_once_the_limit_is_over_and_not_before(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text(services_yaml({"reviews": reviews()}))
    probes = free_port()
    with KubeApi(start_seconds=0.02).load(bookinfo.objects()) as api:
        config = api.write_kubeconfig(tmp_path / "kubeconfig")
        env = {
            "PATH": "/usr/bin:/bin",
            "KUBECONFIG": str(config),
            "SERVICES_FILE": str(tmp_path / "services.yaml"),
            "PROBE_PORT": str(probes),
            "TICK_SECONDS": "1",
            "DEAD_MAN_SECONDS": f"{LIMIT:g}",
        }
        argv = [sys.executable, "-m", "bot", "watchdog"]
        dog = Program(argv, log=tmp_path / "dog.log", ready=answers(probes, "/healthz"), env=env, directory=tmp_path)
        mesh = IstioMesh(Kube.connect(str(config)), time.time)
        try:
            dog.start()
            recorded = PodTemplate(images={"reviews": image_of(api, "reviews-v1")})
            mesh.route(TARGET, Routes(canary=60), RolloutId("r-1"), recorded)
            began = time.monotonic()

            assert api.store.wait_until(lambda: everyone_is_home(api), timeout=LIMIT + 30)
            seconds = time.monotonic() - began
            assert api.store.wait_until(lambda: bool(api.store.list("Event", "default")), timeout=10)

            assert seconds > LIMIT - 1  # and how soon after it is a matter of the rules, which tests play by a clock
            assert mesh.observe(TARGET).writer == "canary-bot-watchdog"
            assert fetch(probes, "/readyz") == (200, b"kubernetes: ok\nservices: ok\n")
            assert b'canary_bot_watchdog_rescues_total{deed="home"} 1.0' in fetch(probes, "/metrics")[1]
        finally:
            dog.stop(grace_seconds=20)
    assert "Traceback" not in (tmp_path / "dog.log").read_text()


@pytest.mark.sandbox
def test_a_watchdog_without_a_cluster_lives_on_unready_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text(services_yaml({"reviews": reviews()}))
    probes = free_port()
    with KubeApi(start_seconds=0.02) as api:
        config = api.write_kubeconfig(tmp_path / "kubeconfig")
    env = {"PATH": "/usr/bin:/bin", "KUBECONFIG": str(config), "PROBE_PORT": str(probes)}
    argv = [sys.executable, "-m", "bot", "watchdog"]
    dog = Program(argv, log=tmp_path / "dog.log", ready=answers(probes, "/healthz"), env=env, directory=tmp_path)
    try:
        dog.start()
        deadline = time.monotonic() + 20
        while (answer := fetch(probes, "/readyz"))[0] == 200 and time.monotonic() < deadline:
            assert dog.running

        assert answer[0] == 503
        assert b"the API server" in answer[1]
        assert dog.running
    finally:
        dog.stop(grace_seconds=20)
