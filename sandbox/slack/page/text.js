// Slack's words as DOM: mrkdwn, plain text, rich_text, mentions, dates, emoji.

import { clock, day, dayWithin, h } from "./dom.js";
import { directory } from "./state.js";
import { locale, t } from "./words.js";

const EMOJI = {
  white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌", warning: "⚠️", rotating_light: "🚨", rocket: "🚀", eyes: "👀",
  hourglass_flowing_sand: "⏳", hourglass: "⌛", no_entry: "⛔", tada: "🎉", bird: "🐦", baby_chick: "🐤", mirror: "🪞",
  arrow_right: "➡️", arrow_left: "⬅️", leftwards_arrow_with_hook: "↩️", pause_button: "⏸️", snowflake: "❄️", lock: "🔒",
  large_green_circle: "🟢", large_yellow_circle: "🟡", red_circle: "🔴", white_circle: "⚪", black_circle: "⚫",
  chart_with_upwards_trend: "📈", bar_chart: "📊", bell: "🔔", wrench: "🔧", mag: "🔍", thumbsup: "👍", "+1": "👍",
};

export const emoji = (name) => EMOJI[name] ?? `:${name}:`;

const withEmoji = (words) => words.replace(/:([a-z0-9_+-]+):/g, (whole, name) => EMOJI[name] ?? whole);
const unescape = (words) => words.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** A text object, or nothing. */
export function textObject(object) {
  if (!object) return null;
  return object.type === "mrkdwn" ? mrkdwn(object.text) : document.createTextNode(withEmoji(object.text));
}

