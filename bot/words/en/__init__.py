"""What the bot says in English: every sentence by its name. How a template is written stands in ``rendering``.

The point first, then why, then what to do; at most 25 words a sentence. What a sentence rests on goes in by name, so
that another language may order it otherwise.
"""

from collections.abc import Mapping

from bot.words.en import (
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
