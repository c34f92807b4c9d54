"""The image and the manifests: what they start, what they may do in the cluster, and that the code needs just that."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.kube import KINDS
from bot.adapters.snapshot import OTHER_WORKLOADS
from bot.app import DRAIN_SECONDS
from bot.settings.variables import VARIABLES

ROOT = Path(__file__).parent.parent.parent
KNOWN = {variable.name for variable in VARIABLES} | {f"{v.name}_FILE" for v in VARIABLES if v.secret}

Object = dict[str, Any]
Grant = tuple[str, str, str]


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def documents(name: str) -> list[Object]:
    return list(yaml.safe_load_all(text(f"deploy/{name}")))


def of_kind(name: str, kind: str) -> list[Object]:
    return [document for document in documents(name) if document["kind"] == kind]


# The image

DOCKERFILE = text("Dockerfile")
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]


def test_the_image_runs_as_a_number_that_is_not_root_and_starts_the_bot() -> None:
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", FINAL, re.MULTILINE)
    assert 'ENTRYPOINT ["canary-bot"]\nCMD ["run"]' in FINAL


def test_the_image_holds_the_bot_alone_from_pinned_packages() -> None:
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    sources = {source for line in copied for source in line}
    let_in = {line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")}

    assert sources == {"requirements/", "pyproject.toml", "README.md", "LICENSE", "bot/"} == let_in
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [line for line in FINAL.splitlines() if line.startswith("COPY")] == [
        "COPY --from=build /opt/canary-bot /opt/canary-bot"
    ]
    fetched = [line for line in DOCKERFILE.splitlines() if "pip install" in line and "dist/*.whl" not in line]
    assert fetched
    assert all("--require-hashes" in line for line in fetched)


def test_the_image_can_name_who_aborts_from_a_shell_in_it() -> None:
    assert "USER=canary-bot" in FINAL, "without it getpass.getuser() fails for a uid that no passwd file knows"


# The Deployment

DEPLOYMENT = documents("deployment.yaml")[0]
POD = DEPLOYMENT["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]


def test_everything_in_the_kustomization_is_there_and_keeps_its_own_namespace() -> None:
    kustomization = documents("kustomization.yaml")[0]
    things = [thing for path in kustomization["resources"] for thing in documents(path)]
    generated = kustomization["configMapGenerator"][0]
    everywhere = {"Namespace", "ClusterRole", "ClusterRoleBinding"}

    # One for all would overwrite those of the Roles, which are where the services and the Gateways are.
    assert "namespace" not in kustomization
    assert all(bool(thing["metadata"].get("namespace")) is (thing["kind"] not in everywhere) for thing in things)
    assert POD["serviceAccountName"] in {thing["metadata"]["name"] for thing in things}
    assert all((ROOT / "deploy" / path).exists() for path in generated["files"])
    assert generated["namespace"] == DEPLOYMENT["metadata"]["namespace"]
    assert POD["volumes"][0]["configMap"]["name"] == generated["name"]


def test_the_deployment_sets_only_settings_that_exist_and_the_image_of_this_version() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]

    assert {entry["name"] for entry in CONTAINER["env"]} <= KNOWN
    assert set(documents("secret.example.yaml")[0]["stringData"]) <= KNOWN
    assert CONTAINER["image"] == f"canary-bot:{version}"


def test_the_settings_mounts_and_probes_agree_with_each_other() -> None:
    values = {entry["name"]: entry["value"] for entry in CONTAINER["env"]}
    port = CONTAINER["ports"][0]
    mounted = CONTAINER["volumeMounts"][0]["mountPath"]
    probes = {CONTAINER[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")}
    annotations = DEPLOYMENT["spec"]["template"]["metadata"]["annotations"]

    assert values["SERVICES_FILE"] == f"{mounted}/services.yaml"
    assert values["PROBE_PORT"] == str(port["containerPort"]) == annotations["prometheus.io/port"]
    assert {CONTAINER[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} == {port["name"]}
    assert probes == {"/healthz", "/readyz"}
    assert CONTAINER["envFrom"][0]["secretRef"]["name"] == documents("secret.example.yaml")[0]["metadata"]["name"]


def test_two_bots_run_and_one_is_there_during_an_upgrade_and_a_drain() -> None:
    budget = of_kind("deployment.yaml", "PodDisruptionBudget")[0]

    assert DEPLOYMENT["spec"]["replicas"] == 2
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert budget["spec"]["minAvailable"] < DEPLOYMENT["spec"]["replicas"]
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    spread = POD["topologySpreadConstraints"][0]["labelSelector"]
    assert budget["spec"]["selector"] == DEPLOYMENT["spec"]["selector"] == spread
    assert spread["matchLabels"].items() <= labels.items()


def test_a_bot_that_is_told_to_go_has_the_time_to_finish() -> None:
    # Its jobs, what must be said (one call to Slack may hang), the lease, and twice the listeners.
    assert POD["terminationGracePeriodSeconds"] >= 4 * DRAIN_SECONDS


@pytest.mark.parametrize("manifest", ["deployment.yaml", "watchdog.yaml"])
def test_every_pod_is_restricted(manifest: str) -> None:
    pod = documents(manifest)[0]["spec"]["template"]["spec"]
    [container] = pod["containers"]

    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


# The watchdog

WATCHDOG = documents("watchdog.yaml")[0]
WATCHDOG_POD = WATCHDOG["spec"]["template"]["spec"]
WATCHDOG_CONTAINER = WATCHDOG_POD["containers"][0]


def test_the_watchdog_is_the_same_image_over_the_same_services_and_the_same_limit() -> None:
    bots = {entry["name"]: entry["value"] for entry in CONTAINER["env"]}
    its = {entry["name"]: entry["value"] for entry in WATCHDOG_CONTAINER["env"] if "value" in entry}

    assert (WATCHDOG_CONTAINER["image"], WATCHDOG_CONTAINER["args"]) == (CONTAINER["image"], ["watchdog"])
    assert WATCHDOG_CONTAINER["volumeMounts"] == CONTAINER["volumeMounts"]
    assert WATCHDOG_POD["volumes"] == POD["volumes"]
    assert set(its) <= KNOWN
    assert {name: bots.get(name) for name in its} == its
    assert "DEAD_MAN_SECONDS" in its


def test_the_watchdog_gets_no_secret_but_the_signing_key_and_keeps_away_from_the_bots_node() -> None:
    [rule] = WATCHDOG_POD["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    [avoided] = rule["podAffinityTerm"]["labelSelector"]["matchExpressions"]
    labels = [thing["spec"]["template"]["metadata"]["labels"]["app"] for thing in (DEPLOYMENT, WATCHDOG)]

    assert "envFrom" not in WATCHDOG_CONTAINER
    assert [one["name"] for one in WATCHDOG_CONTAINER["env"] if "valueFrom" in one] == ["CANARY_SIGNING_KEY"]
    assert avoided == {"key": "app", "operator": "In", "values": labels}
    assert "watchdog.yaml" in documents("kustomization.yaml")[0]["resources"]


def test_the_watchdogs_probes_are_where_its_settings_say() -> None:
    its = {entry["name"]: entry["value"] for entry in WATCHDOG_CONTAINER["env"] if "value" in entry}
    annotations = WATCHDOG["spec"]["template"]["metadata"]["annotations"]

    assert (
        its["PROBE_PORT"] == str(WATCHDOG_CONTAINER["ports"][0]["containerPort"]) == annotations["prometheus.io/port"]
    )
    assert {WATCHDOG_CONTAINER[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "/healthz",
        "/readyz",
    }


# What it may do in the cluster

NEEDED: Mapping[tuple[str, str], str] = {
    ("VirtualService", "get"): "the managed routes, at every look",
    ("VirtualService", "list"): "preflight: others of the namespace",
    ("VirtualService", "update"): "routes and marks, also as dry runs",
    ("DestinationRule", "get"): "canary-bot check",
    ("DestinationRule", "list"): "preflight: the subsets",
    ("Gateway", "get"): "preflight: those the VirtualService names",
    ("Service", "get"): "preflight: its selector",
    ("Service", "list"): "preflight: which has the pods of one version alone",
    ("Deployment", "get"): "both sides, at every look",
    ("Deployment", "list"): "preflight: strangers in a subset",
    ("StatefulSet", "get"): "preflight: what is there instead of a Deployment",
    ("DaemonSet", "get"): "preflight: the same",
    ("HorizontalPodAutoscaler", "list"): "preflight: how far either side may grow or shrink",
    ("HTTPRoute", "list"): "preflight: other routes to the same Service",
    ("Namespace", "get"): "preflight: whether it asks for a waypoint",
    ("ConfigMap", "get"): "preflight: the mesh's root namespace",
    ("PodDisruptionBudget", "list"): "preflight: what a drain may take",
    ("ResourceQuota", "list"): "preflight: room for the primary's new pods",
    ("Sidecar", "list"): "preflight: what governs one side alone",
    ("PeerAuthentication", "list"): "preflight: the same",
    ("AuthorizationPolicy", "list"): "preflight: the same",
    ("Canary", "list"): "preflight: Flagger's orders",
    ("Rollout", "list"): "preflight: Argo Rollouts' orders",
    ("Deployment", "patch"): "the primary's upgrade, and its way back",
    ("Deployment/scale", "patch"): "a primary that shrank while it had no users; when_done: scale_down",
    ("ReplicaSet", "list"): "whether a Deployment's rollout is its newest",
    ("Pod", "list"): "how many are ready on which image",
    ("Lease", "get"): "the heartbeat: before it is taken back or deleted; canary-bot check",
    ("Lease", "create"): "the heartbeat's first beat",
    ("Lease", "update"): "the heartbeat",
    ("Lease", "delete"): "the rollout has ended",
    ("VirtualService", "watch"): "looks are answered from a cache",
    ("Deployment", "watch"): "looks are answered from a cache",
    ("ReplicaSet", "watch"): "looks are answered from a cache",
    ("Pod", "watch"): "looks are answered from a cache",
}
# In all namespaces, by a ClusterRole: only what preflight can do without.
NEEDED_EVERYWHERE: Mapping[tuple[str, str], str] = {
    ("VirtualService", "list"): "preflight: those of other namespaces, which Istio obeys too",
    ("DestinationRule", "list"): "preflight: the callers' and the root namespace's, which go before the service's",
    ("HTTPRoute", "list"): "preflight: those of other namespaces, which route the service's callers",
}
# Tried in all namespaces, and not granted there: every pod of a cluster is much to see for one warning.
TRIED_EVERYWHERE = {("Pod", "list")}
WATCHDOG_NEEDS: Mapping[tuple[str, str], str] = {
    ("VirtualService", "get"): "before a write, from the API server itself",
    ("VirtualService", "list"): "where its watch begins",
    ("VirtualService", "watch"): "marks",
    ("Lease", "get"): "heartbeats, before a write from the API server itself",
    ("Lease", "list"): "where its watch begins",
    ("Lease", "watch"): "heartbeats",
    ("Lease", "update"): "taken over before routes are written; where it watches",
    ("Lease", "create"): "where it watches",
    ("VirtualService", "update"): "everyone to where they are safe",
    ("Deployment", "get"): "which side can take users, when a heartbeat is silent",
    ("ReplicaSet", "list"): "the same",
    ("Pod", "list"): "the same",
    ("Event", "create"): "what it did",
}
RIGHTS = {"rbac.yaml": NEEDED, "watchdog.yaml": WATCHDOG_NEEDS}
RIGHTS_EVERYWHERE = {"rbac.yaml": NEEDED_EVERYWHERE, "watchdog.yaml": {}}


def grant(kind: str, verb: str) -> Grant:
    name, _, subresource = kind.partition("/")
    return KINDS[name].group, KINDS[name].plural + (f"/{subresource}" if subresource else ""), verb


def granted(role: Object) -> Iterator[Grant]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


@pytest.mark.parametrize("manifest", RIGHTS)
def test_the_roles_grant_what_is_asked_for_and_nothing_else(manifest: str) -> None:
    for scope, rights in {"Role": RIGHTS, "ClusterRole": RIGHTS_EVERYWHERE}.items():
        allowed = {one for role in of_kind(manifest, scope) for one in granted(role)}

        assert allowed == {grant(kind, verb) for kind, verb in rights[manifest]}


def test_the_table_of_what_is_asked_for_is_what_the_adapters_ask_for() -> None:
    others_own = {"failsafe.py"}  # the watchdog's
    modules = [path for path in (ROOT / "bot/adapters").glob("*.py") if path.name not in others_own]
    source = "\n".join(path.read_text(encoding="utf-8") for path in modules)
    asked = {(kind, verb) for verb, kind in re.findall(r'\.(get|list|patch)\(\s*"([A-Z]\w+)"', source)}
    watched = {(kind, "watch") for kind in re.findall(r'reads\b[^\n]*\.(?:get|list)\(\s*"(\w+)"', source)}
    everywhere = {(kind, "list") for kind in re.findall(r'\.list_everywhere\(\s*"(\w+)"', source)}
    puts = re.findall(r"kube\.put\((\w+)", source)
    created = re.findall(r"\.create\((\w+)", source)
    deleted = re.findall(r"\.delete\((\w+)", source)
    scales = re.findall(r'subresource="(\w+)"', source)

    # `put` takes a whole object: istio.py's are VirtualServices, and heartbeat.py's Leases but for one.
    assert set(puts) == {"wanted", "obj", "virtual_services"}
    assert (created, deleted) == (["wanted"], ["lease"])
    assert set(scales) == {"scale"}
    others = {("VirtualService", "update"), ("Deployment/scale", "patch"), ("DestinationRule", "get")}
    others |= {(kind, "get") for kind in OTHER_WORKLOADS}
    others |= {("Lease", "create"), ("Lease", "update"), ("Lease", "delete")}
    assert asked | others | watched == set(NEEDED)
    assert everywhere - TRIED_EVERYWHERE == set(NEEDED_EVERYWHERE)


def test_what_the_watchdog_writes_is_in_its_table() -> None:
    """It reads by the ports that the bot uses too; only one of them with a cache, of VirtualServices and Leases."""
    writes = text("bot/adapters/failsafe.py")
    wiring = text("bot/cli/watchdog.py")

    assert re.findall(r"_kube\.(\w+)\(", writes) == [
        # Bringing users home: both are read, the Lease is taken over, the routes are written.
        *("get", "get", "put", "put"),
        *("get", "create", "put"),  # where it watches
        *("get", "create"),  # an Event
    ]
    assert '"kind": "Event"' in writes
    assert set(re.findall(r"\.get\(\"(\w+)\"", writes)) == {"VirtualService", "Lease"}
    assert re.findall(r"(\w+)\(kube[^)]*reads=reads\b", wiring) == ["IstioMesh"]
    assert "KubeWorkloads(kube)" in wiring


@pytest.mark.parametrize("manifest", RIGHTS)
def test_only_named_objects_may_be_written(manifest: str) -> None:
    roles = [*of_kind(manifest, "Role"), *of_kind(manifest, "ClusterRole")]
    rules = [rule for role in roles for rule in role["rules"]]
    writing = [rule for rule in rules if set(rule["verbs"]) - {"get", "list", "watch"}]

    # What is created has no name to be granted yet.
    unnamed = [
        (resource, verb)
        for rule in writing
        if not rule.get("resourceNames")
        for resource in rule["resources"]
        for verb in set(rule["verbs"]) - {"get", "list", "watch"}
    ]
    assert set(unnamed) <= {("events", "create"), ("leases", "create")}


@pytest.mark.parametrize("manifest", RIGHTS)
def test_each_role_is_bound_to_its_own_account_where_it_lives(manifest: str) -> None:
    accounts = {"rbac.yaml": "serviceaccount.yaml", "watchdog.yaml": "watchdog.yaml"}
    account = of_kind(accounts[manifest], "ServiceAccount")[0]["metadata"]
    bindings = [*of_kind(manifest, "RoleBinding"), *of_kind(manifest, "ClusterRoleBinding")]
    roles = [*of_kind(manifest, "Role"), *of_kind(manifest, "ClusterRole")]

    bound = [(one["metadata"].get("namespace"), one["roleRef"]["kind"], one["roleRef"]["name"]) for one in bindings]
    assert bound == [(one["metadata"].get("namespace"), one["kind"], one["metadata"]["name"]) for one in roles]
    assert [binding["subjects"] for binding in bindings] == [[{"kind": "ServiceAccount", **account}]] * len(bindings)
