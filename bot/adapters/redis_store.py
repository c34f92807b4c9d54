"""The port ``Store`` on Redis: rollouts, their stories, and the notifications that go with every change.

All keys of a service are in one slot, so one script writes a change as a whole: the rollout if its revision is still
the expected one, the pointer to the live rollout, the story's lines and the outbox's notifications. Delivering
notifications is ``outbox``'s business; names of keys and JSON are in ``serialization``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot.adapters import signatures
from bot.adapters.failures import Failed, logged
from bot.adapters.redis_connection import RedisClient, WrongKind, answers, faults
from bot.adapters.redis_retention import remember_refused
from bot.adapters.serialization import (
    CARDS,
    FENCE_AHEAD,
    HISTORIES,
    SERVICES,
    WORDS,
    Keys,
    dump_entry,
    dump_rollout,
    dump_spec,
    load_entry,
    load_rollout,
)
from bot.controller.containment import broken
from bot.model.copies import replace
from bot.model.errors import Fault, Refusal, Stale, Unreadable
from bot.model.rollout import Phase, Rollout, RolloutId, RolloutSpec
from bot.model.signing import UNSIGNED, Signer
from bot.model.story import Entry, EntryKind
from bot.rollout.phrases import status_text
from bot.words.sentence import Code, Text, TypedIn, said, together

KEPT = said("adapters.kept")
PAGE = 50  # records that are looked through for refused starts
STORY_LINES = 10_000  # of a rollout; one that flaps for weeks tells its newest
MILLISECONDS = 1000  # in a second: Redis counts in them

# Sent whole each time: changes are rare, and a script cache is one more thing a failover loses.
#
# KEYS: rollout, active, history, story, outbox, cards, fence
# ARGV: expected revision (0: none is stored), the rollout, its id, when it was started, 1 if it is live,
#       its new revision, the number of the writer's lease (0: a person's command needs none), 1 if nobody is told,
#       the entries
#
# The connection is tried twice. Finding exactly what it came to write, the script was here before and its answer lost.
# The answer is "marked" when the service had no card out of date before, so that its indexes need a word.
WRITE = """
local stored = redis.call('GET', KEYS[1])
if stored == ARGV[2] then return 'marked' end

local fence, newest = tonumber(ARGV[7]), tonumber(redis.call('GET', KEYS[7])) or 0
-- A fence is Redis' clock: one further ahead is nobody's, and keeps nobody out.
if newest > (tonumber(redis.call('TIME')[1]) + FENCE_AHEAD) * 1000 then newest = 0 end
if fence > 0 and fence < newest then return 'fenced' end
local revision = stored and cjson.decode(stored).rollout.revision or 0
if revision ~= tonumber(ARGV[1]) then return 'stale' end

local active = redis.call('GET', KEYS[2])
if ARGV[5] == '1' then
  if active and active ~= ARGV[3] then return 'taken' end
  redis.call('SET', KEYS[2], ARGV[3])
elseif active == ARGV[3] then
  redis.call('DEL', KEYS[2])
end

redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])
local told = ARGV[8] ~= '1'
for i = 9, #ARGV do
  redis.call('XADD', KEYS[4], 'MAXLEN', STORY_LINES, '*', 'entry', ARGV[i])
  if told then
    redis.call('XADD', KEYS[5], '*', 'rollout', ARGV[3], 'revision', ARGV[6], 'number', i - 9, 'entry', ARGV[i])
  end
end
local marked = told and redis.call('HLEN', KEYS[6]) == 0
if told then redis.call('HSET', KEYS[6], ARGV[3], ARGV[6]) end
if fence > newest then redis.call('SET', KEYS[7], ARGV[7]) end
return marked and 'marked' or 'written'
""".replace("STORY_LINES", str(STORY_LINES)).replace("FENCE_AHEAD", str(FENCE_AHEAD))

# Since when a service's cards are out of date, by Redis' own clock: replicas' clocks may differ.
# KEYS: the index  ARGV: the service
OUT_OF_DATE = """
local time = redis.call('TIME')
return redis.call('ZADD', KEYS[1], 'NX', time[1] + time[2] / 1000000, ARGV[1])
"""

# KEYS: active, rollout  ARGV: the id that is live, and its record as it was found ("": none)
SET_ASIDE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local text = redis.pcall('GET', KEYS[2])
if (type(text) == 'string' and text or '') ~= ARGV[2] then return 0 end
return redis.call('DEL', KEYS[1])
"""

# Whatever else was put in an index' place goes: it says nothing that the services' own keys do not say.
# KEYS: the index  ARGV: the kind that it is
CLEAR = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' or kind == ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

