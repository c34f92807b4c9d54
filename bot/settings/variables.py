"""The environment variables canary-bot reads: name, default, one sentence each. ``.env.example`` is made of these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable. A secret may also come from the file that ``NAME_FILE`` names."""

    name: str
    sentence: str
    default: str = ""
    secret: bool = False
    topic: str = ""  # opens a new paragraph of .env.example


VARIABLES = (
    Variable(
        topic="Slack",
        name="SLACK_BOT_TOKEN",
        secret=True,
        sentence="The bot's token (xoxb-...), from the app's page under OAuth & Permissions.",
    ),
    Variable(
        name="SLACK_APP_TOKEN",
        secret=True,
        sentence="The app-level token (xapp-...) with connections:write; having one chooses Socket Mode.",
    ),
    Variable(
        name="SLACK_SIGNING_SECRET",
        secret=True,
        sentence="Chooses HTTP mode (path /slack/events) when there is no SLACK_APP_TOKEN; not used in Socket Mode.",
    ),
    Variable(name="PORT", default="3000", sentence="Where HTTP mode listens; not used in Socket Mode."),
    Variable(
        name="SLACK_API_URL",
        default="https://slack.com/api/",
        sentence="The Web API; another one only for a proxy or GovSlack.",
    ),
    Variable(
        name="SLACK_TEAM_ID",
        sentence="The workspace (T...) to serve where the app is installed for a whole organisation (Enterprise Grid).",
    ),
    Variable(
        name="SLACK_COMMAND",
        default="/canary",
        sentence="The slash command; a second install in one workspace needs another.",
    ),
    Variable(
        topic="State",
        name="REDIS_URL",
        default="redis://localhost:6379/0",
        secret=True,
        sentence="redis://, rediss://, unix://, redis+sentinel://, redis+cluster:// or embedded://PATH; see docs.",
    ),
    Variable(name="REDIS_CA_FILE", sentence="Certificates (PEM) to trust instead of the system's; with rediss://."),
    Variable(name="REDIS_SENTINEL_USERNAME", sentence="The sentinels' own user; the one in REDIS_URL is Redis' own."),
    Variable(name="REDIS_SENTINEL_PASSWORD", secret=True, sentence="The sentinels' own password."),
    Variable(
        name="CANARY_SIGNING_KEY",
        secret=True,
        sentence="Signs what is kept in Redis and on VirtualServices; the watchdog's as well. NEW,OLD to replace one.",
    ),
    Variable(
        topic="Metrics",
        name="PROMETHEUS_URL",
        default="http://localhost:9090",
        sentence="The Prometheus that scrapes the mesh's proxies, without a user or password in it.",
    ),
    Variable(name="PROMETHEUS_BEARER_TOKEN", secret=True, sentence="Sent to Prometheus as a bearer token."),
    Variable(name="PROMETHEUS_USERNAME", sentence="The user for basic authentication with Prometheus."),
    Variable(name="PROMETHEUS_PASSWORD", secret=True, sentence="The password that goes with it."),
    Variable(name="PROMETHEUS_CA_FILE", sentence="Certificates (PEM) to trust instead of the system's."),
    Variable(
        name="PROMETHEUS_HEADERS",
        secret=True,
        sentence="More headers, such as X-Scope-OrgID=shop,X-Team=web.",
    ),
    Variable(
        topic="Cluster",
        name="KUBECONFIG",
        sentence="A kubeconfig; inside a cluster the Pod's service account is used unless this is set.",
    ),
    Variable(name="KUBE_CONTEXT", sentence="The context in it, when not the current one."),
    Variable(
        name="ISTIO_NAMESPACE",
        default="istio-system",
        sentence="Where istiod is. Its ConfigMap istio says the mesh's root namespace; unread, this is taken for it.",
    ),
    Variable(
        topic="The bot itself",
        name="LANGUAGE",
        default="en",
        sentence="What it speaks, en or zh_cn; services.yaml may say another for a channel or a service.",
    ),
    Variable(
        name="SERVICES_FILE",
        default="services.yaml",
        sentence="The services it may roll out (see docs/services.schema.json).",
    ),
    Variable(
        name="PROBE_PORT",
        default="8080",
        sentence="Where /healthz, /readyz and /metrics are; 0 picks a free port and logs it.",
    ),
    Variable(
        name="TICK_SECONDS",
        default="5",
        sentence="How often every rollout is looked at; bad metrics are acted on then.",
    ),
    Variable(
        name="DEAD_MAN_SECONDS",
        default="120",
        sentence="Without a sign of life for so long, `canary-bot watchdog` brings a rollout's users home.",
    ),
    Variable(
        name="LEASE_SECONDS",
        default="10",
        sentence="How long after the leading bot was lost another takes over; shorter than DEAD_MAN_SECONDS.",
    ),
    Variable(
        name="HISTORY_ROLLOUTS",
        default="50",
        sentence="So many of the newest rollouts of each service are kept, however old they are.",
    ),
    Variable(name="HISTORY_DAYS", default="90", sentence="And everything that is younger than so many days."),
    Variable(name="LOG_FORMAT", default="console", sentence="console (for people) or json (for machines)."),
    Variable(name="LOG_LEVEL", default="info", sentence="debug, info, warning or error."),
)


def env_example() -> str:
    """The text of ``.env.example``."""
    lines = [
        "# Copy to .env, or set the same names in the environment, which wins over .env.",
        "# A line that begins with # shows the default, or nothing when there is none.",
        "# A name marked (secret) may also come from a file: SLACK_BOT_TOKEN_FILE=/run/secrets/slack-bot-token",
    ]
    for variable in VARIABLES:
        if variable.topic:
            lines += ["", f"# --- {variable.topic} ---"]
        lines += ["", f"# {variable.sentence}{' (secret)' if variable.secret else ''}"]
        lines.append(f"# {variable.name}={variable.default}")
    return "\n".join(lines) + "\n"
