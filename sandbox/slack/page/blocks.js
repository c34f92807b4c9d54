// Block Kit as DOM. `act` is how an element reports: act(element, value, node).

import { chart } from "./chart.js";
import { h } from "./dom.js";
import { input } from "./inputs.js";
import { markdown } from "./markdown.js";
import { dataTable, table } from "./tables.js";
import { richText, textObject } from "./text.js";
import { t } from "./words.js";

export function blocks(list, act, form = null) {
  return h("div", { class: "blocks" }, list.map((block) => one(block, act, form)));
}

/** One block; a type the page does not know is said to be one, so that nobody takes silence for an empty message. */
function one(block, act, form) {
  const node = BLOCKS[block.type]?.(block, act, form) ?? h("p", { class: "unknown" }, `unknown block: ${block.type}`);
  node.dataset.block = block.type;
  return node;
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
    h("div", { class: "context" }, block.elements.map((item) => (item.type === "image" ? picture(item) : h("span", {}, textObject(item))))),
  actions: (block, act) => h("div", { class: "actions" }, block.elements.map((item) => element(item, act))),
  context_actions: (block, act) => h("div", { class: "actions small" }, block.elements.map((item) => element(item, act))),
  divider: () => h("hr"),
  image: (block) => h("figure", { class: "image" }, block.title ? h("figcaption", {}, textObject(block.title)) : null, picture(block)),
  video: (block) =>
    h("figure", { class: "image video" },
      h("figcaption", {}, link(block.title_url ?? block.video_url, textObject(block.title)), block.description ? h("p", {}, textObject(block.description)) : null),
      link(block.video_url, h("img", { src: block.thumbnail_url, alt: block.alt_text, loading: "lazy" }), h("span", { class: "play", "aria-hidden": "true" }, "▶"))),
  file: (block) => h("p", { class: "attachment" }, h("span", { "aria-hidden": "true" }, "📄 "), `File ${block.external_id}`),
  call: (block) => h("p", { class: "attachment" }, h("span", { "aria-hidden": "true" }, "📞 "), block.call?.v1?.name ?? "Call", link(block.call?.v1?.join_url, " Join")),
  rich_text: (block) => richText(block),
  markdown: (block) => markdown(block.text),
  alert: (block) => h("div", { class: `alert ${block.level ?? "default"}`, role: "alert" }, textObject(block.text)),
  plan: (block) => h("section", { class: "plan" }, h("h4", {}, block.title), h("ol", {}, block.tasks.map(task))),
  task_card: (block) => h("ol", { class: "plan" }, task(block)),
  card: (block, act) => card(block, act),
  carousel: (block, act) => h("div", { class: "carousel", tabindex: "0" }, block.elements.map((item) => card(item, act))),
  container: (block, act, form) => container(block, act, form),
  table: (block) => table(block),
  data_table: (block) => dataTable(block),
  data_visualization: (block) => chart(block),
  input: (block, act, form) => input(block, form, block.dispatch_action ? (value, node) => act(block.element, value, node) : null),
};

const BUTTONS = { button, workflow_button: button, overflow, feedback_buttons: feedback, icon_button: iconButton, image: picture };

export function element(item, act) {
  const drawn = BUTTONS[item.type];
  return drawn ? drawn(item, act) : input({ element: item, block_id: "", bare: true }, null, (value, node) => act(item, value, node));
}

function button(item, act) {
  const press = (event) => {
    if (item.url) window.open(item.url, "_blank", "noreferrer");
    act(item, null, event.currentTarget);
  };
  return h("button", { type: "button", class: `button ${item.style ?? ""}`, "data-action": item.action_id, "aria-label": item.accessibility_label, onclick: press },
    textObject(item.text));
}

function feedback(item, act) {
  const half = (choice) => h("button", { type: "button", class: "button", "data-action": item.action_id, "aria-label": choice.accessibility_label, onclick: (event) => act(item, choice.value, event.currentTarget) },
    textObject(choice.text));
  return h("span", { class: "pair" }, half(item.positive_button), half(item.negative_button));
}

function iconButton(item, act) {
  return h("button", { type: "button", class: "button", "data-action": item.action_id, "aria-label": item.accessibility_label, onclick: (event) => act(item, null, event.currentTarget) },
    item.icon === "trash" ? "🗑 " : "", textObject(item.text));
}

function overflow(item, act) {
  const menu = h("details", { class: "overflow" }, h("summary", { "aria-label": t("More actions") }, "⋯"));
  const choose = (option) => () => {
    menu.open = false;
    act(item, option.value, menu);
  };
  menu.append(h("div", { class: "menu" }, item.options.map((option) => h("button", { type: "button", onclick: choose(option) }, textObject(option.text)))));
  return menu;
}

function picture(item) {
  return h("img", { src: item.image_url ?? `/files/${item.slack_file?.id}`, alt: item.alt_text, loading: "lazy" });
}

function link(target, ...inside) {
  const safe = /^https?:/i.test(target ?? "") ? target : undefined;
  return h("a", { href: safe, target: "_blank", rel: "noreferrer" }, ...inside);
}

function card(block, act) {
  return h("section", { class: "card", "data-block": "card" },
    block.hero_image ? picture(block.hero_image) : null,
    h("div", { class: "card-words" },
      block.icon ? h("span", { class: "card-icon" }, picture(block.icon)) : null,
      h("b", {}, textObject(block.title)),
      block.subtitle ? h("p", { class: "quiet" }, textObject(block.subtitle)) : null,
      block.body ? h("p", {}, textObject(block.body)) : null,
      block.actions ? h("div", { class: "actions" }, block.actions.map((item) => element(item, act))) : null));
}

function container(block, act, form) {
  const head = [block.rich_text_title ? richText(block.rich_text_title) : h("b", {}, textObject(block.title)), block.subtitle ? h("p", { class: "quiet" }, textObject(block.subtitle)) : null];
  const inside = blocks(block.child_blocks, act, form);
  if (!block.is_collapsible) return h("section", { class: "plan" }, head, inside);
  return h("details", { class: "plan", open: !block.default_collapsed }, h("summary", {}, head), inside);
}

const MARKS = { pending: "", in_progress: "", complete: "✓", error: "✕" };
const SPOKEN = { pending: "to do", in_progress: "in progress", complete: "done", error: "failed" };

function task(item) {
  return h("li", { class: `task ${item.status}` },
    h("span", { class: "mark", "aria-hidden": "true" }, MARKS[item.status]),
    h("div", {},
      h("span", { class: "task-title" }, item.title),
      h("span", { class: "hidden-text" }, ` (${SPOKEN[item.status]})`),
      item.details ? h("div", { class: "task-more" }, richText(item.details)) : null,
      item.output ? h("div", { class: "task-more" }, richText(item.output)) : null,
      (item.sources ?? []).map((source) => h("div", { class: "task-more" }, link(source.url, source.text)))));
}
