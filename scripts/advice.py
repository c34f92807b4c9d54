"""When to change which key of services.yaml: what the schema cannot know. ``draw`` puts it beside its words."""

from __future__ import annotations

from collections.abc import Mapping

INTRODUCTION = """\
Drawn by `make docs` from the definitions that read the file. `defaults:` holds what every service says unless it says
otherwise, merged key by key; `services:` holds the services by the name people type. Durations are written `30s`, `5m`
or `1h30m`, shares `5%` or `0.05`. A key without a default has to be written, here or in `defaults:`, unless its text
says otherwise. The bot reads the file when it starts; `canary-bot check` tells every mistake with its line, and an
editor that knows JSON Schema can use [services.schema.json](services.schema.json)."""

# By section: its heading, and advice by key. The order is that of the page.
SECTIONS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "service": (
        "A service, or the defaults",
        {
            "approvers": "Name a user group, and let people join and leave it in Slack.",
            "host": "When the Service is not called like the entry.",
            "routes": "When preflight says that several routes send users to the primary.",
            "weights": "`[1, 5, 25, 100]` where traffic is plenty; fewer steps where it is thin.",
            "switchback": "`[100]` when every step costs time and the upgraded primary needs no warming.",
            "bake": "Longer where trouble shows late: caches, memory, nightly work.",
            "promote": "`adopt` when the winner keeps its Deployment; then name it as `primary` before the next.",
            "upgrade_timeout": "Longer for many pods, slow starts or large images.",
            "hold_patience": "Shorter where somebody always watches; longer where traffic comes in waves.",
        },
    ),
    "primary": ("primary", {"container": "When preflight lists several containers."}),
    "canary": (
        "canary",
        {
            "deployment": "Without `{version}` when one Deployment always holds the next version.",
            "when_done": "`scale_down` to save its pods once the primary has its image.",
        },
    ),
    "mirror": (
        "mirror",
        {
            "percent": "Lower when the canary, or what it calls, cannot carry all requests twice.",
            "methods": "`all` only if doing a request twice does no harm.",
            "for": "Longer to see more kinds of requests; it never ends on too few.",
        },
    ),
    "stage": (
        "stage",
        {
            "for": "Longer where trouble builds up slowly; a stage never ends on too few requests.",
            "approve": "`each` for the first rollouts of a service; `[]` once you trust the gates.",
        },
    ),
    "approvals": (
        "approvals",
        {
            "count": "2 where two people have to agree.",
            "self": "`true` for a team of one.",
            "timeout": "Longer where approvers sleep.",
            "on_timeout": "`abort` when a canary must not stay overnight.",
        },
    ),
    "prometheus": (
        "prometheus",
        {
            "scrape_interval": "Write what your Prometheus does; the recent window is at least four of them.",
            "reporter": "`waypoint` in ambient mode. `source` cannot see copies, so mirroring would hold for ever.",
            "source_workload": "`istio-ingressgateway` to leave out callers that do not follow the routes.",
        },
    ),
    "gates": (
        "gates",
        {
            "errors": "`off` only with a custom gate in its place.",
            "latency": "`off` for work without a usual duration: uploads, streams, long polls.",
            "custom": "For what proxies cannot see: queues, caches, wrong answers, money.",
            "minimum_requests": "Higher for finer limits; lower where traffic is thin and a longer wait is worse.",
            "warm_up": "Longer for a service that starts cold: caches, JIT, connection pools.",
            "coverage": "Lower only if copies are known to be lost for a harmless reason.",
        },
    ),
    "errors": (
        "gates.errors",
        {
            "ceiling": "Above the usual share where the primary itself fails more often.",
            "tolerance": "Nearer to 1 to be stricter, with more `minimum_requests`.",
            "slack": "0 where no error at all is acceptable.",
        },
    ),
    "latency": (
        "gates.latency",
        {
            "bounds": "The durations you have promised; each has to be a bound of a bucket.",
            "tolerance": "Higher where durations vary a lot by themselves.",
            "slack": "Lower for a stricter comparison of rare slow requests.",
            "quantile": "The one your objective is about.",
            "max": "When there is an objective in milliseconds.",
        },
    ),
    "custom": (
        "gates.custom",
        {"action": "`observe` first, `hold` or `abort` when its figures have proven themselves."},
    ),
}
