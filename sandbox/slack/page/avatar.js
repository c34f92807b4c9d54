// Faces: initials for people, a canary for the app.

import { h, svg } from "./dom.js";
import { state, user } from "./state.js";

const COLOURS = ["#7b3fa0", "#0b6e99", "#a3541a", "#2f7d4f", "#9a2f5b"];

export function avatar(id, size = "") {
  const one = user(id);
  if (id === state.bot) return h("span", { class: `avatar bot ${size}`, "aria-hidden": "true" }, bird());
  const initials = one.real_name.split(" ").map((part) => part[0]).join("").slice(0, 2).toUpperCase();
  const index = [...state.users.keys()].indexOf(id);
  return h("span", { class: `avatar ${size}`, style: `background:${COLOURS[Math.max(0, index) % COLOURS.length]}`, "aria-hidden": "true" }, initials);
}

function bird() {
  return svg("svg", { viewBox: "0 0 32 32" },
    svg("path", { d: "M7 20.5C7 13.5 11 9 16.5 9c4 0 6.5 2.6 6.5 5.2l3.5 1.3-3.5 1.900c-.3 4.700-4.3 7.100-8.6 7.100-3.3 0-5.700-1.2-7.400-4z", fill: "#4a154b" }),
    svg("circle", { cx: 18.6, cy: 13.4, r: 1.3, fill: "#ffe28a" }),
    svg("path", { d: "M10.5 18.5c2.5 1.6 5.5 1.400 7.5-.6", stroke: "#f2c744", "stroke-width": 1.6, fill: "none", "stroke-linecap": "round" }));
}
