"""What the API server says about itself: its version, groups and resources."""

from __future__ import annotations

from aiohttp import web

from sandbox.kube.objects import Object
from sandbox.kube.resources import Kind, Served

VERSION = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.1",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2025-09-09T19:44:50Z",
    "goVersion": "go1.24.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def health(path: str, failing: tuple[str, ...]) -> web.Response:
    """What a real server (1.36) says of itself; with etcd stopped it is alive and not ready."""
    if path == "livez" or not failing:
        return web.Response(text="ok")
    parts = ["[+]ping ok", "[+]log ok", *(f"[-]{name} failed: reason withheld" for name in failing), "[+]shutdown ok"]
    return web.Response(text="\n".join([*parts, f"{path} check failed", ""]), status=500)


def describe(served: Served, path: list[str], address: str) -> Object | None:
    """The discovery document at a path (already split), or None where there is none."""
    found: Object | None = None
    match path:
        case ["version"]:
            found = dict(VERSION)
        case ["api"]:
            addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
            found = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}
        case ["apis"]:
            groups = [_group(name, versions) for name, versions in served.groups().items()]
            found = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group] if group in served.groups():
            found = {"kind": "APIGroup", "apiVersion": "v1"} | _group(group, served.groups()[group])
        case ["api", "v1"]:
            found = _resources(served, "", "v1")
        case ["apis", group, version] if version in served.groups().get(group, ()):
            found = _resources(served, group, version)
    return found


def _group(name: str, versions: tuple[str, ...]) -> Object:
    shown = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": shown, "preferredVersion": shown[0]}


def _resources(served: Served, group: str, version: str) -> Object:
    resources = [item for kind in served.of(group, version) for item in _of_kind(kind)]
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _of_kind(kind: Kind) -> list[Object]:
    main = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _VERBS if kind.stored else ["create"],
        **({"shortNames": list(kind.short_names)} if kind.short_names else {}),
    }
    scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    parts = [
        {
            "name": f"{kind.plural}/{part}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": ["get", "patch", "update"],
            **(scale if part == "scale" else {}),
        }
        for part in kind.subresources
    ]
    return [main, *parts]
