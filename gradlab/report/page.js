// Picks, themes and links the figures that came with the page. Text from the data enters the page as textContent alone.
"use strict";
const gradlabPage = (() => {
  const CONFIG = { displayModeBar: false, showSendToCloud: false, plotlyServerURL: "", displaylogo: false, responsive: true };
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const state = { data: null, cells: new Map(), cell: null, column: "delta_norm", layer: "all", when: "start", timer: 0 };
  const $ = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  function make(tag, text, className) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  }

  async function unpack(id) {
    const source = document.getElementById(id);
    const text = atob(source.textContent);
    source.remove();
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  }

  // A heatmap travels as whole steps from each number of a row to the next; null is a gap that is stepped over.
  function ungrid({ step, steps }) {
    return steps.map((row) => {
      let level = 0;
      return row.map((change) => (change === null ? null : (level += change) * step));
    });
  }

  function copy(figure) {
    const fresh = structuredClone(figure);
    for (const trace of fresh.data) if (trace.z && trace.z.steps) trace.z = ungrid(trace.z);
    return fresh;
  }

  // ---- theme ----------------------------------------------------------------------------------------------------
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";

  function themed(layout) {
    const [ink, soft, grid] = [colour("--ink"), colour("--soft"), colour("--grid")];
    const font = { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: ink };
    const change = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font, dragmode: false, autosize: true };
    const own = { gridcolor: grid, zerolinecolor: soft, zerolinewidth: 1, linecolor: grid, tickcolor: grid, automargin: true };
    for (const key of Object.keys(layout)) {
      if (!/^[xy]axis/.test(key)) continue;
      const title = layout[key].title;
      const text = title && title.text !== undefined ? title.text : title;
      change[key] = { ...layout[key], ...own, title: { text: text || "", font: { color: soft, size: 12.5 }, standoff: 8 } };
    }
    const hoverlabel = { bgcolor: colour("--raised"), bordercolor: soft, font: { color: ink, family: font.family } };
    return { ...layout, ...change, hoverlabel, legend: { ...layout.legend, font: { color: ink, size: 12 }, bgcolor: "rgba(0,0,0,0)" } };
  }

  function labelTheme() {
    const button = $("#theme");
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours");
  }

  function retheme() {
    labelTheme();
    for (const place of all(".figure")) if (place.figure) draw(place, place.figure);
  }

  // ---- figures --------------------------------------------------------------------------------------------------
  function draw(place, figure) {
    place.figure = figure;
    if (!window.Plotly || !figure) return;
    const { data, layout } = copy(figure);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", (layout.meta && layout.meta.alt) || "");
    return Plotly.react(place, data, themed(layout), CONFIG);
  }

  function show(key, figure) {
    const place = $(`[data-figure="${key}"]`);
    if (!place) return;
    place.closest("section").hidden = !figure;
    if (figure) draw(place, figure);
  }

  function showHeatmap() {
    const { heatmaps } = state.cell.figures;
    const names = Object.keys(heatmaps);
    const select = $("#column");
    select.replaceChildren(...names.map((name) => Object.assign(make("option", heatmaps[name].words), { value: name })));
    const chosen = names.includes(state.column) ? state.column : names[0];
    select.value = chosen || "";
    show("heatmap", chosen && heatmaps[chosen].figure);
  }

  function showWeights() {
    const figure = state.cell.figures.weights;
    if (!figure) return show("weights", null);
    const layers = [...new Set(figure.data.map((trace) => trace.meta.layer))];
    const options = [["all", "all layers"], ...layers.map((layer) => [String(layer), `layer ${layer}`])];
    $("#layer").replaceChildren(...options.map(([value, text]) => Object.assign(make("option", text), { value })));
    if (state.layer !== "all" && !layers.includes(Number(state.layer))) state.layer = "all";
    $("#layer").value = state.layer;
    const data = figure.data.filter((trace) => state.layer === "all" || trace.meta.layer === Number(state.layer));
    show("weights", { ...figure, data });
  }

  function showChain() {
    const { chains, figures } = state.cell;
    const when = chains[state.when] && figures[`factors_${state.when}`] ? state.when : "start";
    for (const button of all("[data-when]")) {
      button.setAttribute("aria-pressed", String(button.dataset.when === when));
      button.disabled = !figures[`factors_${button.dataset.when}`];
    }
    const chain = chains[when];
    $("#chain").hidden = !chain;
    if (!chain) return;
    const parts = [];
    const factors = (steps) => steps.forEach(({ into, factor }) => {
      const span = make("span", factor, "factor");
      span.title = `from layer ${into + 1} into layer ${into}`;
      parts.push(span, " × ");
    });
    factors(chain.head);
    if (chain.left_out.count) parts.push(make("span", `${chain.left_out.count} more of about ${chain.left_out.typical}`, "elided"), " × ");
    factors(chain.tail);
    parts.pop();
    parts.push(" = ", make("span", chain.total, "total"));
    const where = `\u2002times the gradient of layer ${chain.from} arrives at layer 1, at iteration ${chain.iteration}`;
    $("#product").replaceChildren(...parts, make("span", where, "elided"));
    show("factors", figures[`factors_${when}`]);
  }

  // ---- replay ---------------------------------------------------------------------------------------------------
  function frameTo(index) {
    const figure = state.cell.figures.profile;
    const frame = figure.frames[index];
    $("#time").value = index;
    $("#time-word").textContent = `iteration ${frame.name}`;
    if (!window.Plotly) return;
    const next = structuredClone(figure);
    frame.traces.forEach((number, k) => Object.assign(next.data[number], structuredClone(frame.data[k])));
    draw($('[data-figure="profile"]'), next);
  }

  function stop() {
    clearInterval(state.timer);
    state.timer = 0;
    $("#play").textContent = "Play";
  }

  function play() {
    if (state.timer) return stop();
    const last = Number($("#time").max);
    let index = Number($("#time").value) >= last ? -1 : Number($("#time").value);
    $("#play").textContent = "Pause";
    state.timer = setInterval(() => {
      index += 1;
      frameTo(index);
      if (index >= last) stop();
    }, still.matches ? 1500 : 450);
  }

  function showProfile() {
    const figure = state.cell.figures.profile;
    stop();
    show("profile", figure);
    const frames = (figure && figure.frames) || [];
    $("#replay").hidden = frames.length < 2;
    $("#time").max = Math.max(frames.length - 1, 0);
    $("#time").value = 0;
    $("#time-word").textContent = frames.length ? `iteration ${frames[0].name}` : "";
  }

  // ---- the card -------------------------------------------------------------------------------------------------
  function list(kind, items) {
    const element = make(kind);
    element.append(...items.map((item) => make("li", item)));
    return element;
  }

  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

  function finding(found) {
    const article = make("article", undefined, "finding");
    const heading = make("h3", sentence(found.name));
    const seeds = found.total > 1 ? `, ${found.hit} of ${found.total} seeds` : "";
    const [from, to] = found.iterations;
    const when = from === to ? `iteration ${from}` : `iterations ${from} to ${to}`;
    heading.append(make("span", ` ${found.rule}, ${found.severity}${seeds}, ${when}`, "tag"));
    const [why, then] = [make("div"), make("div")];
    why.append(make("p", found.message));
    if (found.cause) why.append(make("p", "Why", "label"), make("p", `${sentence(found.cause)}.`));
    if (found.remedies.length) then.append(make("p", "What to try", "label"), list("ol", found.remedies.map(sentence)));
    if (found.consequences.length) {
      const seen = found.consequences.map((each) => `${sentence(each.name)} (${each.rule}): ${each.message}`);
      then.append(make("p", "Also seen, because of it", "label"), list("ul", seen));
    }
    article.append(heading, why, then);
    return article;
  }

  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

  function card(cell) {
    const parts = [];
    const told = cell.findings.some((found) => cell.sentence.endsWith(found.message));
    if (state.data.kind !== "run" && !told) parts.push(make("p", cell.sentence, "answer"));
    parts.push(...cell.findings.map(finding));
    const known = cell.accuracies.filter((value) => value !== null).map((value) => `${Math.round(100 * value)}`);
    const { iterations, seeds, layers } = cell.shape;
    const each = known.length ? ` Accuracy of the seeds, in per cent: ${known.join(", ")}.` : "";
    const missing = cell.accuracies.length - known.length;
    const ended = known.length && missing ? ` ${missing} of ${seeds} ended without one.` : "";
    parts.push(make("p", `${sentence(cell.outcome)}; ${count(layers, "layer")}, ${count(seeds, "seed")}, ${count(iterations, "iteration")}.${each}${ended}`, "hint"));
    $("#card").replaceChildren(...parts);
  }

  function definitions(id, pairs) {
    $(id).replaceChildren(...pairs.flatMap(([term, text]) => [make("dt", term), make("dd", text)]));
  }

  // ---- picking --------------------------------------------------------------------------------------------------
  function pick(id, remember = true) {
    const cell = state.cells.get(id);
    if (!cell) return;
    state.cell = cell;
    for (const button of all(".cell")) {
      const chosen = button.dataset.id === id;
      button.setAttribute("aria-pressed", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    if (remember) history.replaceState(null, "", `#cell=${encodeURIComponent(id)}`);
    if (state.data.kind !== "run") $("#cell-title").textContent = cell.name;
    card(cell);
    definitions("#config", Object.entries(cell.config));
    definitions("#rules", cell.statuses.map(({ code, status, reason }) => [code, reason ? `${status}: ${reason}` : status]));
    definitions("#provenance", Object.entries(cell.provenance));
    if (state.data.kind === "comparison" && $("#overview-depth")) $("#overview-depth").textContent = `, ${cell.column} hidden layers`;
    show("overview", state.data.overview[cell.column]);
    showChain();
    showProfile();
    showHeatmap();
    show("loss", cell.figures.loss);
    showWeights();
  }

  function fromAddress() {
    const found = /cell=([^&]*)/.exec(location.hash);
    return found ? decodeURIComponent(found[1]) : "";
  }

  function move(event) {
    const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    const button = event.target.closest(".cell");
    if (!steps || !button) return;
    event.preventDefault();
    const rows = all("#matrix tbody tr").map((row) => [...row.querySelectorAll("td")].map((td) => td.querySelector(".cell")));
    let row = rows.findIndex((cells) => cells.includes(button));
    let column = rows[row].indexOf(button);
    do {
      [row, column] = [row + steps[0], column + steps[1]];
    } while (rows[row] && column in rows[row] && !rows[row][column]);
    const next = rows[row] && rows[row][column];
    if (!next) return;
    next.focus();
    pick(next.dataset.id);
  }

  function csv(key) {
    const place = $(`[data-figure="${key}"]`);
    const { data } = copy(place.figure);
    const quote = (value) => `"${String(value ?? "").replaceAll('"', '""')}"`;
    const rows = [["series", "x", "y", "value"]];
    for (const trace of data) {
      if (trace.z) trace.z.forEach((line, r) => line.forEach((value, c) => rows.push([trace.name, trace.x[c], trace.y[r], value])));
      else (trace.x || []).forEach((x, k) => rows.push([trace.name, x, trace.y[k], ""]));
    }
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([rows.map((row) => row.map(quote).join(",")).join("\r\n")], { type: "text/csv" }));
    link.download = `${state.cell.id}-${key}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function listen() {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.id) pick(button.dataset.id);
      if (button.dataset.when) {
        state.when = button.dataset.when;
        showChain();
      }
      if (button.dataset.csv) csv(button.dataset.csv);
    });
    $("#matrix")?.addEventListener("keydown", move);
    $("#theme").addEventListener("click", () => {
      document.documentElement.dataset.theme = isDark() ? "light" : "dark";
      retheme();
    });
    dark.addEventListener("change", retheme);
    $("#play").addEventListener("click", play);
    $("#time").addEventListener("input", () => { const at = Number($("#time").value); stop(); frameTo(at); });
    $("#column").addEventListener("change", (event) => { state.column = event.target.value; showHeatmap(); });
    $("#layer").addEventListener("change", (event) => { state.layer = event.target.value; showWeights(); });
    addEventListener("hashchange", () => pick(fromAddress(), false));
  }

  async function start() {
    labelTheme();
    const packed = unpack("payload");
    const plotly = unpack("plotly");
    state.data = JSON.parse(await packed);
    for (const cell of state.data.cells) state.cells.set(cell.id, cell);
    listen();
    const wanted = fromAddress();
    pick(state.cells.has(wanted) ? wanted : state.data.selected, state.cells.has(wanted));
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
    const script = make("script", await plotly);
    document.head.append(script);
    pick(state.cell.id, false);
    document.documentElement.dataset.ready = "true";
  }

  return { start };
})();
