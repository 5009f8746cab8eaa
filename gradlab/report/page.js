// Picks and links the figures that came with the report. Text from the data enters the page as textContent alone.
"use strict";
const gradlabPage = (() => {
  const { $, all, make, draw, framed, player, csv, start } = gradlabCommon;
  const state = { data: null, cells: new Map(), cell: null, column: null, layer: "all", when: "start" };
  const replay = player($("#replay"), (name) => `iteration ${name}`, (index) => {
    if (window.Plotly) draw($('[data-figure="profile"]'), framed(state.cell.figures.profile, index));
  });

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
    const telling = (state.cell.findings[0]?.columns || []).find((name) => names.includes(name));
    const chosen = names.includes(state.column) ? state.column : telling || names[0];
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
    $("#chain-title").textContent = !state.cell.findings.length || state.cell.findings[0].cause
      ? "The product that explains it" : "The gradient's way back, layer by layer";
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

  function showProfile() {
    const figure = state.cell.figures.profile;
    show("profile", figure);
    replay.load((figure && figure.frames) || []);
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
    for (const note of cell.notes) parts.push(make("p", "Note", "label"), make("p", note));
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

  function listen() {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.id) pick(button.dataset.id);
      if (button.dataset.when) {
        state.when = button.dataset.when;
        showChain();
      }
      if (button.dataset.csv) csv($(`[data-figure="${button.dataset.csv}"]`), `${state.cell.id}-${button.dataset.csv}`);
    });
    $("#matrix")?.addEventListener("keydown", move);
    $("#column").addEventListener("change", (event) => { state.column = event.target.value; showHeatmap(); });
    $("#layer").addEventListener("change", (event) => { state.layer = event.target.value; showWeights(); });
    addEventListener("hashchange", () => pick(fromAddress(), false));
  }

  function begin(data) {
    state.data = data;
    for (const cell of data.cells) state.cells.set(cell.id, cell);
    listen();
    const wanted = fromAddress();
    pick(state.cells.has(wanted) ? wanted : data.selected, state.cells.has(wanted));
  }

  return { start: () => start(begin, () => pick(state.cell.id, false)) };
})();
