"""What a client may write, and what becomes of it: the API server between the wire and the store.

Every write is one transaction: read, check preconditions, validate, note the owner, store (unless it is a dry run).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.kube import admission, builtins, ownership, patches, schema
from sandbox.kube.errors import Cause, already_exists, bad_request, conflict, invalid, not_found, policy_denied
from sandbox.kube.objects import Object, clone, is_terminating, timestamp
from sandbox.kube.policies import Policies, Review, account_of
from sandbox.kube.resources import Kind
from sandbox.kube.scale import scale_of, scaled
from sandbox.kube.store import Store

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request is about, as its path says."""

    kind: Kind
    version: str
    namespace: str = ""  # "" also means: all namespaces
    name: str = ""
    subresource: str = ""

    @property
    def api_version(self) -> str:
        """The version the client speaks."""
        return self.kind.api_version(self.version)

    def shown(self, obj: Object) -> Object:
        """``obj`` in the version the client asked for."""
        return obj | {"apiVersion": self.api_version, "kind": self.kind.kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The query parameters of a write."""

    manager: str
    dry_run: bool = False
    field_validation: str = "Warn"  # or Strict, or Ignore


@dataclass(slots=True)
class Written:
    """The answer to a write."""

    obj: Object
    warnings: list[str] = field(default_factory=list)
    made: bool = False  # there was none before


class Registry:
    """Creates, replaces, patches and deletes on behalf of clients."""

    def __init__(self, store: Store) -> None:
        self.policies = Policies([])
        self._store = store

    def read(self, target: Target) -> Object:
        """One object, or its scale; 404 when it is not there."""
        obj = self._existing(target)
        return scale_of(obj) if target.subresource == "scale" else target.shown(obj)

    def create(self, target: Target, body: Object, options: Options) -> Written:
        """POST."""
        with self._store.transaction():
            obj = self._named(target, body)
            if target.kind.namespaced and self._store.get("Namespace", "", target.namespace) is None:
                raise not_found(Kind(kind="Namespace", plural="namespaces"), target.namespace)
            name = obj["metadata"]["name"]
            if self._store.get(target.kind.kind, target.namespace, name) is not None:
                raise already_exists(target.kind, name)
            for ours in ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"):
                obj["metadata"].pop(ours, None)
            if "status" in target.kind.subresources:
                obj.pop("status", None)
            return self._save(target, obj, None, options)

    def replace(self, target: Target, body: Object, options: Options) -> Written:
        """PUT; of some kinds also of what is not there, unless the body says which one it replaces."""
        with self._store.transaction():
            if target.kind.created_on_update and self._stored(target) is None:
                _check_absence(target, body)
                return self.create(target, body, options)
            before = self._existing(target)
            if target.subresource == "scale":
                return self._save_scale(target, body, before, options)
            obj = self._named(target, body)
            if not obj["metadata"].get("resourceVersion"):
                _require_unconditional(target)
            return self._save_over(target, obj, before, options)

    def patch(self, target: Target, content_type: str, body: Any, options: Options) -> Written:
        """PATCH; a resourceVersion inside the patch is a precondition."""
        with self._store.transaction():
            before = self._existing(target)
            if target.subresource == "scale":
                scale = patches.apply(target.kind, content_type, scale_of(before), body)
                return self._save_scale(target, scale, before, options)
            obj = patches.apply(target.kind, content_type, target.shown(before), body)
            return self._save_over(target, self._named(target, obj), before, options, patch=body)

    def delete(self, target: Target, body: Object, options: Options) -> Object:
        """DELETE; a Pod gets its grace period, everything else goes at once."""
        with self._store.transaction():
            before = self._existing(target)
            _check_preconditions(target, body.get("preconditions") or {}, before)
            if target.kind.kind == "Pod":
                return target.shown(self._end_pod(before, dry_run=options.dry_run))
            if not options.dry_run:
                self._store.delete(target.kind.kind, target.namespace, target.name)
            details = {"name": target.name, "kind": target.kind.plural, "uid": before["metadata"]["uid"]}
            if target.kind.group:
                details["group"] = target.kind.group
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    # Within

    def _stored(self, target: Target) -> Object | None:
        return self._store.get(target.kind.kind, target.namespace, target.name)

    def _existing(self, target: Target) -> Object:
        found = self._stored(target)
        if found is None:
            raise not_found(target.kind, target.name)
        return found

    @staticmethod
    def _named(target: Target, body: Object) -> Object:
        """A copy of the body that agrees with the path; raises 400 where it does not."""
        obj: Object = clone(body)
        _agree_on_type(target, obj)
        metadata = obj.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + secrets.token_hex(3)[:5]
        name = metadata.get("name") or ""
        if target.name and name != target.name:
            raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
        if not _NAME.fullmatch(name):
            raise invalid(target.kind.qualified_kind, target.kind, name, [_bad_name(name)])
        if target.kind.namespaced and metadata.setdefault("namespace", target.namespace) != target.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        return obj

    def _save_over(
        self, target: Target, obj: Object, before: Object, options: Options, patch: Any | None = None
    ) -> Written:
        _check_versions(target, obj, before)
        metadata = obj["metadata"]
        for ours in ("uid", "creationTimestamp", "generation", "deletionTimestamp"):
            metadata.pop(ours, None)
            if ours in before["metadata"]:
                metadata[ours] = before["metadata"][ours]
        if target.subresource == "status":
            obj = before | {"status": obj.get("status", {})}
        elif "status" in target.kind.subresources:
            obj.pop("status", None)
            obj |= {"status": before["status"]} if "status" in before else {}
        return self._save(target, obj, before, options, patch)

    def _save(
        self, target: Target, obj: Object, before: Object | None, options: Options, patch: Any | None = None
    ) -> Written:
        written = Written(obj, made=before is None)
        if target.kind.custom:
            self._decode(target, written, options, patch)
            written.warnings += admission.admit(written.obj)
        obj = written.obj
        builtins.validate(target.kind, obj, before)
        api_version = target.api_version if before is None else before["apiVersion"]
        obj |= {"apiVersion": api_version, "kind": target.kind.kind}
        writer = ownership.Writer(
            manager=options.manager, api_version=target.api_version, subresource=target.subresource
        )
        ownership.record(obj, before, writer, self._store.now())
        self._police(target, obj, before, options)
        written.obj = target.shown(self._store.put(obj, dry_run=options.dry_run))
        return written

    def _police(self, target: Target, obj: Object, before: Object | None, options: Options) -> None:
        shown = scale_of if target.subresource == "scale" else target.shown
        review = Review(
            user=account_of(options.manager),
            operation="CREATE" if before is None else "UPDATE",
            group=target.kind.group,
            version=target.version,
            resource=target.kind.plural,
            subresource=target.subresource,
            before=None if before is None else shown(before),
            after=shown(obj),
        )
        for why in self.policies.refusals(review):
            raise policy_denied(target.kind, obj["metadata"]["name"], why)

    def _save_scale(self, target: Target, scale: Object, before: Object, options: Options) -> Written:
        written = self._save_over(target, scaled(before, scale), before, options)
        return Written(scale_of(written.obj), written.warnings)

    @staticmethod
    def _decode(target: Target, written: Written, options: Options, patch: Any | None) -> None:
        decoded = schema.decode(written.obj)
        if decoded.unknown and options.field_validation == "Strict":
            raise _strict_error(target, decoded.unknown, patch)
        if decoded.unknown and options.field_validation == "Warn":
            written.warnings += [f'unknown field "{path}"' for path in decoded.unknown]
        if decoded.causes:
            name = written.obj["metadata"]["name"]
            raise invalid(target.kind.qualified_kind, target.kind, name, decoded.causes)
        written.obj = decoded.obj

    def _end_pod(self, pod: Object, *, dry_run: bool) -> Object:
        if not is_terminating(pod):
            pod["metadata"]["deletionTimestamp"] = timestamp(datetime.now(UTC))
            pod["metadata"]["deletionGracePeriodSeconds"] = pod["spec"].get("terminationGracePeriodSeconds", 30)
        return self._store.put(pod, dry_run=dry_run)


def _agree_on_type(target: Target, obj: Object) -> None:
    kind, version = obj.setdefault("kind", target.kind.kind), obj.setdefault("apiVersion", target.api_version)
    if kind != target.kind.kind:
        raise bad_request(
            f"{kind} in version {version.rpartition('/')[2]!r} cannot be handled as a {target.kind.kind}".replace(
                "'", '"'
            )
        )
    if version != target.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({target.api_version})"
        )


def _require_unconditional(target: Target) -> None:
    if not target.kind.unconditional_update:
        message = "Invalid value: 0x0: must be specified for an update"
        causes = [Cause(field="metadata.resourceVersion", message=message)]
        raise invalid(target.kind.resource, target.kind, target.name, causes)


def _check_absence(target: Target, body: Object) -> None:
    """The uid of an object that is gone is a precondition that cannot hold, and no reason to make another."""
    if uid := (body.get("metadata") or {}).get("uid"):
        key = f"/{target.kind.plural}/{target.namespace}/{target.name}"
        why = (
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
            f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: "
        )
        raise conflict(target.kind, target.name, why)


def _check_versions(target: Target, obj: Object, before: Object) -> None:
    asked, found = obj["metadata"].get("resourceVersion"), before["metadata"]["resourceVersion"]
    if asked and asked != found:
        raise conflict(target.kind, target.name)
    _check_preconditions(target, {"uid": obj["metadata"].get("uid")}, before)


def _check_preconditions(target: Target, asked: dict[str, Any], before: Object) -> None:
    names = (("uid", "UID", "object meta"), ("resourceVersion", "ResourceVersion", "object meta"))
    for name, shown, where in names:
        wanted, found = asked.get(name), before["metadata"][name]
        if wanted and wanted != found:
            why = f"Precondition failed: {shown} in precondition: {wanted}, {shown} in {where}: {found}"
            raise conflict(target.kind, target.name, why)


def _strict_error(target: Target, unknown: list[str], patch: Any | None) -> Exception:
    fields = ", ".join(f'unknown field "{path}"' for path in unknown)
    kind = target.kind.kind
    if patch is None:
        return bad_request(
            f'{kind} in version "{target.version}" cannot be handled as a {kind}: strict decoding error: {fields}'
        )
    message = f"Invalid value: {patch}: strict decoding error: {fields}"
    return invalid("", target.kind, target.name, [Cause(field="patch", message=message)])


def _bad_name(name: str) -> Cause:
    if not name:
        return Cause(field="metadata.name", message="Required value: name or generateName is required")
    rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
    return Cause(field="metadata.name", message=f'Invalid value: "{name}": {rule}')
