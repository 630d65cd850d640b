// Elements and numbers. Text only ever becomes text: nothing here, or anywhere on this page, parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (`on…` are listeners, null and false are left out) and children, strings as text. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Puts a bar's place on its axis into its style, in percent. Through the object model, as the policy wants it. */
export function place(node, left, width) {
  node.style.left = `${left}%`;
  node.style.width = `${width}%`;
  return node;
}

/** Changes a node's text only where it differs, so that a selection or a screen reader is not disturbed. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A number with about three digits: 1234 → 1,234; 12.34 → 12.3. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toFixed(1)} G`;
  if (size >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toFixed(size >= 10 ? 1 : 2);
}

/** A share as per cent; a small one that is not zero does not look like zero. */
export function share(value) {
  if (value === null || value === undefined) return "–";
  const percent = value * 100;
  if (percent > 0 && percent < 0.1) return "<0.1 %";
  return `${percent >= 10 || percent === 0 ? Math.round(percent) : percent.toFixed(1)} %`;
}

/** Milliseconds in the unit that suits them. */
export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0 ms";
  if (value >= 60000) return `${(value / 60000).toFixed(1)} min`;
  if (value >= 10000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  if (value >= 100) return `${Math.round(value)} ms`;
  if (value >= 1) return `${value.toFixed(1)} ms`;
  return `${Math.round(value * 1000)} µs`;
}

/** Dollars; what is less than a cent keeps its digits. */
export function usd(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "$0";
  if (value >= 1000) return `$${Math.round(value).toLocaleString("en")}`;
  if (value >= 0.1) return `$${value.toFixed(2)}`;
  return value < 1e-6 ? "<$0.000001" : `$${value.toFixed(value >= 0.001 ? 4 : 6)}`;
}

/** How long ago, in words. */
export function ago(seconds) {
  const past = Math.max(0, seconds);
  if (past < 90) return `${Math.round(past)} s`;
  if (past < 5400) return `${Math.round(past / 60)} min`;
  if (past < 129600) return `${Math.round(past / 3600)} h`;
  return `${Math.round(past / 86400)} d`;
}

/** Local time of day of epoch seconds; with the date where it is another day's. */
export function clock(seconds) {
  const at = new Date(seconds * 1000);
  const time = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString("en-CA")} ${time}`;
}

/** What a panel shows where there is nothing: what it means, and what to do. */
export function empty(what, ...hint) {
  return el(
    "div",
    { class: "empty" },
    el("p", {}, what),
    hint.length ? el("p", { class: "muted small" }, ...hint) : null,
  );
}

export const code = (text) => el("code", {}, text);
