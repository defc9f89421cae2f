"use strict";
// Draws the snapshots that the server sends. Every text is set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "use", "path", "polyline", "polygon", "title"]);

function h(tag, attributes, ...children) {
  const made = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

// Make `old` equal to `made`, node by node, so that focus, selection and what is open stay as they are.
function morph(old, made) {
  if (old.nodeType !== made.nodeType || old.nodeName !== made.nodeName || (old.dataset?.key !== made.dataset?.key)) {
    old.replaceWith(made);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== made.data) old.data = made.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!made.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of [...made.attributes]) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const olds = [...old.childNodes], news = [...made.childNodes];
  news.forEach((child, at) => (at < olds.length ? morph(olds[at], child) : old.append(child)));
  olds.slice(news.length).forEach((child) => child.remove());
}

const count = (number) => number.toLocaleString("en-US");
const counted = (number, thing) => `${count(number)} ${thing}${number === 1 ? "" : "s"}`;
const clock = (at) => new Date(at * 1000).toISOString().slice(0, 19).replace("T", " ") + " UTC";

function span(seconds) {
  const whole = Math.max(0, seconds);
  if (whole < 10) return `${whole.toFixed(1)} s`;
  if (whole < 120) return `${Math.round(whole)} s`;
  if (whole < 7200) return `${Math.round(whole / 60)} min`;
  return whole < 172800 ? `${Math.round(whole / 3600)} h` : `${Math.round(whole / 86400)} days`;
}

const SHAPES = { go: "tick", warn: "triangle", stop: "cross", quiet: "ring", busy: "diamond" };

function word(kind, text) {
  const shape = h("use", { href: `#${SHAPES[kind]}` });
  return h("span", { class: `word ${kind === "busy" ? "" : kind}` }, h("svg", { "aria-hidden": "true" }, shape), text);
}

function standing(batch) {
  if (batch.progress === "completed") return ["go", "completed"];
  if (batch.progress === "completed in part") return ["warn", "completed in part"];
  if (batch.progress === "back on the source") return ["warn", "back on the source"];
  if (batch.progress === "not begun") return ["quiet", "not begun"];
  if (batch.asked) return ["warn", "waits for approval"];
  return batch.running ? ["busy", "running"] : ["stop", "stopped"];
}

function now(batch, at) {
  if (batch.asked) return `${batch.asked.step} waits for approval for ${span(at - batch.asked.since)}.`;
  if (batch.waiting && batch.running) {
    const { gate, waits_for: what, elapsed_s: elapsed, deadline_s: deadline } = batch.waiting;
    return `${batch.step}: waits for ${gate}: ${what} (${span(elapsed)}; its deadline is ${span(deadline)} without progress).`;
  }
  if (batch.running) return batch.step ? `${batch.step} is in progress.` : "Between two steps.";
  if (batch.progress === "begun") {
    return `No conductor runs, and ${batch.left.length === 1 ? "1 step is" : `${batch.left.length} steps are`} left${batch.missed ? `: ${batch.missed}` : ""}.`;
  }
  return "";
}

function lines(items) {
  return items.length ? h("ul", { class: "plain" }, items.map((item) => h("li", {}, item))) : null;
}

function card(title, ...content) {
  return h("div", { class: "card" }, h("h3", {}, title), content);
}

function ask(batch, at) {
  const asked = batch.asked;
  if (!asked) return null;
  return h(
    "div", { class: "ask" },
    h("h3", {}, word("warn", `${asked.step} waits for approval`)),
    h("p", {}, asked.does),
    h("p", {}, "Going back before it:"), lines(asked.before),
    h("p", {}, "Going back after it:"), lines(asked.after),
    h("p", {}, "Answer with ", h("code", {}, asked.command), ` (asked ${span(at - asked.since)} ago).`),
  );
}

function bypasses(batch, at) {
  const open = batch.bypasses.filter((one) => one.standing !== "over" && one.standing !== "accepted");
  if (!open.length) return null;
  return h(
    "div", { class: "lost" },
    h("p", {}, word("stop", `${open.length === 1 ? "A bypass closes" : `${open.length} bypasses close`} every gate.`)),
    lines(open.map((one) => `${one.words} (noticed ${span(at - one.since)} ago)`)),
  );
}

