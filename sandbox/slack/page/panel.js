// The optional panel on the right: whatever /mesh.json says, once a second, and its buttons.

import { h, post, toast } from "./dom.js";

export async function startPanel() {
  const box = document.getElementById("side-panel");
  const shown = await refresh(box);
  if (shown) setInterval(() => refresh(box), 1000);
}

async function refresh(box) {
  const data = await fetch("/mesh.json").then((response) => response.json()).catch(() => null);
  if (!data) return false;
  box.hidden = false;
  document.body.classList.add("with-panel");
  if (!box.firstChild) box.append(h("h2", {}), h("dl", {}), h("div", { class: "panel-actions" }), h("h3", {}, "What happened"), h("ol", { class: "log" }));
  const [title, rows, actions, heading, log] = box.children;
  title.textContent = data.title;
  rows.replaceChildren(...(data.rows ?? []).map(row));
  showActions(actions, data.actions ?? []);
  heading.hidden = !(data.log ?? []).length;
  log.replaceChildren(...(data.log ?? []).slice(-40).reverse().map((line) => h("li", {}, line)));
  return true;
}

function row({ label, value, bar }) {
  const level = bar === undefined || bar === null ? null : Math.max(0, Math.min(100, bar));
  return h("div", {}, h("dt", {}, label), h("dd", {}, String(value)), level === null ? null : h("span", { class: "meter", "aria-hidden": "true" }, h("span", { style: `width:${level}%` })));
}

/** Buttons are kept while their list is the same, so that focus and clicks survive the refresh. */
function showActions(box, actions) {
  const key = JSON.stringify(actions);
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren(...actions.map(({ id, label }) => h("button", { type: "button", class: "button", onclick: () => act(id, label) }, label)));
}

async function act(id, label) {
  const answer = await post(`/mesh/actions/${encodeURIComponent(id)}`, {});
  toast(answer.ok ? `${label}: done` : `${label} failed`);
}
