// The page itself: layout, sidebar, who is looking, and the live feed that keeps it true.

import { avatar } from "./avatar.js";
import { composer } from "./composer.js";
import { h, keep, post } from "./dom.js";
import { showMessages } from "./messages.js";
import { forgetViews, home, homeKey, showModal } from "./modal.js";
import { startPanel } from "./panel.js";
import { apply, inChannel, inThread, load, markRead, myDirect, people, state, unread, user } from "./state.js";
import { preview } from "./text.js";
import { t } from "./words.js";

const $ = (id) => document.getElementById(id);
const box = composer($("composer"), () => ({ channel: where(), label: label() }), "composer-input");
let threadBox = null;

const isHome = () => state.place === "home" || state.place === "direct";
const where = () => (state.place === "direct" ? myDirect()?.id : state.place);
const label = () => (isHome() ? "canary" : `#${state.channels.get(state.place)?.name}`);

function draw() {
  nameParts();
  if (where() && state.place !== "home") markRead(where());
  keep($("sidebar"), sidebarKey(), sidebar);
  keep($("channel-header"), headerKey(), header);
  drawMessages();
  drawThread();
  showModal();
  box.relabel();
  document.title = `${titleMark()}${label()} · ${t("Canary workspace")}`;
}

/** What index.html says before anybody knows the language. */
function nameParts() {
  const names = { sidebar: "Workspace", messages: "Messages", thread: "Thread", "side-panel": "Live view" };
  Object.entries(names).forEach(([id, words]) => $(id).setAttribute("aria-label", t(words)));
  document.querySelector(".skip").textContent = t("Skip to the message box");
}

function titleMark() {
  const fresh = channels().reduce((sum, channel) => sum + unread(channel.id).count, 0);
  return fresh ? `(${fresh}) ` : "";
}

const channels = () => [...state.channels.values()].filter((channel) => !channel.is_im && !channel.is_archived);

const sidebarKey = () => [state.me, state.place, people(), channels().map((channel) => [channel, unread(channel.id)]), myDirect() && unread(myDirect().id)];
const headerKey = () => [state.me, state.place, state.channels.get(state.place), document.body.classList.contains("has-panel")];

function sidebar() {
  return [
    h("div", { class: "team" }, h("span", { class: "team-name" }, "Canary"), h("span", { class: "team-note" }, t("rehearsal")), panelButton()),
    h("h2", {}, t("Channels")),
    h("ul", {}, channels().map((channel) => place(channel.id, h("span", { class: "hash", "aria-hidden": "true" }, "#"), channel.name, unread(channel.id)))),
    h("h2", {}, t("Apps")),
    h("ul", {}, place("home", avatar(state.bot, "tiny"), "canary", myDirect() ? unread(myDirect().id) : { count: 0, mentions: 0 })),
    h("h2", {}, t("People")),
    h("ul", { class: "people" }, people().map(person)),
    h("div", { class: "me" }, h("p", {}, t("Viewing as")), avatar(state.me), h("div", {}, h("b", {}, user(state.me).real_name), h("span", {}, user(state.me).title)), themeButton()),
  ];
}

function place(id, mark, name, { count, mentions }) {
  const current = id === state.place || (id === "home" && isHome());
  const badge = mentions ? h("span", { class: "count", "aria-label": t("{n} mentions", { n: mentions }) }, mentions) : null;
  const classes = ["place", current && "current", count && !current && "unread"].filter(Boolean).join(" ");
  return h("li", {}, h("button", { type: "button", class: classes, "data-focus": id, "aria-current": current ? "page" : undefined, onclick: () => go(id) }, mark, h("span", {}, name), current ? null : badge));
}

function person(one) {
  const me = one.id === state.me;
  return h("li", {}, h("button", { type: "button", class: me ? "place person mine" : "place person", "data-focus": one.id, "aria-pressed": String(me), title: t("Look through {name}'s eyes", { name: one.real_name }), onclick: () => become(one.id) },
    avatar(one.id, "tiny"), h("span", {}, one.real_name), me ? h("span", { class: "you" }, t("you")) : null));
}

/** On a phone one thing is on the screen at a time: "list", "talk" or "panel". Wide windows show them side by side. */
function screen(which) {
  document.body.dataset.screen = which;
}

const listButton = () =>
  h("button", { type: "button", class: "narrow to-list", "data-focus": "to-list", "aria-label": t("Channels and people; you are {name}", { name: user(state.me).real_name }), onclick: () => screen("list") }, "‹", avatar(state.me, "tiny"));

const panelButton = () =>
  h("button", { type: "button", class: "narrow to-panel", "data-focus": "to-panel", onclick: () => screen(document.body.dataset.screen === "panel" ? "talk" : "panel") }, t("Live mesh"));

function themeButton() {
  const flip = () => {
    const dark = document.documentElement.dataset.theme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = localStorage.theme = dark ? "light" : "dark";
  };
  return h("button", { type: "button", class: "theme", "aria-label": t("Switch between light and dark"), title: t("Light or dark"), onclick: flip }, "◐");
}

