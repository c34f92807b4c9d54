"""What the bot says in English: every sentence by its name. How a template is written stands in ``rendering``.

The point first, then why, then what to do; at most 25 words a sentence. What a sentence rests on goes in by name, so
that another language may order it otherwise.
"""

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "words.together": "{sentences:sentences}",
    "words.endless": "without end",
    "words.seconds": "{n:second|seconds}",
    "words.minutes": "{n:minute|minutes}",
    "words.hours": "{n:hour|hours}",
}

SENTENCES: Mapping[str, str] = {
    **WORDS,
}
