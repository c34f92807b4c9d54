// data_visualization as inline SVG. Lines differ in dash and marker as well as in colour.

import { h, svg } from "./dom.js";

const WIDTH = 600;
const PLOT = 158; // high; below it stand the categories, and the axis' own label where there is one
const PAD = { left: 46, right: 14, top: 12 };
const TICKS = 22;
const LABEL = 18;
const DASHES = ["", "7 4", "2 4", "9 3 2 3"];

export function chart(block) {
  const { chart: data, title } = block;
  const body = data.type === "pie" ? shares(data.segments) : lineChart(data);
  return h("figure", { class: "chart" }, h("figcaption", {}, title), body, data.series ? legend(data) : null);
}

function lineChart(data) {
  const names = data.axis_config.categories;
  const series = data.series.map((one) => ({ ...one, values: inOrder(one, names) }));
  const ticks = niceTicks(series.flatMap((one) => one.values));
  const x = (index) => PAD.left + ((index + 0.5) * (WIDTH - PAD.left - PAD.right)) / names.length;
  const base = PAD.top + PLOT;
  const height = base + TICKS + (data.axis_config.x_label ? LABEL : 0);
  const y = (value) => base - ((value - ticks[0]) / (ticks.at(-1) - ticks[0])) * PLOT;
  const draw = data.type === "bar" ? bars : lines;
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": summary(data) },
    ticks.map((tick) => gridLine(tick, y(tick))),
    names.map((name, index) => (index % Math.ceil(names.length / 8) ? null
      : svg("text", { class: "tick", x: x(index), y: base + 16, "text-anchor": "middle" }, name))),
    axisLabels(data.axis_config, height),
    series.map((one, index) => draw(one, index, { x, y, count: series.length, step: x(1) - x(0), area: data.type === "area", floor: y(ticks[0]) })));
}

function inOrder(series, names) {
  const values = new Map(series.data.map((point) => [point.label, point.value]));
  return names.map((name) => values.get(name));
}

function lines(series, index, { x, y, area, floor }) {
  const points = series.values.map((value, at) => [x(at), y(value)]);
  const path = points.map(([left, top], at) => `${at ? "L" : "M"}${left.toFixed(1)} ${top.toFixed(1)}`).join("");
  const filled = `${path}L${points.at(-1)[0]} ${floor}L${points[0][0]} ${floor}Z`;
  return svg("g", { class: `series s${index % 6}` },
    area ? svg("path", { class: "area", d: filled }) : null,
    svg("path", { class: "line", d: path, "stroke-dasharray": DASHES[index % DASHES.length] }),
    points.map(([left, top], at) => svg("circle", { cx: left, cy: top, r: 2.6 }, svg("title", {}, `${series.name}: ${series.values[at]}`))));
}

function bars(series, index, { x, y, count, step, floor }) {
  const width = (step * 0.7) / count;
  return svg("g", { class: `series s${index % 6}` }, series.values.map((value, at) =>
    svg("rect", { class: "bar", x: x(at) - step * 0.35 + index * width, y: y(value), width, height: Math.max(0, floor - y(value)) })));
}

function gridLine(tick, top) {
  return [
    svg("line", { class: "grid", x1: PAD.left, x2: WIDTH - PAD.right, y1: top, y2: top }),
    svg("text", { class: "tick", x: PAD.left - 7, y: top + 3.5, "text-anchor": "end" }, short(tick)),
  ];
}

function axisLabels({ x_label: below, y_label: left }, height) {
  const middle = PAD.top + PLOT / 2;
  return [
    below ? svg("text", { class: "axis", x: (WIDTH + PAD.left) / 2, y: height - 4, "text-anchor": "middle" }, below) : null,
    left ? svg("text", { class: "axis", transform: `translate(11 ${middle}) rotate(-90)`, "text-anchor": "middle" }, left) : null,
  ];
}

function legend(data) {
  return h("ul", { class: "legend" }, data.series.map((one, index) => {
    const dash = DASHES[index % DASHES.length];
    const line = svg("line", { class: "line", x1: 0, x2: 26, y1: 5, y2: 5, "stroke-dasharray": dash });
    const sample = svg("svg", { class: `series s${index % 6}`, width: 26, height: 10, "aria-hidden": "true" }, line);
    return h("li", {}, sample, one.name);
  }));
}

function shares(segments) {
  const total = segments.reduce((sum, one) => sum + one.value, 0) || 1;
  return h("ul", { class: "shares" }, segments.map((one, index) => {
    const percent = (one.value * 100) / total;
    return h("li", {}, h("span", {}, one.label), h("span", { class: `bar s${index % 6}`, style: `width:${percent}%` }), `${short(percent)} %`);
  }));
}

/** Four or five round numbers that cover all values, starting at zero unless something is below it. */
function niceTicks(values) {
  const low = Math.min(0, ...values);
  const high = Math.max(...values, low + 1e-6);
  const raw = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= raw);
  const ticks = [];
  for (let tick = Math.floor(low / step) * step; ticks.length < 2 || ticks.at(-1) < high - step * 1e-9; tick += step) ticks.push(tick);
  return ticks;
}

const short = (value) => (Math.abs(value) >= 1000 ? `${+(value / 1000).toFixed(1)}k` : `${+value.toFixed(3)}`);

function summary(data) {
  const ends = data.series.map((one) => `${one.name} from ${one.data[0]?.value} to ${one.data.at(-1)?.value}`);
  return `Chart over ${data.axis_config.x_label ?? "categories"}: ${ends.join("; ")}`;
}
