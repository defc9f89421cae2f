/* Draws the time lines with Vega when they come into view, and filters the list of scenarios. */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const HINT = "Point at the time line for its figures; drag to zoom, double-click for the whole run.";
  const LEFT = 74, RIGHT = 22;
  const views = new Map();
  let View = null, runtime = null;

  /**
   * Parses the one specification that all time lines share. The bundle exports vegaEmbed alone, so the class of a view and
   * the parsed specification are taken from it; from then on a time line is drawn synchronously, which printing needs.
   */
  async function prepare() {
    const nowhere = document.createElement("div"), options = { actions: false, defaultStyle: false, renderer: "none" };
    const first = await vegaEmbed(nowhere, data.spec, options);
    View = first.view.constructor;
    first.finalize();
    const second = await vegaEmbed(nowhere, data.spec, { ...options, viewClass: class extends View { constructor(parsed, its) { super(parsed, its); runtime = parsed; } } });
    second.finalize();
  }

  const rows = (points, group) => points.t.map((t, i) => ({ t, v: points.v[i], g: group }));
  const clock = (s, tenths) => `${Math.floor(s / 60)}:${tenths ? (s % 60).toFixed(1).padStart(4, "0") : String(Math.floor(s % 60)).padStart(2, "0")}`;
  const number = (n) => Math.round(n).toLocaleString("en").replaceAll(",", "\u202f");

  /** Undoes how the page stores times: tenths of a second, each since the one before. */
  function decode(points) {
    let tenths = 0;
    return { t: points.t.map((step) => (tenths += step) / 10), v: points.v };
  }

  /** The value that holds at a time: the last point at or before it; null before the first. */
  function at(points, time) {
    let low = 0, high = points.t.length;
    while (low < high) { const middle = (low + high) >> 1; if (points.t[middle] <= time) low = middle + 1; else high = middle; }
    return low ? points.v[low - 1] : null;
  }

  function describe(plot, time) {
    const stage = plot.stages.find((s) => s.from <= time && time < s.to);
    const here = (list) => list.filter((m) => m.from <= time && time <= Math.max(m.to, m.from + 0.3)).map((m) => m.title);
    const parts = [clock(time, true)];
    if (stage) parts.push(`stage ${stage.label}`);
    for (const [name, points] of Object.entries(plot.series)) {
      const value = at(points, time);
      if (value === null) continue;
      if (name === "due") parts.push(`${number(value)}/s due by the capture${plot.rhythm ? `, ${recorded(plot.rhythm, time)}` : ""}`);
      else if (name === "lag") parts.push(`lag ${number(value)}`);
      else if (name === "acks") parts.push(`${number(value)} acks/s`);
      else parts.push(`${name.slice("deliveries/".length)} ${number(value)}/s`);
    }
    return [...parts, ...here(plot.steps), ...here(plot.gates), ...here(plot.faults)].join(" · ");
  }

  /** The capture's own time of a moment of the replay, which passes over the capture again and again. */
  function recorded(rhythm, time) {
    const passed = (((time - rhythm.start) % rhythm.loop) + rhythm.loop) % rhythm.loop;
    const at = new Date(rhythm.first + passed * rhythm.speed * 1000);
    return `${["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][at.getUTCDay()]} ${at.toISOString().slice(11, 16)} UTC`;
  }

  function legend(groups, target) {
    const dashes = ["", "5 3", "2 2", "8 3 2 3"], tones = ["a", "b", "c", "d"];
    groups.forEach((name, i) => {
      const key = document.createElement("span");
      key.className = "key";
      key.innerHTML = `<svg aria-hidden="true" viewBox="0 0 22 10"><path d="M0 5h22" stroke="var(--series-${tones[i % 4]})" stroke-width="2" stroke-dasharray="${dashes[i % 4]}"/></svg>`;
      key.append(name);
      target.append(key);
    });
  }

  function draw(figure) {
    if (views.has(figure)) return;
    const stored = data.scenarios[figure.dataset.plot];
    const plot = { ...stored, series: Object.fromEntries(Object.entries(stored.series).map(([name, points]) => [name, decode(points)])) };
    const box = figure.querySelector(".plot"), readout = figure.querySelector(".readout");
    const groups = Object.keys(plot.series).filter((name) => name.startsWith("deliveries/")).sort();
    const view = new View(runtime, { renderer: "svg", container: box, hover: false })
      .width(Math.max(120, box.clientWidth - LEFT - RIGHT))
      .signal("from", 0).signal("to", plot.end);
    for (const name of ["stages", "gates", "steps", "faults", "producerBlackouts", "consumerBlackouts"]) view.data(name, plot[name]);
    view.data("backlog", plot.backlog ?? []);
    view.data("due", plot.series.due ? rows(plot.series.due) : []);
    view.data("lag", plot.series.lag ? rows(plot.series.lag) : []);
    view.data("acks", plot.series.acks ? rows(plot.series.acks) : []);
    view.data("deliveries", groups.flatMap((name) => rows(plot.series[name], name.slice("deliveries/".length))));
    for (const name of ["lag", "acks", "deliveries"]) {
      const shown = name === "acks" ? ["acks", "due"] : [name];
      const values = Object.entries(plot.series).filter(([key]) => shown.includes(key.split("/")[0])).map(([, points]) => Math.max(...points.v));
      view.signal(`${name}Most`, Math.max(1, ...values));
    }
    // The lag that counts fills the panel; the backlog before it goes beyond the top.
    if (typeof plot.lagMost === "number") view.signal("lagMost", Math.max(1, plot.lagMost));
    view.signal("lagNote", plot.lagNote ?? "");
    view.tooltip(() => {}).run();
    const svg = box.querySelector("svg");
    svg.setAttribute("aria-hidden", "true");
    legend(groups.map((name) => name.slice("deliveries/".length)), figure.querySelector(".legend"));
    if (plot.series.due) {
      const key = document.createElement("span");
      key.className = "key";
      key.innerHTML = '<svg aria-hidden="true" viewBox="0 0 22 10"><rect width="22" height="10" fill="var(--due)" stroke="var(--rule)"/></svg>';
      key.append(plot.dueNote);
      figure.querySelector(".legend").append(key);
    }
    views.set(figure, view);
    interact(figure, view, plot, box, readout);
  }

  function interact(figure, view, plot, box, readout) {
    let cursor = null, pressed = null;
    const span = () => view.signal("to") - view.signal("from");
    const pixel = (event) => Math.min(Math.max(event.clientX - box.getBoundingClientRect().left - LEFT, 0), view.width());
    const time = (x) => view.signal("from") + (x / view.width()) * span();
    const point = (value) => {
      cursor = value;
      view.signal("pointer", value).run();
      readout.textContent = value === null ? HINT : describe(plot, value);
      readout.classList.toggle("idle", value === null);
    };
    const window_ = (from, to) => {
      const length = Math.min(Math.max(to - from, Math.min(1, plot.end)), plot.end);
      const start = Math.min(Math.max(from, 0), plot.end - length);
      view.signal("from", start).signal("to", start + length).run();
    };
    const zoom = (factor) => {
      const middle = cursor ?? view.signal("from") + span() / 2;
      window_(middle - (middle - view.signal("from")) * factor, middle + (view.signal("to") - middle) * factor);
    };
    point(null);
    // A screen reader announces the times that the keys reach, not those that a mouse passes over.
    box.addEventListener("pointermove", (event) => {
      readout.setAttribute("aria-live", "off");
      if (pressed !== null) view.signal("drag", [pressed, pixel(event)]);
      point(time(pixel(event)));
    });
    box.addEventListener("pointerleave", () => { if (pressed === null) point(null); });
    box.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      pressed = pixel(event);
      box.setPointerCapture(event.pointerId);
    });
    box.addEventListener("pointerup", (event) => {
      if (pressed === null) return;
      const ends = [pressed, pixel(event)].sort((a, b) => a - b).map(time);
      const moved = Math.abs(pixel(event) - pressed) > 4;
      pressed = null;
      view.signal("drag", null);
      if (moved) window_(ends[0], ends[1]);
      else view.run();
    });
    box.addEventListener("dblclick", () => window_(0, plot.end));
    box.addEventListener("blur", () => point(null));
    box.addEventListener("keydown", (event) => {
      const step = span() / 60, now = cursor ?? view.signal("from");
      const move = {
        ArrowRight: () => point(Math.min(now + step, view.signal("to"))),
        ArrowLeft: () => point(Math.max(now - step, view.signal("from"))),
        Home: () => point(view.signal("from")), End: () => point(view.signal("to")),
        "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => window_(0, plot.end),
        Escape: () => point(null),
      }[event.key];
      if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      readout.setAttribute("aria-live", "polite");
      move();
    });
    for (const button of figure.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => ({ in: () => zoom(0.5), out: () => zoom(2), all: () => window_(0, plot.end) })[button.dataset.zoom]());
    }
  }

  const figures = [...document.querySelectorAll("figure.timeline")];
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "400px" });
  prepare().then(() => {
    document.body.dataset.ready = "true";
    for (const figure of figures) seen.observe(figure);
  });

  function fit(width) {
    for (const [figure, view] of views) {
      const box = figure.querySelector(".plot");
      const wide = (width ?? box.clientWidth) - LEFT - RIGHT;
      if (wide > 120 && Math.abs(wide - view.width()) > 1) view.width(wide).run();
    }
  }
  let waiting = 0;
  addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(() => fit()); });

  /*
   * On paper few scenarios are shown in full, and their time lines drawn at the width of A4 between its margins: those that
   * did not pass, and one of the path that decides. The page of a cutover marks none of its batches: all are shown.
   */
  const PAPER = 690, marked = document.querySelector("details.scenario[data-paper]") !== null || document.getElementById("find") !== null;
  let closed = [], opened = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll(`details.scenario:not([open])${marked ? "[data-paper]" : ""}`)];
    opened = marked ? [...document.querySelectorAll("details.scenario[open]:not([data-paper])")] : [];
    for (const one of closed) one.open = true;
    for (const one of opened) one.open = false;
    if (runtime) for (const figure of figures) if (figure.closest("details").open) draw(figure);
    fit(PAPER);
  });
  addEventListener("afterprint", () => { for (const one of closed) one.open = false; for (const one of opened) one.open = true; fit(); });

  const items = [...document.querySelectorAll("details.scenario")];
  const find = document.getElementById("find"), verdict = document.getElementById("verdict"), kind = document.getElementById("kind");
  function filter() {
    if (!find) return;  // the report of a cutover has few batches, and no filters
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of items) {
      const keep = words.every((w) => item.dataset.find.includes(w)) && (!verdict.value || item.dataset.verdict === verdict.value) && (!kind.value || item.dataset.kind === kind.value);
      item.hidden = !keep;
      shown += keep;
    }
    document.getElementById("shown").textContent = `${shown === items.length ? "" : `${shown} of `}${items.length} scenario${items.length === 1 ? "" : "s"}`;
  }
  find?.addEventListener("input", filter);
  for (const control of [verdict, kind]) control?.addEventListener("change", filter);
  filter();

  /* A link to a scenario opens it, also if a filter hides it. */
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target?.matches("details.scenario")) return;
    if (target.hidden && find) { find.value = verdict.value = kind.value = ""; filter(); }
    target.open = true;
    target.scrollIntoView();
  }
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => { if (event.target.closest?.("a[href^='#s']")) setTimeout(reveal); });
  reveal();
})();
