// The few DOM helpers everything else uses. Text always goes in as text, never as markup.

import { locale, t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties, attributes, listeners (on…) and children; null and false children are skipped. */
export function h(tag, props = {}, ...children) {
  return build(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  return build(document.createElementNS(SVG, tag), props, children);
}

function build(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" && "value" in node) node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Rebuild what is in a box only when `key` says that it changed; whoever had the focus in it has it again. */
export function keep(box, key, build) {
  const wanted = JSON.stringify(key);
  if (box.dataset.key === wanted) return;
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset : {};
  box.dataset.key = wanted;
  box.replaceChildren(...build());
  const name = focused.focus ? `[data-focus="${CSS.escape(focused.focus)}"]` : focused.action ? `[data-action="${CSS.escape(focused.action)}"]` : null;
  if (name) box.querySelector(name)?.focus();
}

/** Send something the user did; answers with the JSON, and with `error` when it did not work. */
export async function post(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return await response.json();
  } catch {
    return { error: t("The workspace cannot be reached.") };
  }
}

let fading;

/** A short note at the bottom of the window. */
export function toast(words) {
  const box = document.getElementById("toast");
  box.textContent = words;
  box.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => box.classList.remove("shown"), 4000);
}

/** 10:42 */
export function clock(ts) {
  return new Date(Number(ts) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

/** "Today", "Yesterday", or the date. */
export function day(ts) {
  const date = new Date(Number(ts) * 1000);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0) return t("Today");
  if (days === 1) return t("Yesterday");
  return date.toLocaleDateString(locale(), { weekday: "long", month: "long", day: "numeric" });
}

/** The same within a sentence: a day's name keeps its capital. */
export function dayWithin(ts) {
  const name = day(ts);
  return name === t("Today") || name === t("Yesterday") ? name.toLowerCase() : name;
}
