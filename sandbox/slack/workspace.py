"""The state of the workspace behind one lock: who is there, what was said, which views are open. No wire formats.

Every change wakes ``wait_for`` and is handed to the subscribers (the page's live feed) in the order it happened.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from sandbox.slack.model import BOT_USER, SLACKBOT, Block, Channel, File, Message, User, UserGroup, View

T = TypeVar("T")
Event = dict[str, Any]


class Workspace:
    """Users, channels, messages, views and files; safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._begin()
        self.clock = clock
        self.language = ""  # of the page's own words, as in LANGUAGE; "" is English
        self._subscribers: list[Callable[[Event], None]] = []
        self._changed = threading.Condition(threading.RLock())
        self._last_tick = 0
        self._serial = itertools.count(1)

    def _begin(self) -> None:
        self.users: dict[str, User] = {user.id: user for user in _people()}
        self.channels: dict[str, Channel] = {channel.id: channel for channel in _channels()}
        self.usergroups: dict[str, UserGroup] = {group.id: group for group in _groups()}
        self.files: dict[str, File] = {}
        self._messages: dict[str, dict[str, Message]] = {channel: {} for channel in self.channels}
        self._ephemerals: list[Message] = []
        self._modals: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}

    # Looking

    def user(self, who: str) -> User:
        """A user by id, ``@maya`` or ``maya``."""
        name = who.removeprefix("@")
        found = self.users.get(who) or next((user for user in self.users.values() if user.name == name), None)
        if found is None:
            raise LookupError(
                f"Nobody here is called {who}; there are {', '.join(u.name for u in self.users.values())}."
            )
        return found

    def channel(self, which: str) -> Channel:
        """A channel by id, ``#releases`` or ``releases``; a user's id is the direct conversation with the app."""
        if which in self.users:
            return self._direct(which)
        name = which.removeprefix("#")
        found = self.channels.get(which) or next((c for c in self.channels.values() if c.name == name), None)
        if found is None:
            raise LookupError(f"There is no channel {which}.")
        return found

    def messages(self, channel: str) -> tuple[Message, ...]:
        """What everyone in the channel can read, top level and threads, in the order it was written."""
        with self._changed:
            return tuple(self._messages[self.channel(channel).id].values())

    def message(self, channel: str, ts: str) -> Message | None:
        """One message that everyone can read."""
        with self._changed:
            return self._messages.get(channel, {}).get(ts)

    def thread(self, channel: str, ts: str) -> tuple[Message, ...]:
        """The replies to one message."""
        return tuple(message for message in self.messages(channel) if message.is_reply and message.thread_ts == ts)

    def ephemerals(self, user: str) -> tuple[Message, ...]:
        """What only this user can read, in every channel."""
        who = self.user(user).id
        with self._changed:
            return tuple(message for message in self._ephemerals if message.ephemeral_to == who)

    def views(self, user: str) -> tuple[View, ...]:
        """The modals open in front of this user, the topmost last."""
        with self._changed:
            return tuple(self._modals.get(self.user(user).id, ()))

    def home(self, user: str) -> View | None:
        """This user's App Home, once the app has published one."""
        with self._changed:
            return self._homes.get(self.user(user).id)

    def view(self, view_id: str) -> View | None:
        """An open modal or a published App Home by id or external id."""
        with self._changed:
            every = itertools.chain(self._homes.values(), *self._modals.values())
            return next((view for view in every if view_id and view_id in {view.id, view.external_id}), None)

    def wait_for(self, predicate: Callable[[Workspace], T | None], timeout: float = 10) -> T:
        """Wait until ``predicate`` finds something; it is asked again after every change."""
        with self._changed:
            found = self._changed.wait_for(lambda: predicate(self), timeout)
        if not found:
            raise TimeoutError(f"The workspace did not get there within {timeout:g} s.")
        return found

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Hand every later change to ``listener`` (called under the lock: be quick); returns the way to stop."""
        with self._changed:
            self._subscribers.append(listener)
        return lambda: self._subscribers.remove(listener)

    # Changing

    def post(self, message: Message) -> Message:
        """Add a message, to everyone or to one person, under a new timestamp."""
        with self._changed:
            posted = replace(message, ts=self._new_ts())
            if posted.ephemeral_to:
                self._ephemerals.append(posted)
            else:
                self._messages[posted.channel][posted.ts] = posted
            self._announce("message", posted)
            return posted

    def say(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> Message:
        """What a person types into the composer."""
        where = self.channel(channel).id
        return self.post(Message(ts="", channel=where, user=self.user(user).id, text=text, thread_ts=thread_ts))

    def whisper(self, user: str, channel: str, text: str) -> Message:
        """What Slack itself tells one person, for example that the app did not answer."""
        return self.post(Message(ts="", channel=channel, user=SLACKBOT, text=text, ephemeral_to=user))

    def rewrite(self, message: Message, *, text: str, blocks: Iterable[Block], **more: Any) -> Message:
        """Replace the words of a message in place; it keeps its timestamp and its thread."""
        with self._changed:
            kept = tuple(blocks)
            message = self.message(message.channel, message.ts) or message  # the caller may hold an older version
            changed = replace(message, text=text, blocks=kept, edited=not kept, versions=message.versions + 1, **more)
            if message.ephemeral_to:
                self._ephemerals = [changed if known.ts == message.ts else known for known in self._ephemerals]
            else:
                self._messages[message.channel][message.ts] = changed
            self._announce("message", changed)
            return changed

    def remove(self, message: Message) -> None:
        """Delete a message."""
        with self._changed:
            if message.ephemeral_to:
                self._ephemerals = [known for known in self._ephemerals if known.ts != message.ts]
            else:
                self._messages[message.channel].pop(message.ts, None)
            self._announce("removed", message)

    def react(self, message: Message, name: str) -> None:
        """Put a reaction on a message."""
        with self._changed:
            changed = replace(message, reactions=(*message.reactions, name))
            self._messages[message.channel][message.ts] = changed
            self._announce("message", changed)

    def show(self, view: View) -> View:
        """Put a modal on top of its user's stack, or publish an App Home."""
        with self._changed:
            if view.type == "home":
                self._homes[view.user] = view
            else:
                self._modals.setdefault(view.user, []).append(view)
            self._announce("views", view.user)
            return view

    def replace_view(self, view: View) -> View:
        """Change an open view in place."""
        with self._changed:
            if view.type == "home":
                self._homes[view.user] = view
            else:
                stack = self._modals.get(view.user, [])
                self._modals[view.user] = [view if known.id == view.id else known for known in stack]
            self._announce("views", view.user)
            return view

    def close_view(self, view: View, *, everything: bool = False) -> None:
        """Take a modal (or the whole stack) away."""
        with self._changed:
            stack = self._modals.get(view.user, [])
            self._modals[view.user] = [] if everything else [known for known in stack if known.id != view.id]
            self._announce("views", view.user)

    def keep(self, file: File) -> File:
        """Store a file, or a newer state of it."""
        with self._changed:
            self.files[file.id] = file
            self._changed.notify_all()
            return file

    def join(self, channel: str, user: str) -> Channel:
        """Make somebody a member."""
        with self._changed:
            joined = self.channel(channel)
            joined = replace(joined, members=joined.members | {self.user(user).id})
            self.channels[joined.id] = joined
            self._announce("channel", joined)
            return joined

    def put_channel(self, channel: Channel) -> None:
        """Add a channel, or change one (archive it, take the app out)."""
        with self._changed:
            self.channels[channel.id] = channel
            self._messages.setdefault(channel.id, {})
            self._announce("channel", channel)

    def put_usergroup(self, group: UserGroup) -> None:
        """Add a user group, or change who is in it."""
        with self._changed:
            self.usergroups[group.id] = group

    def start_over(self) -> None:
        """Forget all that was ever said, opened or changed: a workspace as it was made. Subscribers stay."""
        with self._changed:
            self._begin()
            self._announce("reset", None)

    def new_id(self, prefix: str) -> str:
        """An id that looks like Slack's."""
        return f"{prefix}0{next(self._serial):08X}"

    # Inside

    def _direct(self, user: str) -> Channel:
        with self._changed:
            known = next((c for c in self.channels.values() if c.is_im and user in c.members), None)
            if known is None:
                known = Channel(
                    id=self.new_id("D"), name=self.users[user].name, members=frozenset({user, BOT_USER}), is_im=True
                )
                self.put_channel(known)
            return known

    def _new_ts(self) -> str:
        # Two messages never share a timestamp: it is their identity.
        self._last_tick = max(self._last_tick + 1, int(self.clock() * 1_000_000))
        return f"{self._last_tick // 1_000_000}.{self._last_tick % 1_000_000:06d}"

    def _announce(self, kind: str, what: object) -> None:
        for subscriber in tuple(self._subscribers):
            subscriber({"type": kind, "what": what})
        self._changed.notify_all()


def _people() -> list[User]:
    return [
        User(id="U0MAYA0001", name="maya", real_name="Maya Lindqvist", title="Release manager"),
        User(id="U0OMAR0001", name="omar", real_name="Omar Haddad", title="Site reliability engineer"),
        User(id="U0LENA0001", name="lena", real_name="Lena Okafor", title="Developer"),
        User(id=BOT_USER, name="canary", real_name="canary", title="Canary releases from Slack", is_bot=True),
        User(id=SLACKBOT, name="slackbot", real_name="Slackbot", is_bot=True),
    ]


def _channels() -> list[Channel]:
    people = frozenset({"U0MAYA0001", "U0OMAR0001", "U0LENA0001"})
    return [
        Channel(id="C0RELEASES", name="releases", members=people | {BOT_USER}, topic="What goes out, and how it went"),
        Channel(id="C0GENERAL1", name="general", members=people, topic="Everything else"),
    ]


def _groups() -> list[UserGroup]:
    members = ("U0MAYA0001", "U0OMAR0001")
    return [UserGroup(id="S0RELMGRS1", handle="release-managers", name="Release managers", members=members)]
