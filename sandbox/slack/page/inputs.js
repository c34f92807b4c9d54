// Input elements of modals and messages, and reading a whole form of them.

import { h } from "./dom.js";
import { state } from "./state.js";
import { textObject } from "./text.js";
import { t } from "./words.js";

/** An input block with label, hint and error; `form` remembers what was typed, by block and action. */
export function input(block, form, onChange = null) {
  const element = block.element;
  const id = `in-${block.block_id}-${element.action_id}`;
  const known = form?.values[block.block_id]?.[element.action_id] ?? initial(element);
  const isTyped = !(element.type in CONTROLS); // the app is not told of every letter
  const remember = (value, node) => {
    if (form) (form.values[block.block_id] ??= {})[element.action_id] = value;
    if (!isTyped || block.bare) onChange?.(value, node);
  };
  const control = (CONTROLS[element.type] ?? textBox)(element, { id, known, remember, required: form && !block.optional });
  if (block.bare) return control;
  const error = form?.errors[block.block_id];
  return h("div", { class: error ? "field wrong" : "field" },
    h("label", { for: id }, textObject(block.label), block.optional ? h("span", { class: "quiet" }, t(" (optional)")) : null),
    control,
    error ? h("p", { class: "error", role: "alert" }, error) : null,
    block.hint ? h("p", { class: "quiet" }, textObject(block.hint)) : null);
}

function initial(element) {
  const key = Object.keys(element).find((name) => name.startsWith("initial_"));
  const value = key ? element[key] : null;
  if (Array.isArray(value)) return value.map((one) => one.value ?? one);
  return value?.value ?? value;
}

function textBox(element, { id, known, remember, required }) {
  const types = { number_input: "number", email_text_input: "email", url_text_input: "url", datepicker: "date", timepicker: "time", file_input: "file" };
  const props = {
    id, required, value: known ?? "", placeholder: element.placeholder?.text, "data-action": element.action_id,
    maxlength: element.max_length, minlength: element.min_length, oninput: (event) => remember(event.target.value, event.target),
  };
  if (element.type === "file_input") delete props.value;
  return element.multiline || element.type === "rich_text_input" ? h("textarea", { rows: 4, ...props }) : h("input", { type: types[element.type] ?? "text", ...props });
}

function select(options) {
  return (element, { id, known, remember, required }) => {
    const many = element.type.startsWith("multi_");
    const chosen = [known].flat();
    const items = options(element).map(({ value, label }) => h("option", { value, selected: chosen.includes(value) }, label));
    const read = (node) => (many ? [...node.selectedOptions].map((one) => one.value) : node.value);
    const empty = many ? [] : [h("option", { value: "", disabled: required, selected: !known }, element.placeholder?.text ?? t("Choose…"))];
    return h("select", { id, required, multiple: many, "data-action": element.action_id, onchange: (event) => remember(read(event.target), event.target) },
      empty, items);
  };
}

function staticOptions(element) {
  const all = element.options ?? (element.option_groups ?? []).flatMap((group) => group.options);
  return all.map((option) => ({ value: option.value, label: option.text.text }));
}

const userOptions = () => [...state.users.values()].filter((one) => !one.is_bot).map((one) => ({ value: one.id, label: one.real_name }));
const channelOptions = () => [...state.channels.values()].filter((one) => !one.is_im).map((one) => ({ value: one.id, label: `#${one.name}` }));

function choices(kind) {
  return (element, { id, known, remember, required }) => {
    const chosen = new Set([known].flat().filter(Boolean));
    const change = (option) => (event) => {
      if (kind === "radio") return remember(option.value, event.target);
      if (event.target.checked) chosen.add(option.value);
      else chosen.delete(option.value);
      return remember([...chosen], event.target);
    };
    return h("div", { class: "choices", id, role: kind === "radio" ? "radiogroup" : "group" }, element.options.map((option) =>
      h("label", {},
        h("input", { type: kind, name: id, required: required && kind === "radio", checked: chosen.has(option.value), onchange: change(option) }),
        h("span", {}, textObject(option.text), option.description ? h("small", {}, textObject(option.description)) : null))));
  };
}

/** Slack counts seconds since the epoch; a browser's control wants the local clock's words for it. */
function moment(element, { id, known, remember, required }) {
  const local = (seconds) => new Date((seconds - new Date(seconds * 1000).getTimezoneOffset() * 60) * 1000).toISOString().slice(0, 16);
  const props = { id, required, value: known ? local(known) : "", "data-action": element.action_id };
  return h("input", { type: "datetime-local", ...props, onchange: (event) => remember(Math.floor(new Date(event.target.value) / 1000), event.target) });
}

const CONTROLS = {
  datetimepicker: moment,
  static_select: select(staticOptions),
  multi_static_select: select(staticOptions),
  users_select: select(userOptions),
  multi_users_select: select(userOptions),
  channels_select: select(channelOptions),
  conversations_select: select(channelOptions),
  multi_channels_select: select(channelOptions),
  multi_conversations_select: select(channelOptions),
  external_select: select(staticOptions),
  multi_external_select: select(staticOptions),
  radio_buttons: choices("radio"),
  checkboxes: choices("checkbox"),
};
