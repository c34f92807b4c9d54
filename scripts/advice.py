"""When to change which key of services.yaml: what the schema cannot know. ``draw`` puts it beside its words."""

from __future__ import annotations

from collections.abc import Mapping

INTRODUCTION = """\
Drawn by `make docs` from the definitions that read the file. `defaults:` holds what every service says unless it says
otherwise, merged key by key; `services:` holds the services by the name people type, `channels:` what holds for a whole
channel. Durations are written `30s`, `5m` or `1h30m`, shares `5%` or `0.05`. A key without a default has to be written,
here or in `defaults:`, unless its text says otherwise. The bot reads the file when it starts; `canary-bot check`
tells every mistake with its line, and an editor that knows JSON Schema
can use [services.schema.json](services.schema.json)."""

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
            "promote": "`git` where a tool keeps the primary's image in git. `adopt` when the winner keeps its "
            "Deployment; then name it as `primary` before the next.",
            "upgrade_timeout": "Longer for many pods, slow starts or large images.",
            "scale_timeout": "Longer for slow starts; after it users return to the pods there are, if there are any.",
            "budget": "Where the service has an objective; cards then tell what failures cost of it.",
            "drill": "`true` on a service whose aborts you rehearse; start with one that few depend on.",
            "rollback": "Shorter where canaries are cleaned away soon; a rollback needs one that still runs.",
            "hold_patience": "Shorter where somebody always watches; longer where traffic comes in waves.",
        },
    ),
    "channel": (
        "channels, each by its name or id",
        {"language": "`zh_cn` where a channel's people read Chinese; answers to commands typed there follow it too."},
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
            "at": "`{upgrade: {count: 2}}` where the last step needs two people.",
        },
    ),
    "stageapprovals": (
        "approvals.at.mirror, step, upgrade or switchback",
        {
            "count": "2 where that question needs two people.",
            "self": "`true` where whoever starts may also answer that one.",
            "approvers": "Those who answer for that step alone.",
        },
    ),
    "drift": (
        "drift",
        {
            "timeout": "Longer where nobody watches; until then nothing advances.",
            "on_timeout": "`restore` against slips of the hand; `abort` where a mesh out of hand must not last.",
        },
    ),
    "prometheus": (
        "prometheus",
        {
            "scrape_interval": "Write what your Prometheus does; the recent window is at least four of them.",
            "reporter": "`waypoint` in ambient mode. `source` cannot see copies, so mirroring would hold for ever.",
            "labels": "`{cluster: prod}` where one Prometheus knows several clusters with the same names, "
            "and the card says which; `{job: ...}` where others may "
            "bring scrape targets of their own ([whose figures count](gates.md#whose-figures-count)).",
            "read_delay": "Longer where figures arrive late: Thanos, Mimir, a `scrape_timeout` above 10 s.",
            "source_workload": "`istio-ingressgateway` to leave out callers that do not follow the routes.",
        },
    ),
    "gates": (
        "gates",
        {
            "errors": "`off` only with a custom gate in its place.",
            "latency": "`off` for work without a usual duration: uploads, streams, long polls.",
            "client_errors": "`off` for services whose callers get them by chance, such as link checkers.",
            "limits": "When there is an objective, or a threshold that has proven itself.",
            "custom": "For what proxies cannot see: queues, caches, wrong answers, money.",
            "minimum_requests": "Lower where traffic is thin and a longer wait is worse.",
            "warm_up": "Longer for a service that starts cold: caches, JIT, connection pools.",
            "coverage": "Lower only if copies are known to be lost for a harmless reason.",
            "propagation": "`false` where callers that do not follow the VirtualService are part of the design.",
            "early": "`true` where traffic is plenty and time is short.",
            "unproven": "`hold` where no weight may go on without proof, `go_on` where nobody is ever asked.",
        },
    ),
    "errors": (
        "gates.errors",
        {
            "ceiling": "Above the usual share where the primary itself fails more often.",
            "tolerance": "Nearer to 1 to be stricter; it takes more requests to be sure.",
            "slack": "Higher where a few errors in 10,000 do not matter.",
            "margin": "Nearer to `tolerance` to demand more for a pass; it takes longer.",
            "margin_slack": "Lower for services with hardly any errors.",
        },
    ),
    "latency": (
        "gates.latency",
        {
            "bounds": "The durations you have promised; each has to be a bound of a bucket.",
            "tolerance": "Higher where durations vary a lot by themselves.",
            "slack": "Lower for a stricter comparison of rare slow requests.",
            "slower": "`observe` where a version may well take longer, as long as it is not much.",
            "quantile": "The one your objective is about.",
            "max": "When there is an objective in milliseconds.",
        },
    ),
    "clienterrors": (
        "gates.client_errors",
        {
            "action": "`abort` where callers never get other answers by intent; `observe` where new versions often do.",
            "tolerance": "Nearer to 1 to be stricter.",
            "slack": "Lower where a few refused logins in 1,000 matter.",
            "ceiling": "Higher where most callers ask for what is not there.",
        },
    ),
    "judge": (
        "gates.judge",
        {
            "alpha": "Lower if healthy canaries were aborted; every abort then takes longer.",
            "patience": "4 or 6 to forgive blips of 45 s and more: a total failure is then caught after 60 or 75 s.",
            "alpha_pass": "Lower to be surer of a pass.",
            "pass_patience": "Higher where good and bad minutes alternate.",
            "active": "Lower where trouble usually comes late.",
            "hazard": "Higher for long stages in which a canary may turn bad.",
            "stage_injection": "Higher where trouble comes with more traffic.",
            "carry": "0 to prove every stage by itself; 1 trusts what the mirror showed.",
            "shield": "`false` where an abort has to come as soon as it can, or nobody may be moved for a doubt.",
            "home": "Higher where users are taken home for nothing, lower where each request that fails is dear.",
            "returns": "`0` where copies do not show what users meet: writes, sessions, real clients.",
            "vote_above": "Lower where errors come in rare, large bursts.",
            "vote_patience": "Higher to forgive more bursts.",
            "least": "Longer where the first minute of a stage says little.",
            "no_data_after": "Longer than the longest gap you know of in your metrics.",
        },
    ),
    "weights": (
        "gates.judge.weights",
        {"errors": "More for what matters most; only their proportions count."},
    ),
    "limit": (
        "gates.limits",
        {
            "action": "`observe` first, `hold` or `abort` when its figures have proven themselves.",
            "times": "Above 1 for figures that jump.",
            "within": "Larger than `times` where a single good look in between proves nothing.",
            "relative": "Where the primary's own figure changes with the time of day.",
        },
    ),
    "custom": (
        "gates.custom",
        {"action": "`observe` first, `hold` or `abort` when its figures have proven themselves."},
    ),
    "webhook": (
        "webhooks",
        {
            "url": "It may hold a token in its path: it is never shown. See [webhooks](webhooks.md).",
            "when": "`before_users` for acceptance tests, `before_start` and `end` for a load generator.",
            "on_failure": "`wait` for a gate that somebody opens; `abort` only for what is never wrong by itself.",
            "timeout": "Longer for tests that answer when they are done, up to a minute.",
            "retries": "0 where a second call is not harmless and the key of a call is not looked at.",
            "secret_env": "Where whoever listens acts on what it is told.",
            "secret_file": "Where secrets come as files; a new one is used from the next call on.",
        },
    ),
}
