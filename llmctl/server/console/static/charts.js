// Charts of the last minutes as SVG: a filled line or several lines over time, with a reading under the pointer.

import { clock, el, say, svg } from "./dom.js";

const HEIGHT = 170;
const MARGIN = { top: 10, right: 6, bottom: 20, left: 46 };

/** A step of 1, 2 or 5 times a power of ten, so that `count` of them cover `most`; and the highest of them. */
function scale(most, count = 3) {
  if (!(most > 0)) return { step: 1, top: 1 };
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
  return { step, top: step * Math.ceil(most / step - 1e-9) };
}

/** Runs of points that have the value: a gap stays a gap. */
function runs(points, of) {
  const found = [];
  let run = [];
  for (const point of points) {
    if (of(point) === null || of(point) === undefined) {
      if (run.length) found.push(run);
      run = [];
    } else run.push(point);
  }
  return run.length ? [...found, run] : found;
}

/**
 * A chart in the figure `host`. Each line has `name`, `of(point)`, `kind` (a class for its colour) and perhaps
 * `filled`; `format` writes a value.
 */
export class Chart {
  constructor(host, { title, unit, lines, format, span = 300 }) {
    Object.assign(this, { title, lines, format, span, points: [], now: 0, at: null });
    this.readings = lines.map((line) => el("strong", {}, "–"));
    const legend = lines.map((line, i) =>
      el("span", { class: "reading" }, el("i", { class: `swatch ${line.kind}` }), line.name, " ", this.readings[i]),
    );
    this.when = el("span", { class: "muted" }, unit);
    this.canvas = svg("svg", { role: "img", height: HEIGHT, "aria-label": title });
    host.append(
      el("figcaption", {}, el("h2", {}, title), this.when, el("span", { class: "legend" }, legend)),
      this.canvas,
    );
    this.unit = unit;
    this.canvas.addEventListener("pointermove", (event) => this.read(event.offsetX));
    this.canvas.addEventListener("pointerleave", () => this.read(null));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  /** Shows these points; `now` is the right edge. */
  show(points, now) {
    this.points = points;
    this.now = now;
    this.draw();
  }

  read(x) {
    this.at = x;
    this.draw();
  }

  draw() {
    const width = this.canvas.clientWidth;
    if (!width) return;
    const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
    const values = this.points.flatMap((point) => this.lines.map((line) => line.of(point) ?? 0));
    const { step, top } = scale(Math.max(0, ...values));
    const x = (t) => MARGIN.left + inner.width * Math.min(1, Math.max(0, 1 - (this.now - t) / this.span));
    const y = (value) => MARGIN.top + inner.height * (1 - value / top);
    const parts = [];
    for (let tick = 0; tick <= top + step / 2; tick += step) {
      parts.push(svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }));
      parts.push(
        svg(
          "text",
          { class: "tick", x: MARGIN.left - 6, y: y(tick) + 4, "text-anchor": "end" },
          tick ? this.format(tick) : "0",
        ),
      );
    }
    const apart = inner.width / this.span > 1.1 ? 60 : 120; // seconds between labels, so that they do not touch
    for (let back = 0; back <= this.span; back += apart) {
      const label = back ? `−${back / 60} min` : "now";
      const anchor = back === 0 ? "end" : back === this.span ? "start" : "middle";
      parts.push(svg("text", { class: "tick", x: x(this.now - back), y: HEIGHT - 4, "text-anchor": anchor }, label));
    }
    for (const line of this.lines) parts.push(...this.line(line, x, y));
    const point = this.pointed(x);
    if (point)
      parts.push(
        svg("line", { class: "cursor", x1: x(point.t), x2: x(point.t), y1: MARGIN.top, y2: MARGIN.top + inner.height }),
      );
    this.canvas.replaceChildren(...parts);
    this.tell(point);
  }

  line({ of, kind, filled }, x, y) {
    return runs(this.points, of).flatMap((run) => {
      if (run.length === 1)
        return [svg("circle", { class: `dot ${kind}`, cx: x(run[0].t), cy: y(of(run[0])), r: 1.5 })];
      const path = run.map((point) => `${x(point.t).toFixed(1)},${y(of(point)).toFixed(1)}`).join("L");
      const base = y(0).toFixed(1);
      const area = `M${x(run[0].t).toFixed(1)},${base}L${path}L${x(run.at(-1).t).toFixed(1)},${base}Z`;
      return [
        filled ? svg("path", { class: `area ${kind}`, d: area }) : null,
        svg("path", { class: `line ${kind}`, d: `M${path}` }),
      ].filter(Boolean);
    });
  }

  pointed(x) {
    if (this.at === null || !this.points.length) return null;
    return this.points.reduce((best, point) =>
      Math.abs(x(point.t) - this.at) < Math.abs(x(best.t) - this.at) ? point : best,
    );
  }

  tell(pointed) {
    const point = pointed ?? this.points.at(-1);
    say(this.when, pointed ? clock(pointed.t) : this.unit);
    this.lines.forEach((line, i) => say(this.readings[i], point ? this.format(line.of(point)) : "–"));
    const spoken = this.lines.map((line, i) => `${line.name} ${this.readings[i].textContent}`).join(", ");
    this.canvas.setAttribute("aria-label", `${this.title}, last five minutes; now ${spoken}`);
  }
}

/** A small line without axes, for a tile. It says nothing that the tile's number does not. */
export function sparkline(points, of, kind, now, span = 300) {
  const most = Math.max(1e-9, ...points.map((point) => of(point) ?? 0));
  const x = (point) => (100 * Math.min(1, Math.max(0, 1 - (now - point.t) / span))).toFixed(1);
  const y = (point) => (27 - 25 * (of(point) / most)).toFixed(1);
  const shapes = runs(points, of)
    .filter((run) => run.length > 1)
    .flatMap((run) => {
      const path = run.map((point) => `${x(point)},${y(point)}`).join("L");
      return [
        svg("path", { class: `area ${kind}`, d: `M${x(run[0])},28L${path}L${x(run.at(-1))},28Z` }),
        svg("path", { class: `line ${kind}`, d: `M${path}`, "vector-effect": "non-scaling-stroke" }),
      ];
    });
  return svg(
    "svg",
    { class: "spark", viewBox: "0 0 100 28", preserveAspectRatio: "none", "aria-hidden": "true" },
    shapes,
  );
}