function fence(batch) {
  if (!batch.fence.length) return null;
  const by = new Map();
  for (const { principal, topic } of batch.fence) by.set(principal, [...(by.get(principal) || []), topic]);
  return h(
    "div", {},
    h("p", {}, word("warn", "The fence stands on the source.")),
    lines([...by].map(([principal, topics]) => `${principal} may not write to ${topics.slice(0, 5).join(", ")}${topics.length > 5 ? ` and ${topics.length - 5} more` : ""}`)),
  );
}

function lease(one) {
  if (!one) return null;
  const until = one.until === null ? "" : `, until ${clock(one.until)}`;
  const doubt = { expired: "The lease has expired.", unknown: "The lease is unknown." }[one.state];
  return h("p", { class: doubt ? "" : "muted" }, doubt ? word("warn", doubt) : null, ` ${one.words}${until}`);
}

function clients(batch) {
  if (!batch.clients.length) return null;
  const rows = batch.clients.map((role) => [
    h("p", {}, word(role.missing.length ? "warn" : "go", `${role.attested} of ${role.expected} ${role.role}s attest ${role.location}`)),
    lines(role.missing),
    role.restarted.length ? h("p", { class: "muted" }, `without the shim: ${role.restarted.join(", ")}`) : null,
  ]);
  return card("Clients", rows);
}

function spark(history) {
  if (history.length < 2) return null;
  const [first, last] = [history[0][0], history[history.length - 1][0]];
  const most = Math.max(1, ...history.map(([, lag]) => lag));
  const points = history.map(([at, lag]) => `${(((at - first) / Math.max(1e-9, last - first)) * 300).toFixed(1)},${(50 - (lag / most) * 46).toFixed(1)}`);
  return [
    h("svg", { class: "spark", viewBox: "0 0 300 52", preserveAspectRatio: "none", role: "img",
      "aria-label": `Mirror lag from ${clock(first)} to ${clock(last)}, at most ${counted(most, "record")}` },
      h("polygon", { class: "area", points: `0,50 ${points.join(" ")} 300,50` }),
      h("polyline", { class: "line", points: points.join(" ") })),
    h("p", { class: "muted" }, `at most ${count(most)} in ${span(last - first)}`),
  ];
}

function lag(batch, at) {
  const { records, at: read, history } = batch.lag;
  if (records === null) return null;
  return card(
    "Mirror lag",
    h("p", { class: "figure" }, counted(records, "record")),
    h("p", { class: "muted" }, `read ${span(at - read)} ago`),
    spark(history),
  );
}

function blackouts(batch) {
  const shown = batch.blackouts.filter((role) => role.current_s !== null || role.last_s !== null);
  if (!shown.length) return null;
  return card(
    "Blackout",
    shown.map((role) => [
      role.current_s !== null
        ? h("p", {}, word("warn", `${role.role}s: ${span(role.current_s)} so far`), ` (${role.current_client})`)
        : null,
      role.last_s !== null
        ? h("p", {}, `${role.role}s: ${span(role.last_s)} in the last switch (${role.last_client})`)
        : null,
    ]),
    h("p", { class: "muted" }, "The longest of all clients, by their clocks."),
  );
}

function rollback(batch, at) {
  if (!batch.steps.length) return null;
  const back = batch.rollback;
  const until = back.until === null ? null
    : h("p", {}, word(back.until - at < 3600 ? "stop" : "warn", `until ${clock(back.until)}`), `, in ${span(back.until - at)}`);
  return card(
    "Going back now",
    h("p", {}, back.possible ? word("go", "possible") : word("stop", "no documented way back")),
    until,
    lines(back.limits.map((limit) => `${clock(limit.at)}: ${limit.what}`)),
    lines(back.costs),
    back.native ? h("p", {}, `Producers have written ${counted(back.native, "record")} to the target.`) : null,
  );
}

const OF_STEP = { done: "go", "in progress": "busy", "waits for approval": "warn", stopped: "stop", left: "quiet", dropped: "quiet" };
const OF_GATE = { passed: "go", waiting: "busy", missed: "stop" };

