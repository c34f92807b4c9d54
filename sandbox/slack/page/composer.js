// The message box: messages, mentions, slash commands with a hint.

import { h, post, toast } from "./dom.js";
import { state } from "./state.js";
import { t } from "./words.js";

/** Build the box once; `place()` says where it writes: { channel, thread_ts, label }. */
export function composer(form, place, id) {
  const hints = h("div", { class: "hints", role: "listbox", hidden: true });
  const box = h("textarea", { id, rows: 1, spellcheck: "false" });
  const send = h("button", { class: "send" }, "➤");
  box.addEventListener("input", () => suggest(box, hints));
  box.addEventListener("keydown", (event) => onKey(event, form, box, hints));
  form.replaceChildren(hints, h("div", { class: "box" }, box, send));
  form.onsubmit = (event) => {
    event.preventDefault();
    const words = box.value.trim();
    box.value = "";
    suggest(box, hints);
    if (words) submit(words, place());
  };
  return { relabel: () => relabel({ hints, box, send }, place().label) };
}

/** The language is known once the page has its state. */
function relabel({ hints, box, send }, label) {
  hints.setAttribute("aria-label", t("Commands"));
  box.setAttribute("aria-label", t("Message"));
  box.placeholder = t("Message {place}", { place: label });
  send.setAttribute("aria-label", t("Send"));
  send.title = t("Send (Enter)");
}

function onKey(event, form, box, hints) {
  const options = [...hints.querySelectorAll("button")];
  const picked = options.findIndex((one) => one.classList.contains("picked"));
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    form.requestSubmit();
  } else if (event.key === "Tab" && options.length) {
    event.preventDefault();
    options[Math.max(0, picked)].click();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && options.length) {
    event.preventDefault();
    const next = (picked + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length;
    options.forEach((one, index) => one.classList.toggle("picked", index === next));
    options[next].scrollIntoView({ block: "nearest" });
  } else if (event.key === "Escape") hints.hidden = true;
}

function suggest(box, hints) {
  const words = box.value;
  const matching = words.startsWith("/") ? state.commands.filter((one) => fits(one, words)) : [];
  hints.hidden = matching.length === 0;
  hints.replaceChildren(...matching.map((one) => h("button", { type: "button", role: "option", tabindex: -1, onclick: () => take(one, box, hints) },
    h("b", {}, one.command), h("span", { class: "usage" }, one.usage), h("span", { class: "quiet" }, t(one.description)))));
}

const fits = (one, words) => one.command.startsWith(words) || words.startsWith(`${one.command} `) && one.usage !== "" && words.trim() === one.command;

function take(one, box, hints) {
  box.value = `${one.command} `;
  hints.hidden = true;
  box.focus();
}

async function submit(words, { channel, thread_ts }) {
  if (words.startsWith("/")) {
    if (thread_ts) return toast(t("{command} is not supported in threads. Sorry!", { command: words.split(" ")[0] }));
    const [command, ...rest] = words.split(" ");
    const answer = await post("/do/command", { user: state.me, channel, command, text: rest.join(" ") });
    return answer.error && answer.acknowledged === undefined ? toast(answer.error) : null;
  }
  const answer = await post("/do/say", { user: state.me, channel, text: withMentions(words), thread_ts });
  return answer.error ? toast(t("The app did not take your mention.")) : null;
}

/** @maya and @release-managers become what Slack sends. */
function withMentions(words) {
  const users = new Map([...state.users.values()].map((one) => [one.name, one.id]));
  const groups = new Map([...state.groups.values()].map((one) => [one.handle, one.id]));
  const escaped = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return escaped.replace(/(^|\s)@([\w.-]+)/g, (whole, before, name) => {
    if (users.has(name)) return `${before}<@${users.get(name)}>`;
    return groups.has(name) ? `${before}<!subteam^${groups.get(name)}>` : whole;
  });
}
