"""What the bot says in Chinese (简体中文): the same sentences as ``en``, written anew, with the same things in them.

Terms are those of Istio's and Kubernetes' Chinese pages; names of API kinds, services, versions and commands stay as
they are. Full-width punctuation, half-width digits, a space before ``%``.
"""

from collections.abc import Mapping

from bot.words.zh_cn import (
    adapters,
    analysis,
    cards,
    cli,
    cluster,
    controller,
    preflight,
    probes,
    rollout,
    settings,
    slack,
    words,
)

SENTENCES: Mapping[str, str] = {
    **words.SENTENCES,
    **rollout.SENTENCES,
    **analysis.SENTENCES,
    **preflight.SENTENCES,
    **cluster.SENTENCES,
    **controller.SENTENCES,
    **adapters.SENTENCES,
    **slack.SENTENCES,
    **cards.SENTENCES,
    **cli.SENTENCES,
    **settings.SENTENCES,
    **probes.SENTENCES,
}
