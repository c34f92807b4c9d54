// The live view beside the messages: whatever /mesh.json says, once a second, and its switches.

import { h, post, toast } from "./dom.js";
import { confirmed } from "./modal.js";
import { stream } from "./stream.js";
import { locale, t } from "./words.js";

const PERIOD = 1000;

/** Show the panel where there is one to show, and keep it true; `onShown` is told once that there is. */
export async function startPanel(onShown) {
  const box = document.getElementById("side-panel");
  if (!(await refresh(box, onShown))) return;
  const again = () => setTimeout(async () => (await refresh(box), again()), PERIOD);
  again();
}

async function refresh(box, onShown = null) {
  const data = await fetch("/mesh.json").then((response) => response.json()).catch(() => null);
  if (!data) return false;
  if (box.hidden) {
    box.hidden = false;
    build(box);
    onShown?.();
  }
  show(box, data);
  return true;
}

function build(box) {
  const part = (tag, name, props = {}) => h(tag, { "data-part": name, ...props });
  const heading = (words) => h("h3", {}, words);
  box.append(
    part("h2", "title"),
    part("p", "busy", { class: "note", role: "status" }),
    h("div", { class: "live" },
      part("p", "harm", { class: "harm" }),
      part("figure", "stream", { class: "stream" }),
      heading(t("Faults: press again to undo")), part("div", "switches", { class: "switches" })),
    part("div", "actions", { class: "panel-actions" }),
    h("div", { class: "live" },
      part("dl", "rows"),
      heading(t("What happened")), part("ol", "log", { class: "log" })));
}

function show(box, data) {
  const part = (name) => box.querySelector(`[data-part="${name}"]`);
  part("title").textContent = t(data.title);
  part("busy").textContent = t(data.busy ?? "");
  box.querySelectorAll(".live").forEach((one) => (one.hidden = Boolean(data.busy)));
  buttons(part("actions"), data.actions ?? []);
  if (data.busy) return;
  part("harm").replaceChildren(...harm(data.errors));
  part("stream").replaceChildren(...stream(data.chart, data.marks));
  buttons(part("switches"), data.switches ?? []);
  part("rows").replaceChildren(...(data.rows ?? []).map(row));
  part("log").replaceChildren(...[...data.marks].reverse().slice(0, 40).map(line));
}

function harm({ count, requests }) {
  const many = (number) => number.toLocaleString(locale());
  return [h("b", { class: count ? "some" : undefined }, many(count)), " ", h("span", {}, t(count === 1 ? "error users saw" : "errors users saw")), " ", h("small", {}, t("of {n} requests", { n: many(requests) }))];
}

function line(mark) {
  const at = new Date(mark.at * 1000);
  return h("li", { class: mark.kind }, h("time", { datetime: at.toISOString() }, at.toLocaleTimeString("en", { hour12: false })), " ", t(mark.words));
}

function row({ label, value, bar }) {
  const level = bar === undefined || bar === null ? null : Math.max(0, Math.min(100, bar));
  return h("div", {}, h("dt", {}, t(label)), h("dd", {}, String(value)), level === null ? null : h("span", { class: "meter", "aria-hidden": "true" }, h("span", { style: `width:${level}%` })));
}

/** Buttons are kept, so that focus and clicks survive the refresh; what is said of each changes in place. */
function buttons(box, list) {
  const wanted = list.map(({ id }) => id).join(" ");
  if (box.dataset.key !== wanted) {
    box.dataset.key = wanted;
    box.replaceChildren(...list.map(({ id }) => h("button", { type: "button", class: "button", "data-id": id })));
  }
  list.forEach((one, index) => relabel(box.children[index], one));
}

function relabel(button, one) {
  const isSwitch = "on" in one;
  const words = isSwitch ? [h("span", {}, t(one.label)), " ", h("b", {}, t(one.on ? "on" : "off"))] : [t(one.label)];
  const key = JSON.stringify(one);
  if (button.dataset.key !== key) button.replaceChildren(...words);
  button.dataset.key = key;
  if (isSwitch) button.setAttribute("aria-pressed", String(one.on));
  button.onclick = () => act(button, one);
}

async function act(button, { id, label, confirm }) {
  if (confirm && !(await confirmed({ title: { type: "plain_text", text: t(label) }, text: { type: "plain_text", text: t(confirm) }, confirm: { type: "plain_text", text: t(label) }, style: "danger" }))) return;
  button.classList.add("busy");
  const answer = await post(`/mesh/actions/${encodeURIComponent(id)}`, {});
  button.classList.remove("busy");
  if (!answer.ok) toast(t("{label}: that did not work", { label: t(label) }));
  await refresh(document.getElementById("side-panel"));
}
