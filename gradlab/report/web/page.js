// Picks and links the figures that came with the report. Text from the data enters the page as textContent alone.
"use strict";
const gradlabPage = (() => {
  const { $, all, make, draw, framed, nearest, player, copied, csv, save, start } = gradlabCommon;
  const { fill, compare, table, way } = gradlabCard;
  const { show } = gradlabPairs;
  const only = gradlabFilter;
  const { choice, write } = gradlabChain;
  const { neighbour, arrange, spread, chosenAxes, axesOf, atSelectors } = gradlabMatrix;
  const PLACE = { layer: "all", time: 0, column: "", when: "start", weight: "all", layers: "" };
  const state = { data: null, cells: new Map(), cell: null, other: null, axes: {}, ...PLACE };
  const replay = player($("#replay"), (name) => `iteration ${name}`, (index) => {
    state.time = state.cell.figures.moments[index];
    showMoment();
    remember();
  });

  const sides = () => (state.other ? [state.cell, state.other] : [state.cell]);
  const names = () => sides().map((cell) => cell.name);
  const option = (value, text) => Object.assign(make("option", text), { value });

  // ---- where the reader looks -----------------------------------------------------------------------------------
  const atLayer = (axis = "x") => state.layer === "all" ? [] : [{ type: "line", x0: state.layer, x1: state.layer, y0: 0, y1: 1, xref: axis, yref: "paper" }];
  const atTime = () => state.time ? [{ type: "line", x0: state.time, x1: state.time, y0: 0, y1: 1, yref: "paper" }] : [];
  const row = () => {
    const layers = chosenLayers(state.cell);
    const place = layers ? layers.indexOf(state.layer) + 1 : state.layer;
    return state.layer === "all" || !place ? [] : [{ type: "rect", x0: 0, x1: 1, xref: "paper", y0: place - 0.5, y1: place + 0.5 }];
  };
  const step = () => state.layer === "all" ? [] : [{ type: "rect", xref: "x2", yref: "y2 domain", x0: state.layer - 0.5, x1: state.layer + 0.5, y0: 0, y1: 1 }];

  // ---- pictures -------------------------------------------------------------------------------------------------
  function atMoment(figure) {
    if (!figure || !figure.frames || !figure.frames.length) return figure;
    return framed(figure, nearest(figure.frames.map((frame) => Number(frame.name)), state.time));
  }

  const MARKS = { layer: () => atLayer(), time: () => atTime(), row: () => row() };
  const chosenLayers = (cell) => only.fitting(cell.called, state.layers);

  // The statistic that is shown: the reader's choice, else the one that the finding names.
  function statistic(cell, key) {
    const known = Object.keys(cell.figures[key] || {});
    const telling = (cell.findings[0]?.columns || []).find((name) => known.includes(name));
    return known.includes(state.column) ? state.column : telling || known[0];
  }

  function showPanel(panel) {
    const key = panel.dataset.panel;
    if (key === "weights") return showWeights();
    if (key === "heatmap") return showHeatmap();
    const chosen = "statistic" in panel.dataset ? statistic(state.cell, key) : null;
    const marks = panel.dataset.marks.split(" ").filter(Boolean).flatMap((name) => MARKS[name]());
    const figures = sides().map((cell) => {
      const found = cell.figures[key];
      const figure = atMoment(found && chosen !== null ? found[chosen] : found);
      return panel.dataset.marks.includes("layer") ? only.columns(figure, chosenLayers(cell)) : figure;
    });
    show(key, figures, names(), marks);
  }

  function showMoment() {
    all("[data-panel]").forEach(showPanel);
  }

  function showHeatmap() {
    const { heatmap = {}, statistics } = state.cell.figures;
    const known = Object.keys(heatmap);
    $("#choose-heatmap").replaceChildren(...known.map((name) => option(name, statistics[name].words)));
    const chosen = statistic(state.cell, "heatmap");
    $("#choose-heatmap").value = chosen || "";
    $("#column-formula").textContent = chosen ? statistics[chosen].formula : "";
    const figures = sides().map((cell) => {
      const figure = chosen && cell.figures.heatmap?.[chosen];
      return only.rows(figure, chosenLayers(cell), cell.layers);
    });
    show("heatmap", figures, names(), [...atTime(), ...row()]);
  }

  const called = (layer) => state.cell.layers[layer - 1] || `layer ${layer}`;
  const weightName = ({ layer, row: i, column }) => `${layer}.${i}.${column}`;

  function showWeights() {
    const figure = state.cell.figures.weights;
    const followed = figure ? figure.data.filter(({ mode }) => mode !== "markers").map(({ meta }) => meta) : [];
    const here = followed.filter(({ layer }) => state.layer === "all" || layer === state.layer);
    const everywhere = here.length ? here : followed;
    const whole = state.layer === "all" || !here.length ? "all weights followed" : `all followed in ${called(state.layer)}`;
    $("#choose-weights").replaceChildren(option("all", whole),
      ...everywhere.map((meta) => option(weightName(meta), `${called(meta.layer)}, w[${meta.row}, ${meta.column}]`)));
    const chosen = everywhere.some((meta) => weightName(meta) === state.weight) ? state.weight : "all";
    $("#choose-weights").value = chosen;
    const fits = chosenLayers(state.cell);
    const inLayer = ({ layer }) => (state.layer === "all" || !here.length ? !fits || fits.includes(layer) : layer === state.layer);
    const shown = ({ meta }) => (chosen === "all" ? inLayer(meta) : weightName(meta) === chosen);
    const some = (each) => each && { ...each, data: each.data.filter(shown) };
    show("weights", sides().map((cell) => some(cell.figures.weights)), names(), atTime());
  }

  function showChain() {
    const when = choice(state.cell, state.when);
    if (write(state.cell, when) && !state.cell.chains[when].by_block) show("factors", sides().map((cell) => cell.figures[`factors_${when}`]), names(), step());
  }

  function showPlace() {
    const moments = state.cell.figures.moments || [];
    $("#where").hidden = !moments.length;
    const at = nearest(moments, state.time);
    state.time = Math.min(state.time, Math.max(state.cell.shape.iterations - 1, 0));
    replay.load(moments.map((name) => ({ name })), at);
    // A finding, or a square, may lie between two moments of the replay, or behind the last one: at a NaN.
    if (moments.length && moments[at] !== state.time) $("#time-word").textContent = `iteration ${state.time} (by layer: ${moments[at]})`;
    const layers = Array.from({ length: state.cell.shape.layers }, (_, k) => k + 1);
    if (state.layer !== "all" && !layers.includes(state.layer)) state.layer = "all";
    const named = state.cell.layers;
    $("#layer").replaceChildren(option("all", "all"),
      ...layers.map((layer) => option(String(layer), named.length ? `${layer} · ${named[layer - 1]}` : String(layer))));
    $("#layer").value = String(state.layer);
    showFilter();
    showMoment();
    showChain();
  }

  function showFilter() {
    const box = $("#filter");
    if (box.value !== state.layers) box.value = state.layers;
    const found = chosenLayers(state.cell);
    const total = state.cell.shape.layers;
    $("#filter-said").textContent = found ? `${found.length} of ${total} layers` : "";
    box.setAttribute("aria-invalid", String(Boolean(found && !found.length)));
  }

  // The picture that the verdict rests on, beside its words.
  function showAnswer() {
    const { cell, data } = state;
    for (const told of all("[data-answer]")) told.hidden = told.dataset.answer !== cell.id;
    const place = all("[data-hero]").find((each) => each.dataset.hero === cell.id);
    const key = cell.answer.picture;
    if (place && key) {
      const figure = heroFigure(cell, key);
      place.closest(".hero").querySelector(".moment").textContent = figure.at ? `, at iteration ${figure.at}` : "";
      draw(place, figure);
    }
    if (data.kind === "run") return;
    $("#sheet-name").textContent = cell.name;
    const fix = cell.answer.fix ? ` Try first: ${cell.answer.fix.words.map(({ text }) => text).join("")}.` : "";
    $("#sheet-words").textContent = `${cell.answer.headline}.${fix}`;
  }

  // As it is at the iteration that the finding names.
  function heroFigure(cell, key) {
    const found = cell.figures[key];
    const root = cell.findings[0];
    const known = root ? root.columns.find((name) => name in found) : "";
    const figure = found.data ? found : found[known] || Object.values(found)[0];
    if (!root || !figure.frames?.length) return figure;
    const index = nearest(figure.frames.map((frame) => Number(frame.name)), root.iterations[0]);
    return { ...framed(figure, index), at: figure.frames[index].name };
  }

  // ---- picking --------------------------------------------------------------------------------------------------
  function definitions(id, pairs) {
    $(id).replaceChildren(...pairs.flatMap(([term, text]) => [make("dt", term), make("dd", text)]));
  }

  function showCell() {
    const { cell, data } = state;
    arrange(data, cell, state.axes);
    for (const button of all(".cell")) {
      const chosen = button.dataset.id === cell.id;
      button.setAttribute("aria-pressed", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    if (data.kind !== "run") $("#cell-title").textContent = cell.name;
    fill(cell, data.kind === "run", go, (each) => save(JSON.stringify(each.diagnosis, null, 1), "application/json", `${each.id}-findings.json`));
    const others = $("#other");
    if (others) {
      const rest = data.cells.filter((each) => each.id !== cell.id);
      others.replaceChildren(option("", "nothing"), ...rest.map((each) => option(each.id, each.name)));
      if (state.other === cell) state.other = data.cells.length === 2 ? rest[0] : null;
      others.value = state.other ? state.other.id : "";
    }
    compare(cell, state.other);
    table(cell);
    way(cell);
    showAnswer();
    for (const words of all("[data-if]")) words.hidden = !sides().some((each) => (each.figures.facts || []).includes(words.dataset.if));
    definitions("#config", Object.entries(cell.config));
    definitions("#rules", cell.statuses.map(({ code, name, status, reason }) => [`${code} ${name}`, reason ? `${status}: ${reason}` : status]));
    definitions("#provenance", Object.entries(cell.provenance));
    if (data.kind === "comparison" && $("#overview-depth")) $("#overview-depth").textContent = `, ${cell.column_words}`;
    show("overview", [data.overview[cell.column]], [], atLayer());
    showPlace();
  }

  function pick(id) {
    if (!state.cells.has(id)) return;
    state.cell = state.cells.get(id);
    showCell();
    remember();
  }

  // Move every picture to what a finding speaks of.
  function go(found) {
    state.layer = found.layers.length ? found.layers[0] : "all";
    state.time = found.iterations[0];
    state.column = found.columns.find((name) => name in (state.cell.figures.heatmap || {})) || state.column;
    showPlace();
    remember();
    const gentle = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    $("#where").scrollIntoView({ behavior: gentle ? "smooth" : "auto" });
  }

  // ---- the address ----------------------------------------------------------------------------------------------
  function remember() {
    const words = new URLSearchParams();
    if (state.data.kind !== "run") words.set("cell", state.cell.id);
    if (state.other) words.set("with", state.other.id);
    for (const side of ["rows", "columns"]) if (state.data.matrix?.axes.length && state.axes[side] !== state.data.matrix[`on_${side}`]) words.set(side, state.axes[side]);
    if (state.time) words.set("iteration", state.time);
    for (const key of ["layer", "column", "when", "weight", "layers"]) if (state[key] !== PLACE[key]) words.set(key, state[key]);
    history.replaceState(null, "", `#${words}`);
  }

  function fromAddress() {
    const words = new URLSearchParams(location.hash.slice(1));
    const id = state.data.kind === "run" ? state.data.selected : words.get("cell");
    state.cell = state.cells.get(id) || state.cell || state.cells.get(state.data.selected);
    const pair = state.data.kind === "runs" && state.data.cells.length === 2 && !words.has("cell");
    const beside = pair ? state.data.cells.find((cell) => cell !== state.cell) : null;
    state.other = state.cells.get(words.get("with")) || beside;
    state.axes = axesOf(state.data.matrix, words);
    const layer = Number(words.get("layer"));
    state.layer = Number.isInteger(layer) && layer > 0 ? layer : "all";
    state.time = Number(words.get("iteration")) || 0;
    for (const key of ["column", "when", "weight"]) state[key] = words.get(key) || PLACE[key];
    state.layers = words.get("layers") ?? state.data.filter;
  }

  function move(event) {
    const button = event.target.closest(".cell");
    const next = button && neighbour(button, event.key);
    if (next === undefined || next === null) return;
    event.preventDefault();
    next.focus();
    pick(next.dataset.id);
  }

  function choose(key, value) {
    state[key] = value;
    remember();
  }

  function saveNumbers(key) {
    const places = [$(`[data-figure="${key}"]`), $(`[data-against="${key}"]`)];
    const shown = places.map((place, k) => [place, state.other ? names()[k] : ""]).filter(([place]) => place && place.figure && place.offsetParent);
    csv(shown.map(([place]) => place), `${state.cell.id}-${key}`, shown.map(([, name]) => name));
  }

  function listen() {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.id) pick(button.dataset.id);
      if (button.dataset.when) {
        choose("when", button.dataset.when);
        showChain();
      }
      if (button.dataset.csv) saveNumbers(button.dataset.csv);
      if ("copy" in button.dataset) copied(button, button.closest(".copy").querySelector("code").textContent);
    });
    $("#matrix")?.addEventListener("keydown", move);
    addEventListener("beforeprint", () => spread(state.data, state.axes));
    addEventListener("afterprint", () => arrange(state.data, state.cell, state.axes));
    $("#choose-heatmap").addEventListener("change", ({ target }) => { choose("column", target.value); showMoment(); });
    $("#filter").addEventListener("input", ({ target }) => { choose("layers", target.value.trim()); showFilter(); showMoment(); });
    // The sheet gives way where the answer itself is in view.
    const seen = new IntersectionObserver(([{ isIntersecting }]) => { $("#sheet").hidden = isIntersecting; }, { rootMargin: "0px 0px -240px" });
    if ($("#sheet")) seen.observe($("#answers"));
    $("#sheet-go")?.addEventListener("click", () => $("#answers").scrollIntoView());
    $("#choose-weights").addEventListener("change", ({ target }) => { choose("weight", target.value); showWeights(); });
    $("#layer").addEventListener("change", ({ target }) => {
      choose("layer", target.value === "all" ? "all" : Number(target.value));
      showPlace();
    });
    for (const side of ["rows", "columns"]) {
      $(`#${side}`)?.addEventListener("change", ({ target }) => {
        state.axes = chosenAxes(state.axes, side, target.value);
        pick(state.cell.id);
      });
    }
    for (const axis of all("[data-axis]")) axis.addEventListener("change", () => pick(atSelectors(state.cell, state.data.cells)?.id));
    $("#other")?.addEventListener("change", ({ target }) => {
      choose("other", state.cells.get(target.value) || null);
      showCell();
    });
    addEventListener("hashchange", () => { fromAddress(); showCell(); });
  }

  // A square of the heatmap is a place to look at, too.
  function listenToSquares() {
    const place = $('[data-figure="heatmap"]');
    if (!place.on) return;
    place.on("plotly_click", ({ points }) => {
      const rows = place.figure.layout.meta.rows;
      [state.time, state.layer] = [points[0].x, rows ? rows[points[0].y - 1] : points[0].y];
      showPlace();
      remember();
    });
  }

  function begin(data) {
    state.data = data;
    for (const cell of data.cells) state.cells.set(cell.id, cell);
    listen();
    fromAddress();
    showCell();
  }

  return { start: () => start(begin, showCell, listenToSquares) };
})();
