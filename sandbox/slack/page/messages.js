// The message list of a channel or a thread: rows that are replaced only when they changed.

import { avatar } from "./avatar.js";
import { blocks } from "./blocks.js";
import { clock, day, dayWithin, h, post, svg, toast } from "./dom.js";
import { confirmed } from "./modal.js";
import { isReply, mentionsMe, replies, state, user } from "./state.js";
import { emoji, mrkdwn, preview } from "./text.js";
import { t } from "./words.js";

const GROUPED_SECONDS = 300;

/** Show `messages` in `box`; `open(thread)` opens a thread, null where threads do not nest. */
export function showMessages(box, messages, open) {
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  const focused = document.activeElement?.dataset?.action;
  const old = new Map([...box.children].map((row) => [row.dataset.key, row]));
  const rows = messages.flatMap((message, index) => rowsFor(message, messages[index - 1], open, old));
  box.replaceChildren(...rows);
  if (focused && document.activeElement === document.body) box.querySelector(`[data-action="${CSS.escape(focused)}"]`)?.focus();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function rowsFor(message, before, open, old) {
  const newDay = !before || day(before.ts) !== day(message.ts);
  const grouped = !newDay && follows(message, before);
  const key = JSON.stringify([message, grouped, state.me, open ? replies(message).map((one) => one.ts) : null]);
  const row = old.get(key) ?? messageRow(message, grouped, open);
  row.dataset.key = key;
  return newDay ? [h("div", { class: "day" }, h("span", {}, day(message.ts))), row] : [row];
}

function follows(message, before) {
  const near = Number(message.ts) - Number(before.ts) < GROUPED_SECONDS;
  return near && before.user === message.user && !message.broadcast && !before.broadcast && message.ephemeral_to === before.ephemeral_to;
}

function messageRow(message, grouped, open) {
  const who = user(message.user);
  const classes = ["message", grouped && "grouped", message.ephemeral_to && "ephemeral", mentionsMe(message) && message.user !== state.me && "for-me"];
  const act = (element, value, node) => click(message, element, value, node);
  return h("article", { class: classes.filter(Boolean).join(" "), "aria-label": `${who.name}: ${preview(message, 200)}`, "data-ts": message.ts },
    grouped ? h("time", { class: "side-time" }, clock(message.ts)) : avatar(message.user),
    h("div", { class: "body" },
      message.ephemeral_to ? h("p", { class: "only-you" }, eye(), t("Only visible to you")) : null,
      message.broadcast ? broadcastLine(message, open) : null,
      grouped ? null : byline(message, who),
      message.blocks.length ? blocks(message.blocks, act) : h("div", { class: "blocks" }, mrkdwn(message.text)),
      message.edited ? h("span", { class: "quiet edited" }, t("(edited)")) : null,
      message.files.map((file) => h("img", { class: "file", src: `/files/${file}`, alt: message.text || t("Shared file") })),
      message.reactions.length ? h("div", { class: "reactions" }, message.reactions.map((name) => h("span", {}, `${emoji(name)} 1`))) : null,
      open ? threadLink(message, open) : null),
    open && !message.ephemeral_to ? tools(message, open) : null);
}

function byline(message, who) {
  const exact = new Date(Number(message.ts) * 1000).toLocaleString();
  return h("p", { class: "byline" },
    h("strong", {}, who.is_bot ? who.name : who.real_name),
    who.is_bot ? h("span", { class: "badge" }, t("APP")) : null,
    h("time", { title: exact }, clock(message.ts)));
}

function broadcastLine(message, open) {
  if (!open) return h("p", { class: "quiet" }, t("Also sent to the channel"));
  const parent = state.messages.get(message.thread_ts);
  const line = [t("replied to a thread: "), h("button", { type: "button", class: "link", onclick: () => open(threadOf(message)) }, parent ? preview(parent, 60) : t("a message"))];
  return h("p", { class: "quiet" }, line);
}

function threadLink(message, open) {
  const answers = isReply(message) ? [] : replies(message);
  if (!answers.length) return null;
  const faces = [...new Set(answers.map((one) => one.user))].slice(0, 4).map((id) => avatar(id, "tiny"));
  return h("button", { type: "button", class: "thread-link", onclick: () => open(threadOf(message)) },
    faces, h("b", {}, t(answers.length === 1 ? "{n} reply" : "{n} replies", { n: answers.length })),
    h("span", { class: "quiet" }, t("Last reply {day} at {time}", { day: dayWithin(answers.at(-1).ts), time: clock(answers.at(-1).ts) })));
}

function tools(message, open) {
  return h("div", { class: "tools" }, h("button", { type: "button", onclick: () => open(threadOf(message)) }, t("Reply in thread")));
}

function eye() {
  return svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" },
    svg("path", { d: "M1.5 10S4.5 4.5 10 4.5 18.5 10 18.5 10 15.5 15.5 10 15.5 1.5 10 1.5 10z" }), svg("circle", { cx: 10, cy: 10, r: 2.6 }));
}

const threadOf = (message) => ({ channel: message.channel, ts: message.thread_ts ?? message.ts });

async function click(message, element, value, node) {
  if (element.confirm && !(await confirmed(element.confirm, element.style))) return;
  node?.classList.add("busy");
  const answer = await post("/do/click", { user: state.me, channel: message.channel, ts: message.ts, action_id: element.action_id, value: value ?? element.value });
  node?.classList.remove("busy");
  if (answer.error && !answer.seconds) toast(answer.error);
}