INDEXES = {SERVICES: "set", WORDS: "set", CARDS: "zset"}


class RedisStore:
    """Rollouts in Redis. Records and words are signed by ``signer``; a record that is not ours is an unreadable one."""

    def __init__(self, client: RedisClient, signer: Signer = UNSIGNED, *, failed: Failed = logged) -> None:
        self._client = client
        self._signer = signer
        self._failed = failed
        # Live rollouts as they were last read or written: their text and what it says, or why that cannot be read.
        self._parsed: dict[RolloutId, tuple[str, Rollout | Text]] = {}
        self._specs: dict[RolloutId, tuple[RolloutSpec, str]] = {}  # the same of what never changes in them

    def create(self, rollout: Rollout, entries: Sequence[Entry], *, fence: int | None = None) -> Rollout:
        """Store a new rollout at revision 1 with its first entries, in one transaction."""
        created = replace(rollout, revision=1)
        match self._write(created, 0, entries, fence):
            case "taken":
                raise self._taken(rollout)
            case "stale":
                raise Stale("Redis", said("adapters.held_already", id=rollout.spec.id, service=rollout.spec.service))
        return created

    def file(self, rollout: Rollout, entries: Sequence[Entry]) -> Rollout:
        """Keep the record of a start that was refused, and notify nobody."""
        filed = replace(rollout, revision=1)
        if self._write(filed, 0, entries, fence=None, notify=False) != "written":
            raise Stale("Redis", said("adapters.held_already", id=rollout.spec.id, service=rollout.spec.service))
        try:
            with faults():
                remember_refused(self._client, filed.key, filed.spec.id, filed.spec.started_at)
        except Fault as fault:  # it is filed, and whoever asked has to hear why it was refused
            self._failed(f"refusals of {filed.key}", fault)
        return filed

    def save(self, rollout: Rollout, entries: Sequence[Entry] = (), *, fence: int | None = None) -> Rollout:
        """Replace the stored rollout if its revision is still ``rollout.revision``; entries and notifications too."""
        saved = replace(rollout, revision=rollout.revision + 1)
        if self._write(saved, rollout.revision, entries, fence) != "written":
            spec, revision = rollout.spec, str(rollout.revision)
            changed = said("adapters.another_revision", service=spec.service, id=spec.id, revision=revision)
            raise Stale("Redis", changed)
        return saved

    def load(self, key: str, rollout_id: RolloutId) -> Rollout | None:
        """One rollout of the service ``key``, live or ended."""
        with faults():
            (text,) = self._get([Keys(service=key).rollout(rollout_id)])
        return None if text is None else self._load(key, rollout_id, text)

    def active(self, key: str) -> Rollout | None:
        """The live rollout of the service ``key``, at most one."""
        with faults():
            rollout_id = self._client.get(Keys(service=key).active)
        try:
            rollout = self.load(key, RolloutId(rollout_id)) if rollout_id else None
        except Unreadable as unreadable:
            remedy = said("adapters.abort_by_annotations", command=Code("abort"))
            raise Unreadable("Redis", together((unreadable.sentence, remedy)), unreadable.remains) from unreadable
        # It may have ended between the two answers.
        return rollout if rollout is not None and not rollout.ended else None

    def busy(self) -> Mapping[str, RolloutId]:
        """The services that have a live rollout, by their keys, and which; it may have ended a moment ago."""
        with faults():
            services = sorted(self._client.smembers(SERVICES))
            ids = self._get([Keys(service=key).active for key in services])
        busy = {key: RolloutId(found) for key, found in zip(services, ids, strict=True) if found}
        known = set(busy.values())
        self._parsed = {one: parsed for one, parsed in self._parsed.copy().items() if one in known}
        self._specs = {one: spec for one, spec in self._specs.copy().items() if one in known}
        return busy

    def live(self, of: Mapping[str, RolloutId] | None = None) -> Sequence[Rollout]:
        """Every live rollout, oldest first; or those of them that ``busy`` told.

        One that cannot be read is told of and left out: the others must be looked after all the same.
        """
        wanted = self.busy() if of is None else of
        with faults():
            documents = self._get([Keys(service=key).rollout(found) for key, found in wanted.items()])
        read = [
            self._read(key, found, text)
            for (key, found), text in zip(wanted.items(), documents, strict=True)
            if text is not None
        ]
        rollouts = [rollout for rollout in read if rollout is not None and not rollout.ended]
        return sorted(rollouts, key=lambda rollout: (rollout.spec.started_at, rollout.spec.id))

    def _load(self, key: str, rollout_id: RolloutId, text: str) -> Rollout:
        rollout = load_rollout(text)  # first: what remains of a newer version's record is told with it
        signatures.believed(said("adapters.a_rollout", id=rollout_id), text, self._signer, *about(key, rollout_id))
        return rollout

    def _read_or_why_not(self, key: str, rollout_id: RolloutId, text: str) -> Rollout | Text:
        try:
            return self._load(key, rollout_id, text)
        except Exception as error:  # noqa: BLE001  # whatever it holds, the other records are read
            return broken(error, said("adapters.do_read_rollout", id=rollout_id)).sentence

    def _read(self, key: str, rollout_id: RolloutId, text: str) -> Rollout | None:
        """The rollout. Most are as they were read or written last, and a thousand take a second to parse."""
        known = self._parsed.get(rollout_id)
        if known is None or known[0] != text:
            known = self._parsed[rollout_id] = text, self._read_or_why_not(key, rollout_id, text)
        if not isinstance(known[1], Rollout):
            self._failed(f"rollout {rollout_id} of {key}", Unreadable("Redis", known[1]))
            return None
        return known[1]

    def story(self, key: str, rollout_id: RolloutId) -> Sequence[Entry]:
        """Every entry of a rollout, oldest first."""
        with faults():
            lines = self._client.xrange(Keys(service=key).story(rollout_id))
        return [_line(place, fields["entry"]) for place, fields in lines]

    def history(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        """The service's rollouts, newest first; one that cannot be read hides no other, nor does a refused start."""
        return [read for _, read in self._past(key, limit) if isinstance(read, Rollout)]

    def refusals(self, key: str, limit: int = 10) -> Sequence[Rollout]:
        """The service's starts that were refused, newest first, of the newest of its records."""
        newest = (self._read_or_why_not(key, found, text) for found, text in self._records(key, self._ids(key, PAGE)))
        return [read for read in newest if isinstance(read, Rollout) and read.phase is Phase.REFUSED][:limit]

    def unreadable(self, key: str, limit: int = 10) -> Mapping[RolloutId, Text]:
        """Those of the newest rollouts whose records cannot be read, and why."""
        past = self._past(key, limit)
        return {found: together((why, KEPT)) for found, why in past if not isinstance(why, Rollout)}

    def set_aside(self, key: str, rollout_id: RolloutId) -> bool:
        """Free the service of a live rollout whose record cannot be read; the record stays where it is."""
        keys = Keys(service=key)
        with faults():
            text = self._get([keys.rollout(rollout_id)])[0] or ""
            if text and isinstance(self._read_or_why_not(key, rollout_id, text), Rollout):
                return False
            names = (keys.active, keys.rollout(rollout_id))
            return bool(self._client.eval(SET_ASIDE, len(names), *names, rollout_id, text))

    def _past(self, key: str, limit: int) -> Iterator[tuple[RolloutId, Rollout | Text]]:
        """The newest rollouts or why they cannot be read, newest first; however many refused starts are among them."""
        found, start = 0, 0
        while found < limit and (ids := self._ids(key, limit, start)):
            start += limit
            for rollout_id, text in self._records(key, ids):
                read = self._read_or_why_not(key, rollout_id, text)
                if found < limit and (not isinstance(read, Rollout) or read.phase is not Phase.REFUSED):
                    found += 1
                    yield rollout_id, read

    def _ids(self, key: str, limit: int, start: int = 0) -> Sequence[RolloutId]:
        """So many of the newest rollouts after ``start`` of them, newest first."""
        with faults():
            found = self._client.zrevrange(Keys(service=key).history, start, start + limit - 1) if limit > 0 else []
        return [RolloutId(one) for one in found]

    def _records(self, key: str, ids: Sequence[RolloutId]) -> Sequence[tuple[RolloutId, str]]:
        """Those of them that have one."""
        with faults():
            documents = self._get([Keys(service=key).rollout(one) for one in ids])
        return [(one, text) for one, text in zip(ids, documents, strict=True) if text is not None]

    def ping(self) -> None:
        """Raise ``Fault`` when the store cannot be reached."""
        with faults():
            self._client.ping()

    def reindex(self) -> None:
        """Rebuild the indexes from the services' own keys; for after a loss, and harmless at any time."""
        with faults():
            for index, kind in INDEXES.items():
                if self._client.type(index) not in {"none", kind}:
                    self._client.eval(CLEAR, 1, index, kind)
            for key in self._client.scan_iter(match=HISTORIES, count=1000):
                service = Keys.of_history(key)
                self._client.sadd(SERVICES, service)
                batch = self._client.pipeline(transaction=False)
                batch.xlen(Keys(service=service).outbox)
                batch.hlen(Keys(service=service).cards)
                words, cards = (0 if isinstance(one, WrongKind) else int(one) for one in answers(batch))
                if words:
                    self._client.sadd(WORDS, service)
                if cards:
                    self._client.eval(OUT_OF_DATE, 1, CARDS, service)

    def _write(
        self, rollout: Rollout, expected: int, entries: Sequence[Entry], fence: int | None, *, notify: bool = True
    ) -> str:
        """One change as a whole: "written", or why not.

        Raises:
            Stale: another replica, with a newer lease, has written to this service.
        """
        text = dump_rollout(rollout, self._spec(rollout))
        text = signatures.signed(text, self._signer, *about(rollout.key, rollout.spec.id))
        lines = [self._signed(rollout, entry) for entry in entries]
        with faults():
            if expected == 0:
                self._client.sadd(SERVICES, rollout.key)
            written = _arguments(rollout, text, expected, lines, fence or 0, notify=notify)
            outcome = str(self._client.eval(WRITE, 7, *written))
            # So that delivery need not ask every service. Whoever dies here is made up for by ``reindex``.
            if outcome in {"written", "marked"} and entries and notify:
                self._client.sadd(WORDS, rollout.key)
            if outcome == "marked":
                self._client.eval(OUT_OF_DATE, 1, CARDS, rollout.key)
        if outcome == "fenced":
            raise Stale("Redis", said("adapters.old_lease", service=rollout.spec.service))
        if outcome not in {"written", "marked"}:
            return outcome
        if rollout.ended:
            self._parsed.pop(rollout.spec.id, None)
            self._specs.pop(rollout.spec.id, None)
        else:
            self._parsed[rollout.spec.id] = text, rollout
        return "written"

    def _spec(self, rollout: Rollout) -> str:
        """As it is stored: most of a record, and the same at every write."""
        known = self._specs.get(rollout.spec.id)
        if known is None or known[0] is not rollout.spec:
            known = self._specs[rollout.spec.id] = rollout.spec, dump_spec(rollout.spec)
        return known[1]

    def _signed(self, rollout: Rollout, entry: Entry) -> str:
        return signatures.signed(dump_entry(entry), self._signer, *about_entry(rollout.key, rollout.spec.id))

    def _taken(self, rollout: Rollout) -> Refusal:
        other = self.active(rollout.key)
        if other is None:
            return Refusal(said("adapters.had_a_rollout", service=rollout.spec.service))
        return Refusal(
            said(
                "controller.already_rolling_out",
                version=other.spec.version,
                where=status_text(other),
                command=TypedIn(f"status {rollout.spec.service}"),
            )
        )

    def _get(self, names: Sequence[str]) -> list[str | None]:
        """Many keys of any slots in one round trip; "", which nothing can be read from, where it is no string."""
        if not names:
            return []
        pipeline = self._client.pipeline(transaction=False)
        get = pipeline.get  # looked up once: there are thousands of names
        for name in names:
            get(name)
        return ["" if isinstance(one, WrongKind) else one for one in answers(pipeline)]


def _arguments(
    rollout: Rollout, text: str, expected: int, lines: Sequence[str], fence: int, *, notify: bool
) -> Iterator[str | float]:
    keys = Keys(service=rollout.key)
    yield from (keys.rollout(rollout.spec.id), keys.active, keys.history, keys.story(rollout.spec.id))
    yield from (keys.outbox, keys.cards, keys.fence)
    yield from (expected, text, rollout.spec.id, rollout.spec.started_at)
    yield from (0 if rollout.ended else 1, rollout.revision, fence, 0 if notify else 1)
    yield from lines


def about(key: str, rollout_id: str) -> tuple[str, str, str]:
    """What a record's signature is about, beside its text."""
    return "rollout", key, rollout_id


def about_entry(key: str, rollout_id: str) -> tuple[str, str, str]:
    """The same for a line of its story."""
    return "entry", key, rollout_id


def _line(place: str, text: str) -> Entry:
    """One that cannot be read hides no other: it is told in its place, by the time Redis wrote it down."""
    try:
        return load_entry(text)
    except Unreadable as unreadable:
        at = float(place.partition("-")[0]) / MILLISECONDS
        return Entry(
            at=at, kind=EntryKind.ALERT, text=said("controller.system_says", system="Redis", why=unreadable.sentence)
        )