/** Slack's markup as nodes. */
export function mrkdwn(words) {
  const parts = words.split(/(```[\s\S]+?```|`[^`\n]+`|<[^<>\n]+>)/);
  return h("span", { class: "mrkdwn" }, parts.map(inline));
}

function inline(part) {
  if (part.startsWith("```")) return h("pre", {}, unescape(part.slice(3, -3)).trim());
  if (part.length > 2 && part.startsWith("`") && part.endsWith("`")) return h("code", {}, unescape(part.slice(1, -1)));
  if (part.startsWith("<") && part.endsWith(">")) return special(part.slice(1, -1));
  return styled(part);
}

const STYLES = [
  [/(^|[\s(•])\*([^*\n]+)\*(?=$|[\s.,;:!?)])/, "strong"],
  [/(^|[\s(])_([^_\n]+)_(?=$|[\s.,;:!?)])/, "em"],
  [/(^|[\s(])~([^~\n]+)~(?=$|[\s.,;:!?)])/, "s"],
];

function styled(words) {
  for (const [pattern, tag] of STYLES) {
    const match = pattern.exec(words);
    if (!match) continue;
    const start = match.index + match[1].length;
    return [styled(words.slice(0, start)), h(tag, {}, styled(match[2])), styled(words.slice(match.index + match[0].length))];
  }
  return lines(withEmoji(unescape(words)));
}

function lines(words) {
  return words.split("\n").flatMap((line, index) => (index ? [h("br"), quoted(line)] : [quoted(line)]));
}

const quoted = (line) => (line.startsWith("> ") ? h("span", { class: "quote" }, line.slice(2)) : line);

function special(inside) {
  const [target, label] = splitOnce(inside, "|");
  if (target.startsWith("@")) return person(target.slice(1));
  if (target.startsWith("#")) return h("span", { class: "mention" }, `#${label || directory.channelName(target.slice(1))}`);
  if (target.startsWith("!subteam^")) return group(target.slice(9));
  if (target.startsWith("!date^")) return date(target.slice(6), label);
  if (target.startsWith("!")) return h("span", { class: "mention mine" }, `@${target.slice(1)}`);
  return link(target, label);
}

function splitOnce(words, mark) {
  const at = words.indexOf(mark);
  return at < 0 ? [words, ""] : [words.slice(0, at), words.slice(at + 1)];
}

function link(target, label) {
  const safe = /^(https?|mailto):/i.test(target) ? target : undefined;
  return h("a", { href: safe, target: "_blank", rel: "noreferrer" }, unescape(label || target));
}

function person(id) {
  return h("span", { class: id === directory.me ? "mention mine" : "mention" }, `@${directory.userName(id)}`);
}

function group(id) {
  const found = directory.group(id);
  const mine = found?.members.includes(directory.me);
  return h("span", { class: mine ? "mention mine" : "mention" }, `@${found?.handle ?? "group"}`);
}

function date(inside, fallback) {
  const [ts, format, href] = inside.split("^");
  const words = formatDate(ts, format ?? "{date} at {time}") || fallback;
  const exact = new Date(Number(ts) * 1000);
  const when = h("time", { datetime: exact.toISOString(), title: exact.toLocaleString() }, words);
  return href ? h("a", { href, target: "_blank", rel: "noreferrer" }, when) : when;
}

function formatDate(ts, format) {
  const at = new Date(Number(ts) * 1000);
  const long = at.toLocaleDateString(locale(), { year: "numeric", month: "long", day: "numeric" });
  const short = at.toLocaleDateString(locale(), { year: "numeric", month: "short", day: "numeric" });
  const pretty = (plain) => ([t("Today"), t("Yesterday")].includes(day(ts)) ? dayWithin(ts) : plain);
  const values = {
    date_num: at.toISOString().slice(0, 10), date: long, date_short: short,
    date_long: at.toLocaleDateString(locale(), { weekday: "long", year: "numeric", month: "long", day: "numeric" }),
    date_pretty: pretty(long), date_short_pretty: pretty(short), date_long_pretty: pretty(long),
    time: clock(ts), time_secs: at.toLocaleTimeString([], { hour12: false }), ago: ago(ts),
  };
  return format.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function ago(ts) {
  const minutes = Math.round((Date.now() / 1000 - Number(ts)) / 60);
  if (Math.abs(minutes) < 1) return t("just now");
  return minutes > 0 ? t("{n} min ago", { n: minutes }) : t("in {n} min", { n: -minutes });
}

/** A rich_text block: its text is literal, nothing in it is markup. */
export function richText(block) {
  return h("div", { class: "rich-text" }, (block?.elements ?? []).map(richPart));
}

function richPart(part) {
  const inside = () => part.elements.map(richElement);
  switch (part.type) {
    case "rich_text_list":
      return h(part.style === "ordered" ? "ol" : "ul", { style: part.indent ? `margin-left:${part.indent * 20}px` : undefined }, part.elements.map((item) => h("li", {}, item.elements.map(richElement))));
    case "rich_text_quote":
      return h("blockquote", {}, inside());
    case "rich_text_preformatted":
      return h("pre", {}, inside());
    default:
      return h("p", {}, inside());
  }
}

function richElement(element) {
  const node = RICH[element.type]?.(element) ?? document.createTextNode("");
  const tags = { bold: "strong", italic: "em", strike: "s", code: "code" };
  return Object.entries(tags).reduce((inner, [style, tag]) => (element.style?.[style] ? h(tag, {}, inner) : inner), node);
}

const fromCode = (code) => String.fromCodePoint(...code.split("-").map((part) => parseInt(part, 16)));

const RICH = {
  text: (element) => h("span", { class: "literal" }, element.text),
  link: (element) => link(element.url, element.text),
  user: (element) => person(element.user_id),
  usergroup: (element) => group(element.usergroup_id),
  channel: (element) => h("span", { class: "mention" }, `#${directory.channelName(element.channel_id)}`),
  broadcast: (element) => h("span", { class: "mention mine" }, `@${element.range}`),
  emoji: (element) => document.createTextNode(element.unicode ? fromCode(element.unicode) : emoji(element.name)),
  color: (element) => h("span", {}, h("span", { class: "dot", style: `background:${/^#[0-9a-f]{3,8}$/i.test(element.value) ? element.value : "none"}` }), element.value),
  team: (element) => h("span", { class: "mention" }, element.team_id),
  citation: (element) => h("sup", {}, link(element.url, `[${element.text?.text ?? element.text ?? "source"}]`)),
  date: (element) => date(`${element.timestamp}^${element.format}${element.url ? `^${element.url}` : ""}`, element.fallback),
  tag: (element) => h("span", { class: `pill ${element.color ?? ""}` }, element.text?.text ?? element.text ?? ""),
};

/** All the words of a message on one line, for previews and screen readers. */
export function preview(message, length = 90) {
  const words = mrkdwn(message.text || "").textContent.replace(/\s+/g, " ");
  return words.length > length ? `${words.slice(0, length - 1)}…` : words;
}
