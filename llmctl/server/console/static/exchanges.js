// The list of exchanges: newest, slowest or failed ones, found by words and conditions, opened by click or Enter.

import { get } from "./api.js";
import { clock, el, empty, code, ms, number, say, usd } from "./dom.js";
import { marked } from "./panels.js";

const VIEWS = {
  newest: { title: "Newest", parameters: {} },
  slowest: { title: "Slowest", parameters: { slowest: "1" } },
  failed: { title: "Failed", parameters: { state: "failed,aborted" } },
  blocked: { title: "Blocked", parameters: { state: "blocked" } },
};
const COLUMNS = [
  ["Time", ""],
  ["State", ""],
  ["Model", ""],
  ["Took", "n"],
  ["First token", "n mid"],
  ["Tokens", "n mid"],
  ["Cost", "n mid"],
  ["What", "what"],
];

/** The list. `open(row)` is called for the row that is chosen, `refused(error)` where the server does not answer. */
export class Exchanges {
  constructor({ open, refused }) {
    this.open = open;
    this.refused = refused;
    this.view = "newest";
    this.busy = false;
    this.asked = 0;
    this.rows = new Map(); // by key: { node, data }
    this.host = document.getElementById("list");
    this.found = document.getElementById("found");
    this.body = el("tbody");
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.table = el(
      "table",
      { class: "list" },
      el("caption", { class: "hidden" }, "Exchanges. Arrows move between them, Enter opens one."),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          COLUMNS.map(([title, kind]) => el("th", { scope: "col", class: kind }, title)),
        ),
      ),
      this.body,
    );
    this.buttons = Object.entries(VIEWS).map(([name, { title }]) =>
      el(
        "button",
        { type: "button", "aria-pressed": name === this.view, "data-view": name, onclick: () => this.choose(name) },
        title,
      ),
    );
    document.getElementById("views").append(...this.buttons);
    document.getElementById("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.refresh(true);
    });
  }

  /** Whether words or a condition are asked for: then the list stands still until it is asked again. */
  get searching() {
    return Boolean(this.words.text || this.words.where);
  }

  /** Whether the list can follow what happens: the newest take no reading of many records. */
  get follows() {
    return this.view === "newest" && !this.searching;
  }

  get words() {
    return { text: document.getElementById("text").value.trim(), where: document.getElementById("where").value.trim() };
  }

  choose(view) {
    this.view = view;
    for (const button of this.buttons) button.setAttribute("aria-pressed", button.dataset.view === view);
    this.refresh(true);
  }

  /** Ask the server. Unless `forced`, one question at a time. */
  async refresh(forced = false) {
    if (this.busy && !forced) return;
    const asked = ++this.asked;
    this.busy = true;
    if (forced) say(this.found, "Looking …");
    try {
      const answer = await get("exchanges", { ...VIEWS[this.view].parameters, ...this.words, limit: "50" });
      if (asked === this.asked) this.show(answer);
    } catch (error) {
      if (asked === this.asked) {
        say(this.found, error.status === 401 ? "" : error.message);
        if (error.status !== 400) this.refused(error); // else it is the question that is wrong
      }
    } finally {
      if (asked === this.asked) this.busy = false;
    }
  }

  show(answer) {
    const reach = answer.oldest === null ? "" : `, back to ${clock(answer.oldest)}`;
    const more = answer.complete ? "" : "; older ones: llmctl traces ls";
    const searched = this.follows
      ? ""
      : `${answer.exchanges.length} shown of ${number(answer.searched)} looked at${reach}${more}`;
    say(this.found, searched);
    if (!answer.exchanges.length) {
      this.host.replaceChildren(this.nothing(answer));
      return;
    }
    if (this.table.parentNode !== this.host) this.host.replaceChildren(this.table);
    const kept = new Map();
    for (const row of answer.exchanges) {
      const key = `${row.id} ${row.started} ${row.duration_ms}`;
      kept.set(key, this.rows.get(key) ?? { node: this.row(row), data: row });
    }
    this.rows = kept;
    this.place([...kept.values()].map(({ node }) => node));
  }

  /** Puts the rows in order without taking the focus from one that stays. */
  place(nodes) {
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    const wanted = new Set(nodes);
    for (const node of [...this.body.children]) if (!wanted.has(node)) node.remove();
    let at = this.body.firstChild;
    for (const node of nodes) {
      if (node === at) at = at.nextSibling;
      else this.body.insertBefore(node, at);
    }
    if (focused && !focused.isConnected) nodes[0].focus();
    this.rove(this.body.contains(document.activeElement) ? document.activeElement : nodes[0]);
  }

  nothing(answer) {
    if (!answer.enabled)
      return empty(
        "Records are switched off.",
        "With ",
        code("records.enabled: true"),
        " in gateway.yaml every exchange is kept and can be opened here.",
      );
    if (!this.follows)
      return empty(
        "No such exchange among those looked at.",
        "Words match prompts, answers, errors, names and ids; conditions are those of ",
        code("llmctl traces ls --where"),
        ".",
      );
    return empty(
      "No exchange yet.",
      "Send one: ",
      code(
        `curl ${location.origin}/v1/chat/completions -H 'content-type: application/json' ` +
          `-d '{"model": "…", "messages": [{"role": "user", "content": "Hello"}]}'`,
      ),
    );
  }

  row(row) {
    const model =
      row.requested_model === row.model || !row.model ? row.requested_model : `${row.requested_model} → ${row.model}`;
    const what = row.failure
      ? `${row.blocked_by ? `${row.blocked_by}: ` : ""}${row.failure}${row.message ? `: ${row.message}` : ""}`
      : [
          row.cache && row.cache !== "miss" ? `cache: ${row.cache}` : "",
          row.degraded ? `degraded: ${row.degraded}` : "",
          row.attempts > 1 ? `${row.attempts} attempts` : "",
          row.stream ? "stream" : "",
        ]
          .filter(Boolean)
          .join(" · ");
    const node = el(
      "tr",
      {
        tabindex: -1,
        "data-id": row.id,
        "aria-label": `${row.state} ${row.http_status}, ${model}, ${ms(row.duration_ms)}. ${what} Enter opens it.`,
        onclick: () => {
          this.rove(node);
          this.open(row);
        },
      },
      el("td", { class: "time" }, clock(row.started)),
      el("td", {}, marked(row.state, `${row.state} ${row.http_status}`)),
      el("td", { class: "model", title: model }, model || "–"),
      el("td", { class: "n" }, ms(row.duration_ms)),
      el("td", { class: "n mid" }, ms(row.ttft_ms)),
      el(
        "td",
        { class: "n mid" },
        row.input_tokens || row.output_tokens ? `${number(row.input_tokens)} → ${number(row.output_tokens)}` : "–",
      ),
      el("td", { class: "n mid" }, usd(row.usd)),
      el("td", { class: row.state === "failed" ? "what bad" : row.failure ? "what" : "what muted", title: what }, what),
    );
    return node;
  }

  /** One row at a time is reached by Tab; arrows go from there. */
  rove(node) {
    for (const row of this.body.children) row.tabIndex = row === node ? 0 : -1;
  }

  key(event) {
    const node = event.target.closest("tr");
    const to = {
      ArrowDown: node?.nextElementSibling,
      ArrowUp: node?.previousElementSibling,
      Home: this.body.firstElementChild,
      End: this.body.lastElementChild,
    }[event.key];
    if (to) {
      this.rove(to);
      to.focus();
    } else if (node && (event.key === "Enter" || event.key === " ")) node.click();
    else return;
    event.preventDefault();
  }
}
