// Block Kit as DOM. `act` is how an element reports: act(element, value, node).

import { chart } from "./chart.js";
import { h } from "./dom.js";
import { input } from "./inputs.js";
import { markdown, richText, textObject } from "./text.js";

export function blocks(list, act, form = null) {
  return h("div", { class: "blocks" }, list.map((block) => BLOCKS[block.type]?.(block, act, form) ?? null));
}

const BLOCKS = {
  header: (block) => h(`h${Math.min(6, 2 + (block.level ?? 1))}`, { class: `header level-${block.level ?? 1}` }, textObject(block.text)),
  section: (block, act) =>
    h("div", { class: "section" },
      h("div", { class: "section-text" },
        textObject(block.text),
        block.fields ? h("div", { class: "fields" }, block.fields.map((field) => h("div", {}, textObject(field)))) : null),
      block.accessory ? element(block.accessory, act) : null),
  context: (block) =>
    h("div", { class: "context" }, block.elements.map((one) => (one.type === "image" ? picture(one) : h("span", {}, textObject(one))))),
  actions: (block, act) => h("div", { class: "actions" }, block.elements.map((one) => element(one, act))),
  divider: () => h("hr"),
  image: (block) => h("figure", { class: "image" }, block.title ? h("figcaption", {}, textObject(block.title)) : null, picture(block)),
  rich_text: (block) => richText(block),
  markdown: (block) => markdown(block.text),
  alert: (block) => h("div", { class: `alert ${block.level ?? "default"}`, role: "alert" }, textObject(block.text)),
  plan: (block) => h("section", { class: "plan" }, h("h4", {}, block.title), h("ol", {}, block.tasks.map(task))),
  task_card: (block) => h("ol", { class: "plan" }, task(block)),
  table: (block) => h("div", { class: "table-frame" }, h("table", {}, h("tbody", {}, block.rows.map((row, index) => tableRow(row, index === 0))))),
  data_table: (block) => dataTable(block),
  data_visualization: (block) => chart(block),
  input: (block, act, form) => input(block, form),
};

function element(one, act) {
  if (one.type === "image") return picture(one);
  if (one.type === "button") return button(one, act);
  if (one.type === "overflow") return overflow(one, act);
  return input({ element: one, block_id: "", bare: true }, null, (value, node) => act(one, value, node));
}

function button(one, act) {
  const label = one.accessibility_label;
  const press = (event) => {
    if (one.url) window.open(one.url, "_blank", "noreferrer");
    act(one, null, event.currentTarget);
  };
  return h("button", { type: "button", class: `button ${one.style ?? ""}`, "data-action": one.action_id, "aria-label": label, onclick: press },
    textObject(one.text));
}

function overflow(one, act) {
  const menu = h("details", { class: "overflow" }, h("summary", { "aria-label": "More actions" }, "⋯"));
  const choose = (option) => () => {
    menu.open = false;
    act(one, option.value, menu);
  };
  menu.append(h("div", { class: "menu" }, one.options.map((option) => h("button", { type: "button", onclick: choose(option) }, textObject(option.text)))));
  return menu;
}

function picture(one) {
  const source = one.image_url ?? `/files/${one.slack_file?.id}`;
  return h("img", { src: source, alt: one.alt_text, loading: "lazy" });
}

const MARKS = { pending: "", in_progress: "", complete: "✓", error: "✕" };
const SPOKEN = { pending: "to do", in_progress: "in progress", complete: "done", error: "failed" };

function task(one) {
  return h("li", { class: `task ${one.status}` },
    h("span", { class: "mark", "aria-hidden": "true" }, MARKS[one.status]),
    h("div", {},
      h("span", { class: "task-title" }, one.title),
      h("span", { class: "hidden-text" }, ` (${SPOKEN[one.status]})`),
      one.details ? h("div", { class: "task-more" }, richText(one.details)) : null,
      one.output ? h("div", { class: "task-more" }, richText(one.output)) : null));
}

function dataTable(block) {
  const [head, ...rows] = block.rows;
  const size = block.page_size ?? 5;
  const body = h("tbody", {}, rows.slice(0, size).map((row) => tableRow(row, false, block.row_header_column_index ?? 0)));
  const rest = rows.slice(size);
  const more = rest.length
    ? h("button", { type: "button", class: "link", onclick: (event) => {
        body.append(...rest.map((row) => tableRow(row, false, block.row_header_column_index ?? 0)));
        event.currentTarget.remove();
      } }, `Show ${rest.length} more rows`)
    : null;
  return h("div", { class: "table-frame" },
    h("table", { class: "data" }, h("caption", {}, block.caption), h("thead", {}, tableRow(head, true, -1, rows[0])), body), more);
}

/** `below` tells a header row which columns are figures. */
function tableRow(row, isHead, headerColumn = -1, below = row) {
  return h("tr", {}, row.map((cell, index) => {
    const number = below[index]?.type === "raw_number";
    const tag = isHead || index === headerColumn ? "th" : "td";
    const scope = isHead ? "col" : tag === "th" ? "row" : undefined;
    return h(tag, { class: number ? "number" : undefined, scope }, cell.type === "rich_text" ? richText(cell) : String(cell.text ?? cell.value));
  }));
}