function header() {
  if (isHome()) {
    const tab = (id, words) => h("button", { type: "button", role: "tab", "data-focus": id, "aria-selected": String(state.place === id), onclick: () => go(id) }, words);
    return [listButton(), h("h1", {}, avatar(state.bot, "tiny"), "canary"), h("div", { class: "tabs", role: "tablist" }, tab("home", t("Home")), tab("direct", t("Messages"))), panelButton()];
  }
  const channel = state.channels.get(state.place);
  return [listButton(), h("h1", {}, `# ${channel.name}`), h("p", { class: "topic" }, channel.topic), h("div", { class: "members", title: channel.members.map((id) => user(id).name).join(", ") },
    channel.members.slice(0, 4).map((id) => avatar(id, "tiny")), h("span", {}, channel.members.length)), panelButton()];
}

function drawMessages() {
  const list = $("messages");
  $("composer").hidden = state.place === "home";
  list.classList.toggle("is-home", state.place === "home");
  if (state.place === "home") return keep(list, homeKey(), () => [home()]);
  delete list.dataset.key;
  const messages = where() ? inChannel(where()) : [];
  if (messages.length) return showMessages(list, messages, openThread);
  const words = state.place === "direct" ? t("Messages the app sends to you alone are here.") : t("Say something, or type /canary to begin.");
  return list.replaceChildren(h("div", { class: "empty" }, h("h3", {}, t("This is the very beginning of {place}", { place: label() })), h("p", {}, words)));
}

function drawThread() {
  const aside = $("thread");
  aside.hidden = !state.thread;
  document.body.classList.toggle("with-thread", Boolean(state.thread));
  if (!state.thread) return;
  if (!aside.firstChild) buildThread(aside);
  const messages = inThread(state.thread);
  aside.querySelector("header p").textContent = `#${state.channels.get(state.thread.channel)?.name} · ${preview(messages[0] ?? { text: "" }, 40)}`;
  showMessages(aside.querySelector(".thread-messages"), messages, null);
  threadBox.relabel();
}

function buildThread(aside) {
  const form = h("form", { class: "composer", autocomplete: "off" });
  const close = h("button", { type: "button", class: "close", "aria-label": t("Close thread"), onclick: () => openThread(null) }, "✕");
  aside.append(h("header", {}, h("h2", {}, t("Thread")), h("p", { class: "quiet" }), close), h("div", { class: "thread-messages", tabindex: "0" }), form);
  threadBox = composer(form, () => ({ channel: state.thread.channel, thread_ts: state.thread.ts, label: t("thread") }), "thread-input");
}

function openThread(thread) {
  state.thread = thread;
  draw();
  const list = document.querySelector(".thread-messages");
  if (thread && list) list.scrollTop = list.scrollHeight;
}

async function go(id) {
  state.place = id;
  screen("talk");
  if (isHome()) state.thread = null;
  draw();
  const list = $("messages");
  list.scrollTop = isHome() ? 0 : list.scrollHeight;
  if (id === "home") await post("/do/home", { user: state.me });
}

function become(id) {
  state.me = id;
  localStorage.setItem("me", id);
  go(state.place);
}

/** A permalink opens its channel and thread: /archives/CHANNEL/p1700000000000000?thread_ts=… */
function followLink() {
  const match = /^\/archives\/(\w+)\/p(\d+)(\d{6})$/.exec(location.pathname);
  if (!match) return;
  state.place = match[1];
  const ts = `${match[2]}.${match[3]}`;
  const thread = new URLSearchParams(location.search).get("thread_ts");
  if (thread) state.thread = { channel: match[1], ts: thread };
  requestAnimationFrame(() => document.querySelector(`[data-ts="${ts}"]`)?.scrollIntoView({ block: "center" }));
}

let waiting = false;

/** Many changes in one frame are drawn once. */
function drawSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

let early = null; // what the feed said while the state was under way

async function reload() {
  early = [];
  load(await fetch("/state").then((response) => response.json()));
  early.forEach(apply);
  early = null;
  draw();
}

/** The world was replaced by a fresh one. */
async function startOver() {
  state.thread = null;
  state.read.clear();
  forgetViews();
  await reload();
}

/** The feed opens first, so that nothing falls between it and the state. */
function listen() {
  const feed = new EventSource("/feed");
  feed.onopen = async () => {
    document.body.classList.remove("offline");
    await reload();
    $("messages").scrollTop = $("messages").scrollHeight;
  };
  feed.onmessage = (event) => {
    const change = JSON.parse(event.data);
    if (change.type === "reset") return startOver();
    early?.push(change);
    apply(change);
    return drawSoon();
  };
  feed.onerror = () => document.body.classList.add("offline");
}

if (localStorage.theme) document.documentElement.dataset.theme = localStorage.theme;
const wanted = new URLSearchParams(location.search);
if (wanted.get("as")) state.me = wanted.get("as");
await reload();
followLink();
if (wanted.get("at")) await go(wanted.get("at"));
if (wanted.get("thread")) state.thread = { channel: where(), ts: wanted.get("thread") };
draw();
$("messages").scrollTop = $("messages").scrollHeight;
listen();
document.addEventListener("keydown", (event) => {
  const elsewhere = document.querySelector("dialog[open]") || event.defaultPrevented;
  if (event.key === "Escape" && state.thread && !elsewhere) openThread(null);
});
screen("talk");
await startPanel(() => {
  document.body.classList.add("has-panel");
  $("side-panel").prepend(panelButton());
  draw();
});
