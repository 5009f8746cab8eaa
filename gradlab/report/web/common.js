// What every page does: unpack its data, draw figures in the reader's colours, write a figure's numbers as CSV.
"use strict";
const gradlabCommon = (() => {
  const CONFIG = { displayModeBar: false, showSendToCloud: false, plotlyServerURL: "", displaylogo: false, responsive: true };
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const $ = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  function make(tag, text, className) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  }

  // The place of the number in a list that is nearest to a value.
  function nearest(list, value) {
    return list.reduce((best, each, k) => (Math.abs(each - value) < Math.abs(list[best] - value) ? k : best), 0);
  }

  // For browsers of before 2025; a loop takes a fifth of the time of `Uint8Array.from`.
  function decoded(text) {
    const bytes = new Uint8Array(text.length);
    for (let k = 0; k < text.length; k += 1) bytes[k] = text.charCodeAt(k);
    return bytes;
  }

  async function unpack(id) {
    const source = document.getElementById(id);
    const text = source.textContent;
    source.remove();
    const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : decoded(atob(text));
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
    const names = fresh.layout.meta && fresh.layout.meta.layers;
    for (const trace of fresh.data) {
      if (trace.z && trace.z.steps) trace.z = ungrid(trace.z);
      if (!names || trace.type !== "heatmap") continue;
      trace.text = names.map((name) => trace.x.map(() => name));
      trace.hovertemplate = trace.hovertemplate.replace("layer %{y}", "%{text}");
    }
    return fresh;
  }

  // ---- numbers --------------------------------------------------------------------------------------------------
  const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

  // 10^decades as the page's sentences write numbers: 0.235, 1960, 39,000, 0.00086, 2.9·10⁻¹³.
  function power(decades) {
    const value = 10 ** decades;
    if (value >= 1e-3 && value < 999.5) return String(Number(value.toPrecision(3)));
    if (value >= 999.5 && value < 9999.5) return String(Math.round(value));
    if (value >= 1e-4 && value < 1e-3) return value.toPrecision(2);
    if (value >= 9999.5 && value < 999500) return Number(value.toPrecision(2)).toLocaleString("en");
    let exponent = Math.floor(decades);
    let mantissa = (10 ** (decades - exponent)).toFixed(1);
    if (mantissa === "10.0") [mantissa, exponent] = ["1.0", exponent + 1];
    return `${mantissa}·10${[...String(exponent)].map((each) => SUPERSCRIPTS[each]).join("")}`;
  }

  function said(value, sign = "") {
    if (value === null || !Number.isFinite(value)) return String(value ?? "");
    if (value === 0) return "0";
    return `${value < 0 ? "−" : sign}${power(Math.log10(Math.abs(value)))}`;
  }

  const NUMBER = /10<sup>%{(z):\.2f}<\/sup>|%{(y|z|customdata):(\+?)\.[234]g}/g;
  const deep = (values, word) => Array.from(values, (each) => (Array.isArray(each) || ArrayBuffer.isView(each) ? deep(each, word) : word(each)));

  const SHARE = /%{(y|z):\.([01])%}/g;

  // Plotly would write 3.30e-13, and 50%.
  function spoken(trace) {
    trace.hovertemplate = trace.hovertemplate?.replace(NUMBER, (_, exponent, key, sign) => {
      const to = key === "customdata" ? key : "hovertext";
      trace[to] = deep(trace[exponent || key], (value) => said(exponent && value !== null ? 10 ** value : value, sign));
      return `%{${to}}`;
    }).replace(SHARE, (_, key, digits) => {
      trace.hovertext = deep(trace[key], (value) => (value === null ? "" : `${(100 * value).toFixed(digits)} %`));
      return "%{hovertext}";
    });
    return trace;
  }

  // ---- theme ----------------------------------------------------------------------------------------------------
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";

  // How much larger than usual letters are: on a wall screen, or because the reader wants them so.
  const larger = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;

  function grown(trace) {
    const by = larger();
    for (const [part, key] of [["line", "width"], ["marker", "size"]]) {
      if (by !== 1 && trace[part] && trace[part][key]) trace[part][key] *= by;
    }
    return trace;
  }

  const FEW = 6;

  function themed(layout, narrow) {
    const [ink, soft, grid] = [colour("--ink"), colour("--soft"), colour("--grid")];
    const size = 12.5 * larger();
    const font = { family: getComputedStyle(document.body).fontFamily, size, color: ink };
    const change = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font, dragmode: false, autosize: true };
    const own = { gridcolor: grid, zerolinecolor: soft, zerolinewidth: 1, linecolor: grid, tickcolor: grid, automargin: true };
    for (const key of Object.keys(layout)) {
      if (!/^[xy]axis/.test(key)) continue;
      const title = layout[key].title;
      const text = title && title.text !== undefined ? title.text : title;
      const names = layout[key].ticktext || [];
      const many = key.startsWith("y") || names.length > FEW; // no room for so many names on a phone
      if (narrow && names.length && many && /^(step into )?layer/.test(text)) change[key] = { ticktext: undefined, tickangle: 0 };
      change[key] = { ...layout[key], ...own, ...change[key], title: { text: text || "", font: { color: soft, size }, standoff: 8 } };
      // Plotly writes powers of ten a quarter larger than all other ticks.
      if (layout[key].type === "log" && !layout[key].ticktext) change[key].tickfont = { size: size / 1.25 };
    }
    // On a phone there is no room beside a picture: a legend names the lines.
    const direct = (layout.annotations || []).some(({ name }) => name === "end");
    const above = (layout.annotations || []).some(({ yref, y, yanchor }) => yref === "paper" && y === 1 && yanchor === "bottom");
    if (narrow && direct) Object.assign(change, { showlegend: true, margin: { ...layout.margin, r: 12, t: above ? 46 : 30 } });
    const kept = (layout.annotations || []).filter(({ name }) => !narrow || name !== "end");
    const annotations = kept.map((each) => ({ ...each, font: { ...each.font, size: (each.font?.size || 12) * larger() } }));
    const hoverlabel = { bgcolor: colour("--raised"), bordercolor: soft, font: { color: ink, family: font.family } };
    const legend = narrow && direct && above ? { ...layout.legend, y: 1.1 } : layout.legend; // over a label that stands on the picture
    return { ...layout, ...change, annotations, hoverlabel, legend: { ...legend, font: { color: ink, size: 0.96 * size }, bgcolor: "rgba(0,0,0,0)" } };
  }

  function labelTheme() {
    const button = $("#theme");
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours");
  }

  function retheme() {
    labelTheme();
    for (const place of all(".figure")) if (place.figure) draw(place, place.figure, place.marks);
  }

  // ---- figures --------------------------------------------------------------------------------------------------
  // `marks` are shapes in the accent colour, laid over the picture: where the reader looks now.
  const queue = { open: false, places: [] };

  // What a picture says it changes on a phone, such as two side by side that go one above the other.
  function fitted(place, layout, narrow) {
    const other = layout.meta?.phone;
    if (!other) return layout;
    place.wide ??= place.style.height;
    place.style.height = narrow ? `${other.height}px` : place.wide;
    if (!narrow) return layout;
    const changed = Object.entries(other.layout).map(([key, value]) => [key, Array.isArray(value) ? value : { ...layout[key], ...value }]);
    return { ...layout, ...Object.fromEntries(changed) };
  }

  function draw(place, figure, marks = []) {
    [place.figure, place.marks] = [figure, marks];
    if (queue.open) return queue.places.push(place);
    if (!window.Plotly || !figure) return;
    const { data, layout } = copy(figure);
    place.querySelector(".poster")?.remove();
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", (layout.meta && layout.meta.alt) || "");
    const line = { color: colour("--accent"), width: 1.5, dash: "dot" };
    // A picture follows its place a moment later by itself; the printer does not wait that long.
    const room = document.documentElement.classList.contains("paper") ? { width: place.clientWidth, height: place.clientHeight } : {};
    const shapes = [...(layout.shapes || []), ...marks.map((mark) => ({ line, ...mark }))];
    const narrow = place.clientWidth < 420;
    Plotly.react(place, data.map(grown).map(spoken), themed({ ...fitted(place, layout, narrow), ...room, shapes }, narrow), CONFIG);
    if (place.drawn) place.drawn();
  }

  // What `show` draws, a picture a task: the first one is seen while the others are made.
  async function oneByOne(show) {
    queue.open = true;
    show();
    queue.open = false;
    for (const place of new Set(queue.places.splice(0))) {
      draw(place, place.figure, place.marks);
      await painted();
    }
  }

  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

  // ---- replay ---------------------------------------------------------------------------------------------------
  // The figure with the traces of one of its frames.
  function framed(figure, index) {
    const { data, traces } = figure.frames[index];
    const next = structuredClone(figure);
    (traces || data.map((_, k) => k)).forEach((number, k) => Object.assign(next.data[number], structuredClone(data[k])));
    return next;
  }

  // A bar with a button, a slider and a word for the frame; `word(name)` says the frame, `onFrame(index)` shows it.
  // From start to end it takes LASTS at speed 1; frames named by numbers stay as long as their gap is wide.
  const LASTS = 10_000; // milliseconds
  const BRIEFEST = 150;
  const SPEEDS = [1, 2, 4, 0.5];

  function pause(names, index, speed) {
    const [first, last] = [Number(names[0]), Number(names.at(-1))];
    const gap = Number(names[index + 1]) - Number(names[index]);
    const even = 1 / Math.max(names.length - 1, 1);
    const share = last > first && Number.isFinite(gap) ? 0.5 * (gap / (last - first) + even) : even;
    return Math.max(BRIEFEST, Math.min(LASTS * share, still.matches ? LASTS : LASTS / 4) / speed);
  }

  function player(bar, word, onFrame) {
    const [button, slider, output] = ["button", "input", "output"].map((tag) => bar.querySelector(tag));
    const faster = bar.querySelector("[data-speed]");
    let [timer, names, speed] = [0, [], 1];
    const tell = (index) => { slider.value = index; output.textContent = names.length ? word(names[index]) : ""; };
    function show(index) {
      tell(index);
      onFrame(index);
    }
    function stop() {
      clearTimeout(timer);
      timer = 0;
      button.textContent = "Play";
    }
    function step(index) {
      show(index);
      if (index >= names.length - 1) return stop();
      timer = setTimeout(() => step(index + 1), pause(names, index, speed));
    }
    function play() {
      if (timer) return stop();
      const at = Number(slider.value);
      button.textContent = "Pause";
      timer = setTimeout(() => step(at >= Number(slider.max) ? 0 : at + 1), BRIEFEST);
    }
    button.addEventListener("click", play);
    faster?.addEventListener("click", () => {
      speed = SPEEDS[(SPEEDS.indexOf(speed) + 1) % SPEEDS.length];
      faster.textContent = `${speed}×`;
      faster.setAttribute("aria-label", `Speed: ${speed} times`);
    });
    slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
    return {
      load(frames, at = 0) {
        stop();
        names = frames.map((frame) => frame.name);
        bar.hidden = frames.length < 2;
        slider.max = Math.max(frames.length - 1, 0);
        tell(at);
      },
      stop,
      tell,
    };
  }

  // Put text on the clipboard and say so on the button.
  async function copied(button, text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // a browser that gives no clipboard to files
      const area = Object.assign(make("textarea", text), { readOnly: true });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  // ---- a figure as a table --------------------------------------------------------------------------------------
  // `places` are one figure or two; of two, each series tells which it is of.
  function csv(places, name, whose = []) {
    const quote = (value) => `"${String(value ?? "").replaceAll('"', '""')}"`;
    const rows = [["series", "x", "y", "value"]];
    places.forEach((place, number) => {
      const of = whose[number] ? `${whose[number]}: ` : "";
      for (const trace of copy(place.figure).data) {
        if (trace.mode === "markers" && trace.hoverinfo === "skip") continue; // an ornament
        const series = `${of}${trace.name}`;
        if (trace.z) trace.z.forEach((line, r) => line.forEach((value, c) => rows.push([series, trace.x[c], trace.y[r], value])));
        else (trace.x || []).forEach((x, k) => rows.push([series, x, trace.y[k], ""]));
      }
    });
    save(rows.map((row) => row.map(quote).join(",")).join("\r\n"), "text/csv", `${name}.csv`);
  }

  function save(text, type, name) {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function themes() {
    labelTheme();
    $("#theme").addEventListener("click", () => {
      document.documentElement.dataset.theme = isDark() ? "light" : "dark";
      retheme();
    });
    dark.addEventListener("change", retheme);
    // Paper is white and narrow: print in light colours and one column, whatever is on the screen.
    const page = document.documentElement;
    let [chosen, opened] = [undefined, []];
    addEventListener("beforeprint", () => {
      chosen = page.dataset.theme;
      opened = all("details[data-print]:not([open])");
      for (const each of opened) each.open = true;
      page.dataset.theme = "light";
      page.classList.add("paper");
      retheme();
    });
    addEventListener("afterprint", () => {
      if (chosen) page.dataset.theme = chosen;
      else delete page.dataset.theme;
      page.classList.remove("paper");
      for (const each of opened) each.open = false;
      retheme();
    });
  }

  // `first` shows the data, before Plotly is there; `show` draws; `last` comes when all is drawn.
  async function start(first, show, last = () => {}) {
    themes();
    const packed = unpack("payload");
    const plotly = unpack("plotly");
    first(JSON.parse(await packed));
    await painted();
    document.head.append(make("script", await plotly));
    await oneByOne(show);
    last();
    document.documentElement.dataset.ready = "true";
  }

  return { $, all, make, nearest, power, draw, framed, player, copied, csv, save, themes, start };
})();
