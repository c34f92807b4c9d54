// table and data_table.

import { h } from "./dom.js";
import { richText } from "./text.js";
import { t } from "./words.js";

export function table(block) {
  const align = (index) => block.column_settings?.[index]?.align;
  return h("div", { class: "table-frame" }, h("table", {}, h("tbody", {}, block.rows.map((row, index) => tableRow(row, { isHead: index === 0, align })))));
}

export function dataTable(block) {
  const [head, ...rows] = block.rows;
  const size = block.page_size ?? 5;
  const headerColumn = block.row_header_column_index ?? 0;
  const body = h("tbody", {}, rows.slice(0, size).map((row) => tableRow(row, { headerColumn })));
  const rest = rows.slice(size);
  const showRest = (event) => {
    body.append(...rest.map((row) => tableRow(row, { headerColumn })));
    event.currentTarget.remove();
  };
  const more = rest.length ? h("button", { type: "button", class: "link", onclick: showRest }, t(rest.length === 1 ? "Show {n} more row" : "Show {n} more rows", { n: rest.length })) : null;
  return h("div", { class: "table-frame" },
    h("table", { class: "data" }, h("caption", {}, block.caption), h("thead", {}, tableRow(head, { isHead: true, below: rows[0] })), body), more);
}

/** `below` tells a header row which columns are figures. */
function tableRow(row, { isHead = false, headerColumn = -1, below = row, align = () => undefined }) {
  return h("tr", {}, row.map((cell, index) => {
    const number = below[index]?.type === "raw_number" || align(index) === "right";
    const tag = isHead || index === headerColumn ? "th" : "td";
    const scope = isHead ? "col" : tag === "th" ? "row" : undefined;
    return h(tag, { class: number ? "number" : undefined, scope }, cell.type === "rich_text" ? richText(cell) : String(cell.text ?? cell.value));
  }));
}
