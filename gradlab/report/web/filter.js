// Which layers are shown: those whose path fits a glob or a regular expression.
"use strict";
const gradlabFilter = (() => {
  const PER_LAYER = ["x", "y", "text", "customdata"]; // what has one entry a layer

  // A glob must fit the whole path; where it fits none, the pattern is searched for as a regular expression.
  function fitting(paths, pattern) {
    if (!pattern) return null;
    const numbers = (test) => paths.flatMap((path, k) => (test(path) ? [k + 1] : []));
    const glob = pattern.replace(/[.+^${}()|\\[\]]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
    const whole = new RegExp(`^${glob}$`, "i");
    const found = numbers((path) => whole.test(path));
    if (found.length) return found;
    try {
      const searched = new RegExp(pattern, "i");
      return numbers((path) => searched.test(path));
    } catch {
      return [];
    }
  }

  function pick(trace, chosen) {
    const kept = trace.x.flatMap((x, k) => (chosen.has(x) ? [k] : []));
    const next = { ...trace };
    for (const key of PER_LAYER) if (Array.isArray(trace[key])) next[key] = kept.map((k) => trace[key][k]);
    return next;
  }

  // A figure whose horizontal axis is that of the layers, with these layers only.
  function columns(figure, layers) {
    if (!figure || !layers) return figure;
    const chosen = new Set(layers);
    return { ...figure, data: figure.data.map((trace) => (trace.x ? pick(trace, chosen) : trace)) };
  }

  // A heatmap with one row a layer: the rows of these layers, close together.
  function rows(figure, layers, names) {
    if (!figure || !layers) return figure;
    const data = figure.data.flatMap((trace) => {
      if (trace.type !== "heatmap") {
        const at = layers.indexOf(trace.y[0]);
        return at < 0 ? [] : [{ ...trace, y: [at + 1] }];
      }
      const z = trace.z.steps ? { ...trace.z, steps: layers.map((layer) => trace.z.steps[layer - 1]) } : layers.map((layer) => trace.z[layer - 1]);
      return [{ ...trace, y: layers.map((_, k) => k + 1), z }];
    });
    const step = Math.ceil(layers.length / 11);
    const ticks = layers.map((_, k) => k + 1).filter((k) => (k - 1) % step === 0);
    const yaxis = {
      ...figure.layout.yaxis, range: [0.5, layers.length + 0.5], tickvals: ticks,
      ticktext: ticks.map((k) => names[layers[k - 1] - 1] || String(layers[k - 1])),
    };
    const meta = { ...figure.layout.meta, rows: layers, layers: layers.map((layer) => names[layer - 1] || `layer ${layer}`) };
    return { ...figure, data, layout: { ...figure.layout, yaxis, meta } };
  }

  return { fitting, columns, rows };
})();
