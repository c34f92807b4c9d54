"""What must hold of every message that people read, whatever happened: nothing is said twice, figures agree, and a side
has one name.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sandbox.slack.model import Block, Message

APART = "figures differ"
SHORTEST = 3  # words; fewer are an expression ("of users", "on hold") and no clause
SHORTEST_CHINESE = 7  # characters
_HAN = re.compile(r"[\u4e00-\u9fff]")
# "1.25x v1" and "15:36" are one thing: what ends a clause stands before a space or the end, full-width anywhere.
_ENDS = re.compile(r"[.!?;:,](?=\s|$)|[。！？；：，、（）()\n·•]")  # noqa: RUF001
# Where a Deployment may be named: what is said is about an object, and not a version that users meet.
_OBJECT = re.compile(
    r"\bpods?\b|Pod|images?\b|镜像(?!流量|请求)|Deployment|ReplicaSet|upgrad|升级|restored?|restoring|恢复|scale|扩容|runs?\b|运行|"
    r"Prometheus|destination_workload|stuck|卡住|crash|memory|OOM|restart|重启|sidecar|kubectl|\bgit\b|Git|exist|annotations?|注解",
    re.IGNORECASE,
)
_FIGURE = re.compile(
    r"errors (?P<here>none of [\d,]*\d|[\d.]+ % \([\d,]+ of [\d,]+\))"
    r"|错误率 (?P<there>0（共 [\d,]+）|[\d.]+ %（[\d,]+/[\d,]+）)"  # noqa: RUF001
)
_OF_ANOTHER_TIME = re.compile(
    r"last minute|last step with|While mirroring|hour before|最近一分钟|最后一个两版本|镜像阶段|前一小时"
)


class Reader:
    """Reads every message of a workspace as it is written and rewritten.

    Attributes:
        wrong: what was wrong with any of them, in the order in which it was seen.
    """

    def __init__(self, primary: str, canary: str, service: str = "reviews", *, figures: bool = True) -> None:
        """``figures``: whether they are compared. Of a row in which one side is unknown, the other's answers stand in
        the table, and are none of what the judge compared.
        """
        self._figures = figures
        self.wrong: dict[str, None] = {}
        self._images: set[str] = set()
        self._primary = primary
        # One that is called as its service is may stand wherever the service may.
        self._deployments = tuple(name for name in (primary, canary) if name not in {service, ""})

    def read(self, event: Mapping[str, Any]) -> None:
        """A subscriber of the workspace."""
        message = event["what"]
        if event["type"] == "message" and isinstance(message, Message):
            found = wrong_in(message.blocks, self._deployments)
            self.wrong |= dict.fromkeys(one for one in found if self._figures or not one.startswith(APART))

    def observe(self, _what: str, obj: Mapping[str, Any]) -> None:
        """A subscriber of the cluster: once the primary was upgraded, both sides run one version and have no other
        name than their Deployments'.
        """
        if obj["kind"] != "Deployment" or obj["metadata"]["name"] != self._primary:
            return
        self._images.add(obj["spec"]["template"]["spec"]["containers"][0]["image"])
        if len(self._images) > 1:
            self._deployments = ()


def wrong_in(blocks: Sequence[Block], deployments: Sequence[str] = ()) -> list[str]:
    """What is wrong with a message, a line for each. ``deployments`` may be named only where an object is meant."""
    blocks = json.loads(json.dumps(list(blocks), ensure_ascii=False).replace("\N{NO-BREAK SPACE}", " "))
    return [*said_twice(blocks), *objects_for_versions(blocks, deployments), *figures_apart(blocks)]


def said_twice(blocks: Sequence[Block]) -> list[str]:
    """Clauses that occur more than once."""
    counted: Counter[str] = Counter()
    for block in blocks:
        if block["type"] == "plan":  # its rows are a map of the way; where it is stands in the header too
            rows = [task["title"].partition(" · ")[2] for task in block["tasks"]]
            counted.update(one for row in rows for one in set(clauses(row)))
        elif block["type"] != "actions":  # a button says what it does in the words of the question
            for part in block.get("elements", [block]):
                counted.update(_of_part(part))
    return [f"said twice: {clause}" for clause, times in counted.items() if times > 1]


def _of_part(part: Mapping[str, Any]) -> Counter[str]:
    """Clauses of a part of a message; the rows of a list go by one pattern, and count as often as the worst of them."""
    counted: Counter[str] = Counter()
    for row in part["elements"] if part.get("type") == "rich_text_list" else [part]:
        counted |= Counter(clauses(_inline(row)))
    return counted


def objects_for_versions(blocks: Sequence[Block], deployments: Sequence[str]) -> list[str]:
    """Sentences that name a Deployment and are about no object."""
    sentences = [one for text in texts(blocks) for one in re.split(r"(?<=[.?!])\s|[。\n]", text)]
    called = [re.compile(rf"(?<![\w/-]){re.escape(name)}(?![\w-])", re.ASCII) for name in deployments]
    named = [one for one in sentences if any(name.search(one) for name in called)]
    return [f"names a Deployment: {one}" for one in named if not _OBJECT.search(one)]


def figures_apart(blocks: Sequence[Block]) -> list[str]:
    """Errors of a side that the sentence has otherwise than in the table."""
    in_sentence = next((one.strip() for text in texts(blocks) for one in _figures(text)), None)
    shown = next((row for row in _rows(blocks) if row[:1] and row[0] in {"Errors", "错误"}), None)
    if in_sentence is None or shown is None or _narrow(in_sentence) in shown:
        return []
    return [f"{APART}: {in_sentence} in the sentence, {shown} in the table"]


def _narrow(figure: str) -> str:
    """As the table has it: without how many of them failed."""
    return re.sub(r" \([\d,]+ of ([\d,]+)\)|（[\d,]+/([\d,]+)）", _of_all, figure)  # noqa: RUF001


def _of_all(found: re.Match[str]) -> str:
    return f" of {found[1]}" if found[1] else f"，共 {found[2]}"  # noqa: RUF001


def _figures(text: str) -> Iterator[str]:
    for sentence in re.split(r"(?<=[.?!])\s|[。\n]", text):
        if not _OF_ANOTHER_TIME.search(sentence):
            yield from (found["here"] or found["there"] for found in _FIGURE.finditer(sentence))


def _rows(blocks: Sequence[Block]) -> Iterator[list[str]]:
    for block in blocks:
        if block["type"] == "data_table":
            for row in block["rows"]:
                yield [str(cell.get("text", "")) for cell in row]


def clauses(text: str) -> Iterator[str]:
    """Parts of sentences that say something by themselves."""
    for part in _ENDS.split(text):
        clause = " ".join(part.split()).casefold()
        words = re.findall(r"[^\W\d_]+", clause)
        han = _HAN.findall(clause)
        if len(han) >= SHORTEST_CHINESE or (not han and len(words) >= SHORTEST):
            yield clause


def texts(blocks: Sequence[Block]) -> Iterator[str]:
    """What is read as sentences, a part of the message each: no table, chart or button."""
    for block in blocks:
        match block["type"]:
            case "header" | "section":
                yield _inline(block.get("text", {}))
            case "rich_text" | "context":
                yield from (_inline(part) for part in block["elements"])
            case "plan":
                yield block["title"]
                yield from (task["title"] for task in block["tasks"])


def _inline(part: Any) -> str:
    if isinstance(part, list):
        return "".join(map(_inline, part))
    if not isinstance(part, dict):
        return ""
    if part.get("type") == "rich_text_list":
        return "\n".join(map(_inline, part["elements"]))
    if part.get("type") == "rich_text_preformatted":
        return ""  # a table in other clothes
    if part.get("text"):
        return part["text"] if isinstance(part["text"], str) else _inline(part["text"])
    return str(part.get("fallback") or part.get("user_id") or "") + _inline(part.get("elements", []))
