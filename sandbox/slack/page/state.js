// What the page knows: people, channels, messages, views, and who is looking. No DOM here.

import { speak } from "./words.js";

export const state = {
  me: localStorage.getItem("me") ?? "",
  place: "", // a channel id, or "home"
  thread: null, // { channel, ts }
  users: new Map(),
  groups: new Map(),
  channels: new Map(),
  messages: new Map(), // ts -> message
  views: new Map(), // user -> { modals, home }
  commands: [],
  bot: "",
  read: new Map(), // "user channel" -> ts of the last message seen
};

/** Names for ids, as the text renderer needs them. */
export const directory = {
  get me() {
    return state.me;
  },
  userName: (id) => state.users.get(id.split("|")[0])?.name ?? id,
  channelName: (id) => state.channels.get(id)?.name ?? id,
  group: (id) => state.groups.get(id.split("|")[0]),
};

export const user = (id) => state.users.get(id) ?? { id, name: id, real_name: id };
export const people = () => [...state.users.values()].filter((one) => !one.is_bot);
export const myViews = () => state.views.get(state.me) ?? { modals: [], home: null };
export const isMine = (message) => !message.ephemeral_to || message.ephemeral_to === state.me;
const byTime = (left, right) => (left.ts < right.ts ? -1 : 1);

/** What stands in the channel itself: top-level messages and replies that were also sent there. */
export function inChannel(channel) {
  const found = [...state.messages.values()].filter((message) => message.channel === channel && isMine(message));
  return found.filter((message) => !isReply(message) || message.broadcast).sort(byTime);
}

export function inThread({ channel, ts }) {
  const found = [...state.messages.values()].filter((message) => message.channel === channel && isMine(message));
  return found.filter((message) => message.ts === ts || message.thread_ts === ts).sort(byTime);
}

export const isReply = (message) => Boolean(message.thread_ts) && message.thread_ts !== message.ts;
export const replies = (message) => inThread(message).filter((one) => isReply(one) && !one.ephemeral_to);

export function myDirect() {
  return [...state.channels.values()].find((channel) => channel.is_im && channel.members.includes(state.me));
}

export function markRead(channel) {
  state.read.set(`${state.me} ${channel}`, inChannel(channel).at(-1)?.ts ?? "0");
}

/** How many unread messages there are, and how many of them mention me. */
export function unread(channel) {
  const seen = state.read.get(`${state.me} ${channel}`) ?? "0";
  const fresh = inChannel(channel).filter((message) => message.ts > seen && message.user !== state.me);
  return { count: fresh.length, mentions: fresh.filter(mentionsMe).length };
}

export function mentionsMe(message) {
  const words = message.text + JSON.stringify(message.blocks);
  const groups = [...state.groups.values()].filter((group) => group.members.includes(state.me));
  return words.includes(`<@${state.me}`) || words.includes(`"user_id": "${state.me}"`) || words.includes(`"user_id":"${state.me}"`)
    || groups.some((group) => words.includes(`<!subteam^${group.id}`) || words.includes(`"usergroup_id":"${group.id}"`));
}

/** Take in everything the server knows, in place of all that was known before. */
export function load(everything) {
  [state.users, state.groups, state.channels, state.messages, state.views].forEach((known) => known.clear());
  speak(everything.language);
  state.bot = everything.bot;
  state.commands = everything.commands;
  everything.users.forEach((one) => state.users.set(one.id, one));
  everything.usergroups.forEach((one) => state.groups.set(one.id, one));
  everything.channels.forEach((one) => state.channels.set(one.id, one));
  everything.messages.forEach((one) => state.messages.set(one.ts, one));
  everything.views.forEach((one) => state.views.set(one.user, one));
  if (!state.users.has(state.me)) state.me = people()[0].id;
  if (!state.channels.has(state.place) && !["home", "direct"].includes(state.place)) state.place = [...state.channels.keys()][0];
}

/** Take in one change from the feed. */
export function apply(event) {
  if (event.type === "message") {
    const known = state.messages.get(event.message.ts);
    if (!known || known.versions <= event.message.versions) state.messages.set(event.message.ts, event.message);
  } else if (event.type === "removed") state.messages.delete(event.message.ts);
  else if (event.type === "channel") state.channels.set(event.channel.id, event.channel);
  else if (event.type === "views") state.views.set(event.user, event);
}
