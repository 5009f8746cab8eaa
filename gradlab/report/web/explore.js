// A net that the reader builds: activation, depth and gain; what theory says of its gradient is computed here.
"use strict";
const gradlabExplore = (() => {
  const { all, draw, power } = gradlabCommon;
  const MUCH = 2; // powers of ten
  let theory = null;

  // A table's value at log10 q, on the straight line through its neighbours, or through the last two beyond the ends.
  function at(table, log) {
    const place = (log - theory.low) * theory.per_decade;
    const k = Math.min(Math.max(Math.floor(place), 0), table.length - 2);
    return table[k] + (place - k) * (table[k + 1] - table[k]);
  }

  // log10 ‖δ_l‖ / ‖δ_L‖ of every layer, the first first: q goes forwards, then the steps are multiplied back.
  function decades({ activation, depth, gain }) {
    const { variance, signal, slope } = theory.activations[activation];
    const scale = Math.log10(variance * gain * gain);
    const steps = [];
    for (let layer = 1, q = scale; layer <= depth; layer += 1) {
      steps.push(0.5 * (scale + at(slope, q)));
      q = scale + at(signal, q);
    }
    const left = [0];
    for (const step of steps.reverse()) left.unshift(left[0] + step);
    return left;
  }

  function words(left, depth) {
    const verb = left < -MUCH ? "The gradient vanishes" : left > MUCH ? "The gradient explodes" : "The gradient arrives";
    const share = left > 0.05 ? `${power(left)} times what` : `${power(left)} of what`;
    return `${verb}: each layer passes on ${power(left / depth)} of it, and layer 1 gets ${share} the last layer gets.`;
  }

  function figure(left) {
    const layers = left.map((_, k) => k + 1);
    const low = Math.min(-6, 6 * Math.floor(Math.min(...left) / 6));
    const high = Math.max(6, 6 * Math.ceil(Math.max(...left) / 6));
    const dtick = Math.max(2, Math.ceil((high - low) / 8));
    const level = { type: "line", xref: "paper", x0: 0, x1: 1, y0: 1, y1: 1, line: { color: "#7b8794", width: 1.5, dash: "dash" } };
    const line = { color: "#2b7cd3", width: 2.5 };
    return {
      data: [{ type: "scatter", mode: "lines+markers", name: "gradient", x: layers, y: left.map((each) => 10 ** each), line, hovertemplate: "layer %{x}: × %{y:.3g}<extra></extra>" }],
      layout: {
        meta: { alt: `The gradient by layer, relative to the last layer: ${power(left[0])} at layer 1.` },
        margin: { l: 64, r: 12, t: 12, b: 48 }, showlegend: false, shapes: [level],
        xaxis: { title: "layer (1 reads the input)", range: [0.5, layers.length + 0.5], nticks: 11 },
        yaxis: { title: "‖δ‖ relative to the last layer", type: "log", range: [low, high], dtick, exponentformat: "power" },
      },
    };
  }

  function chosen(box) {
    const value = (name) => box.querySelector(`[name="${name}"]`).value;
    return { activation: value("activation"), depth: Number(value("depth")), gain: 2 ** Number(value("gain")) };
  }

  function show(box) {
    const net = chosen(box);
    const left = decades(net);
    const { init, level } = theory.activations[net.activation];
    const said = (name, text) => { box.querySelector(`[data-said="${name}"]`).textContent = text; };
    said("depth", String(net.depth));
    said("gain", String(Number(net.gain.toPrecision(3))));
    said("answer", words(left[0], net.depth));
    said("level", `${net.activation} with ${init}; in a deep net, theory keeps its gradient level where these weights are multiplied by ${Number(level.toPrecision(3))}.`);
    if (window.Plotly) draw(box.querySelector(".figure"), figure(left));
  }

  function begin(data) {
    theory = data;
    for (const box of all("[data-explore]")) box.addEventListener("input", () => show(box));
    showAll();
  }

  function showAll() {
    if (theory) all("[data-explore]").forEach(show);
  }

  return { begin, showAll };
})();
