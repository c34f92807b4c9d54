// Modals of the app, App Home, and the confirm dialog.

import { blocks } from "./blocks.js";
import { h, post, toast } from "./dom.js";
import { myViews, state } from "./state.js";
import { textObject } from "./text.js";
import { t } from "./words.js";

const typed = new Map(); // view id -> what was filled in, kept across updates of the view

/** Forget what was filled in: the views are gone. */
export const forgetViews = () => typed.clear();

/** Keep the modal dialog equal to the top of the stack. */
export function showModal() {
  const box = document.getElementById("modal");
  const view = myViews().modals.at(-1);
  if (!view) {
    if (box.open) box.close();
    return;
  }
  const key = JSON.stringify(view);
  if (box.dataset.key === key && box.open) return;
  box.dataset.key = key;
  box.oncancel = (event) => {
    event.preventDefault();
    close(view);
  };
  box.replaceChildren(modalForm(view));
  if (!box.open) box.showModal();
  box.querySelector(".field input, .field textarea, .field select")?.focus();
}

function modalForm(view) {
  const form = remembered(view);
  const submit = async (event) => {
    event.preventDefault();
    const button = event.submitter;
    button?.classList.add("busy");
    const answer = await post("/do/submit", { user: state.me, view: view.id, values: form.values });
    button?.classList.remove("busy");
    if (!answer.acknowledged && answer.error) toast(t("The app did not answer ({error}).", { error: answer.error }));
  };
  return h("form", { onsubmit: submit, "aria-label": view.title },
    h("header", {}, h("h2", {}, view.title), h("button", { type: "button", class: "close", "aria-label": t("Close"), onclick: () => close(view) }, "✕")),
    form.errors[""] ? h("p", { class: "alert error", role: "alert" }, form.errors[""]) : null,
    h("div", { class: "modal-body" }, blocks(view.blocks, (element, value, node) => clickInView(view, element, value, node), form)),
    h("footer", {},
      h("button", { type: "button", class: "button", onclick: () => close(view) }, view.close ?? t("Cancel")),
      view.submit ? h("button", { class: "button primary" }, view.submit) : null));
}

function remembered(view) {
  if (!typed.has(view.id)) typed.set(view.id, {});
  return { values: typed.get(view.id), errors: view.errors };
}

const close = (view) => post("/do/close", { user: state.me, view: view.id });

/** A click on an element of a modal or of App Home. */
async function clickInView(view, element, value, node) {
  if (element.confirm && !(await confirmed(element.confirm, element.style))) return;
  node?.classList.add("busy");
  const body = { user: state.me, view: view.id, action_id: element.action_id, value: value ?? element.value, values: typed.get(view.id) };
  const answer = await post("/do/click", body);
  node?.classList.remove("busy");
  if (answer.error) toast(answer.acknowledged === false ? t("The app did not answer. Try again.") : answer.error);
}

/** What App Home depends on. */
export const homeKey = () => [state.me, myViews().home];

/** App Home of the person looking. */
export function home() {
  const view = myViews().home;
  if (!view) return h("div", { class: "empty" }, h("h3", {}, t("Nothing here yet")), h("p", {}, t("The app has not published a Home tab for you.")));
  return h("div", { class: "home" }, blocks(view.blocks, (element, value, node) => clickInView(view, element, value, node), remembered(view)));
}

/** Ask before a click that carries a confirm object; resolves to yes or no. */
export function confirmed(confirm, style) {
  const box = document.getElementById("confirm");
  const kind = (confirm.style ?? style) === "danger" ? "danger" : "primary";
  return new Promise((resolve) => {
    const answer = (yes) => () => {
      box.onclose = null;
      box.close();
      resolve(yes);
    };
    box.onclose = () => resolve(false);
    box.replaceChildren(
      h("header", {}, h("h2", {}, textObject(confirm.title) ?? t("Are you sure?"))),
      h("div", { class: "modal-body" }, textObject(confirm.text)),
      h("footer", {},
        h("button", { type: "button", class: "button", onclick: answer(false) }, textObject(confirm.deny) ?? t("Cancel")),
        h("button", { type: "button", class: `button ${kind}`, onclick: answer(true), autofocus: true }, textObject(confirm.confirm) ?? t("Yes"))));
    box.showModal();
  });
}
