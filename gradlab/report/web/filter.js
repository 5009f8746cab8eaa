// Which layers are shown: those whose path or name fits a pattern.
"use strict";
const gradlabFilter = (() => {
  const PER_LAYER = ["x", "y", "text", "customdata"]; // what has one entry a layer

  // As `gradlab.report.layer_filter`: a glob must fit all of a name, /.../ is a regular expression, and what holds no
  // wildcard may be a part of a name. `names` holds a layer's path and name; null: no pattern, all layers.
  function fitting(names, pattern) {
    if (!pattern) return null;
    const matches = matcher(pattern);
    return names.flatMap((called, k) => (called.some(matches) ? [k + 1] : []));
  }

  function matcher(pattern) {
    const between = /^\/(.+)\/$/.exec(pattern);
    if (!between && !/[*?[]/.test(pattern)) return (name) => name.includes(pattern);
    const glob = pattern.replace(/[.+^${}()|\\]/g, "\\$&").replaceAll("[!", "[^").replaceAll("*", ".*").replaceAll("?", ".");
    try {
      const expression = new RegExp(between ? between[1] : `^${glob}$`);
      return (name) => expression.test(name);
    } catch { // half typed
      return () => false;
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
