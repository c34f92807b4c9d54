"""Sentences as messages: what somebody is told in reply, in their language. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack import blocks
from bot.slack.blocks import Block, Message
from bot.words.rendering import Voice
from bot.words.sentence import Code, Text, said

LONGEST_SENTENCE = 2500


def message_of(texts: Sequence[Text], voice: Voice) -> Message:
    """A sentence and the reasons for it as a message; nothing that somebody else wrote comes alive in it."""
    first, *reasons = texts
    lines = [blocks.mrkdwn(first, voice), *(f"• {blocks.mrkdwn(reason, voice)}" for reason in reasons)]
    text = "\n".join(lines)
    if len(text) <= LONGEST_SENTENCE:
        paragraphs: tuple[Block, ...] = (blocks.section(text),)
        return Message(text=text, blocks=paragraphs, plain=paragraphs)
    # A refusal with many reasons, of which none may be lost.
    sections = [blocks.section(line) for line in lines]
    paragraphs = blocks.filled((), sections, lambda left: more_reasons(left, voice))
    return Message(text=lines[0], blocks=paragraphs, plain=paragraphs)


def more_reasons(left: int, voice: Voice) -> str:
    """That some reasons are not shown, and where all are."""
    return blocks.mrkdwn(said("slack.more_reasons", n=left, command=Code("canary-bot plan")), voice)
