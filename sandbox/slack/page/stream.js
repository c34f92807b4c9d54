// Answers a second by version, stacked and moving, with a line of errors and marks for what happened.

import { h, svg } from "./dom.js";
import { t } from "./words.js";

const WIDTH = 320;
const HEIGHT = 188;
const PAD = { left: 26, right: 6, top: 34, bottom: 18 };
const COLOURS = { v1: "s0", v2: "s1", v3: "s2" };
const SIGNS = { start: "▶", approve: "✓", abort: "✕", end: "■", fault: "!" };

/** The picture and its legend; `chart` and `marks` as the server keeps them. */
export function stream(chart, marks) {
  const versions = Object.keys(chart.answers);
  const count = chart.failed.length;
  const totals = chart.failed.map((_, at) => versions.reduce((sum, version) => sum + chart.answers[version][at], 0));
  const most = niceTop(Math.max(10, ...totals));
  const x = (at) => PAD.left + ((chart.seconds - count + at + 1) * (WIDTH - PAD.left - PAD.right)) / chart.seconds;
  const y = (value) => HEIGHT - PAD.bottom - (value / most) * (HEIGHT - PAD.top - PAD.bottom);
  const when = (seconds) => x(count - 1 - (chart.now - seconds));
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": summary(chart, versions) },
    [0, most / 2, most].map((tick) => gridLine(tick, y(tick))),
    layers(chart, versions, x, y),
    chart.failed.some(Boolean) && svg("path", { class: "errors", d: path(chart.failed.map((value, at) => [x(at), y(value)])) }),
    [3, 2, 1, 0].map((minutes) => svg("text", { class: "tick", x: when(chart.now - minutes * 60), y: HEIGHT - 4, "text-anchor": minutes === 0 ? "end" : minutes === 3 ? "start" : "middle" }, minutes ? t("{n} min", { n: minutes }) : t("now"))),
    flags(marks.filter((mark) => mark.kind !== "deed" && chart.now - mark.at < chart.seconds), when));
  return [h("figcaption", {}, t("Answers a second by version")), picture, legend(chart, versions)];
}

function layers(chart, versions, x, y) {
  let below = chart.failed.map(() => 0);
  return versions.map((version) => {
    const above = below.map((sum, at) => sum + chart.answers[version][at]);
    const edge = [...above.map((sum, at) => [x(at), y(sum)]), ...below.map((sum, at) => [x(at), y(sum)]).reverse()];
    below = above;
    return edge.length ? svg("path", { class: `layer ${colour(version)}`, d: `${path(edge)}Z` }) : null;
  });
}

/** A line for each mark, with a sign above it; weights are numbers in a lane of their own, as far as there is room. */
function flags(marks, when) {
  let free = -Infinity;
  return marks.map((mark) => {
    const left = when(mark.at);
    const isWeight = mark.kind === "weights";
    const share = /copies/.test(mark.words) ? "" : /(\d+) %/.exec(mark.words)?.[1];
    const room = !isWeight || left >= free;
    if (isWeight && room) free = left + 17;
    return svg("g", { class: `flag ${mark.kind}` },
      svg("title", {}, t(mark.words)),
      svg("line", { x1: left, x2: left, y1: isWeight ? PAD.top - 4 : 13, y2: HEIGHT - PAD.bottom }),
      isWeight ? (room ? svg("text", { class: "share", x: left, y: PAD.top - 7, "text-anchor": "middle" }, share) : null)
        : [svg("circle", { cx: left, cy: 8, r: 7 }), svg("text", { class: "sign", x: left, y: 11.5, "text-anchor": "middle" }, SIGNS[mark.kind] ?? "·")]);
  });
}

function legend(chart, versions) {
  const last = (values) => values.at(-1) ?? 0;
  const entry = (name, words) => h("li", {}, h("span", { class: `swatch ${name}`, "aria-hidden": "true" }), words);
  return h("ul", { class: "legend" },
    versions.map((version) => entry(colour(version), `${version} ${last(chart.answers[version])}/s`)),
    entry("errors", `${t("errors")} ${last(chart.failed)}/s`),
    h("li", { class: "quiet" }, t("▶ start  ✓ approval  ✕ abort  ■ end  ! fault  20: % of users")));
}

function gridLine(tick, top) {
  return [
    svg("line", { class: "grid", x1: PAD.left, x2: WIDTH - PAD.right, y1: top, y2: top }),
    svg("text", { class: "tick", x: PAD.left - 5, y: top + 3.5, "text-anchor": "end" }, String(tick)),
  ];
}

const colour = (version) => COLOURS[version] ?? "s5";
const path = (points) => points.map(([left, top], at) => `${at ? "L" : "M"}${left.toFixed(1)} ${top.toFixed(1)}`).join("");
const niceTop = (value) => [10, 20, 40, 60, 80, 100, 200, 400, 1000].find((top) => top >= value) ?? value;

function summary(chart, versions) {
  const now = versions.map((version) => `${version} ${chart.answers[version].at(-1)}`);
  return t("Answers a second now: {answers}; errors {n}.", { answers: now.join(", ") || t("none yet"), n: chart.failed.at(-1) ?? 0 });
}