function step(one, at) {
  const last = one.gates[one.gates.length - 1];
  const took = one.done && one.begun ? `${span(one.done - one.begun)}, ended ${clock(one.done)}` : one.begun ? `since ${clock(one.begun)}` : "";
  const rows = one.gates.map((gate) => h(
    "tr", { "data-key": gate.name },
    h("th", { scope: "row" }, gate.name),
    h("td", {}, word(OF_GATE[gate.state], gate.state)),
    h("td", {}, gate.words),
    h("td", { class: "n" }, span(gate.state === "waiting" && one.state !== "stopped" ? Math.max(gate.wait_s, at - gate.since) : gate.wait_s)),
    h("td", { class: "n" }, gate.deadline_s === null ? "" : span(gate.deadline_s)),
  ));
  const table = h(
    "div", { class: "scroll" },
    h("table", {},
      h("thead", {}, h("tr", {}, ["gate", "state", "evidence"].map((name) => h("th", { scope: "col" }, name)), ["waited", "deadline"].map((name) => h("th", { scope: "col", class: "n" }, name)))),
      h("tbody", {}, rows)),
  );
  return h(
    "details", { class: "step", "data-key": `${one.number} ${one.name}`, open: one.state === "in progress" || one.state === "stopped" },
    h("summary", {},
      h("span", { class: "name" }, `${one.number}. ${one.name}`),
      word(OF_STEP[one.state], one.state === "left" ? "not begun" : one.state),
      h("span", { class: "muted" }, took, last && last.state !== "passed" ? `; ${last.name}` : "")),
    h("div", { class: "gates" },
      one.approved ? h("p", { class: "muted" }, `approved by ${one.approved}`) : null,
      one.gates.length ? table : h("p", { class: "muted" }, "No gate was read yet.")),
  );
}

function batch(one, at) {
  const age = one.figures_at === null ? "were not read yet" : `are ${span(at - one.figures_at)} old`;
  const [kind, text] = standing(one);
  return h(
    "section", { class: "batch", "data-key": one.name, "aria-label": `Batch ${one.name}` },
    h("div", { class: "head" }, h("h2", {}, one.name), word(kind, text),
      h("span", { class: "muted" }, `stage ${one.stage}, ${one.stage_name}; producers on ${one.producers}, consumers on ${one.consumers}`)),
    h("p", { class: "now" }, now(one, at)),
    one.problems.length ? h("div", { class: "lost" }, h("p", {}, word("stop", `Not all can be read now; the figures of the clusters ${age}.`)), lines(one.problems)) : null,
    bypasses(one, at),
    fence(one),
    one.added.length ? h("p", {}, word("warn", `Not moved: ${one.added.join(", ")}, in the plan since: ${one.advice}.`)) : null,
    ask(one, at),
    h("div", { class: "cards" }, clients(one), lag(one, at), blackouts(one), rollback(one, at)),
    one.steps.map((each) => step(each, at)),
  );
}

const head = document.getElementById("head"), main = document.getElementById("main"), said = document.getElementById("said");
let last = null, lost = null;

function draw() {
  if (last === null) return;
  const busy = last.batches.find((one) => one.progress === "begun");
  const done = last.batches.filter((one) => standing(one)[0] === "go").length;
  const [kind, text] = busy ? standing(busy) : done === last.batches.length ? ["go", "completed"] : ["quiet", "no batch is in progress"];
  const headline = busy ? `Batch ${busy.name}: stage ${busy.stage}, ${busy.stage_name}.` : "";
  morph(head, h(
    "header", { class: "top", id: "head" },
    h("p", { class: "eyebrow" }, `Cutover · plan ${last.plan} · ${last.hash.slice(0, 12)} · ${done} of ${last.batches.length} batches completed`),
    h("h1", {}, word(kind, text)),
    h("p", { class: "headline" }, headline),
    lease(last.lease),
  ));
  morph(main, h(
    "main", { id: "main", tabindex: "-1" },
    lost ? h("div", { class: "lost" }, h("p", {}, word("stop", `No connection since ${clock(lost)}: what is below is of that time.`))) : null,
    last.problem ? h("div", { class: "lost" }, h("p", {}, last.problem)) : null,
    last.batches.map((one) => batch(one, last.at)),
  ));
  document.title = `${text} – ${last.plan}`;
  const aloud = lost ? "No connection." : `${text}. ${busy ? `${busy.name}, stage ${busy.stage}${busy.step ? `, ${busy.step}` : ""}` : ""}`;
  if (said.textContent !== aloud) said.textContent = aloud;
  document.body.dataset.ready = "yes";
}

const events = new EventSource("events");
events.onmessage = (event) => {
  last = JSON.parse(event.data);
  lost = null;
  draw();
};
events.onerror = () => {
  lost = lost || Date.now() / 1000;
  draw();
};
