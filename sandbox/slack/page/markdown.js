// The markdown block: headings, lists, quotes, tables, code, bold, links; as much as release notes use.

import { h } from "./dom.js";
import { mrkdwn } from "./text.js";

const FENCE = /^```/;

export function markdown(words) {
  const node = h("div", { class: "markdown" });
  const lines = words.split("\n");
  while (lines.length) node.append(...part(lines));
  return node;
}

/** Takes what belongs together off the front of `lines`. */
function part(lines) {
  if (FENCE.test(lines[0])) return [fenced(lines)];
  if (lines[0].startsWith("|")) return [grid(lines)];
  return [line(lines.shift())];
}

function fenced(lines) {
  lines.shift();
  const end = lines.findIndex((one) => FENCE.test(one));
  const inside = lines.splice(0, end < 0 ? lines.length : end);
  lines.shift();
  return h("pre", {}, inside.join("\n"));
}

function grid(lines) {
  const end = lines.findIndex((one) => !one.startsWith("|"));
  const rows = lines.splice(0, end < 0 ? lines.length : end).filter((row) => !/^[|\s:-]+$/.test(row));
  const cells = (row) => row.replace(/^\||\|\s*$/g, "").split("|");
  return h("div", { class: "table-frame" }, h("table", {}, rows.map((row, index) => h("tr", {}, cells(row).map((cell) => h(index ? "td" : "th", {}, inline(cell.trim())))))));
}

function line(words) {
  if (/^(---|\*\*\*)\s*$/.test(words)) return h("hr");
  const [, kind = "", body] = /^(#{1,6} |[-*] |\d+\. |> )?(.*)$/.exec(words);
  if (kind.startsWith("#")) return h("p", { class: "md-heading" }, inline(body));
  if (kind === "> ") return h("blockquote", {}, inline(body));
  if (kind) return h("p", { class: /\d/.test(kind) ? "md-number" : "md-item", "data-number": kind }, inline(body));
  return h("p", {}, inline(body));
}

const inline = (words) => mrkdwn(words.replace(/\*\*([^*]+)\*\*/g, "*$1*").replace(/\[([^\]]+)\]\(([^)]+)\)/g, "<$2|$1>"));
