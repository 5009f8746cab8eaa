// One picture, or two side by side: on the same scales, and what is pointed at in one is pointed at in the other.
"use strict";
const gradlabPairs = (() => {
  const { $, make, draw, nearest } = gradlabCommon;
  const SHORTEST = 5; // times as long: so much longer a run keeps an axis of its own
  let mirroring = false;

  const span = ({ range }) => Math.abs(range[1] - range[0]);

  // Both figures with every axis, and the colours of a heatmap, spanning what either needs.
  function united(figures) {
    if (figures.some((figure) => !figure)) return figures;
    const [a, b] = figures.map((figure) => ({ ...figure, data: figure.data.map((trace) => ({ ...trace })), layout: { ...figure.layout } }));
    for (const key of Object.keys(a.layout)) {
      const [one, two] = [a.layout[key], b.layout[key]];
      if (!/^[xy]axis/.test(key) || !one.range || !two || !two.range || one.type !== two.type) continue;
      if (one.showticklabels === false || (one.ticktext && one.type !== "log")) continue; // rows of names, each picture's own
      const [short, long] = [span(one), span(two)].sort((x, y) => x - y);
      if (one.title?.text === "iteration" && long > SHORTEST * short) continue; // a run that ended at once would be a hairline
      const ends = [...one.range, ...two.range];
      const range = [Math.min(...ends), Math.max(...ends)];
      if (one.range[0] > one.range[1]) range.reverse();
      const wider = span(one) > span(two) ? one : two; // its ticks fit, or nearly so
      const ticks = Object.fromEntries(["dtick", "tickvals", "ticktext"].filter((name) => name in wider).map((name) => [name, wider[name]]));
      if (one.type === "log" && !("tickvals" in ticks && span(wider) > 0.8 * Math.abs(range[1] - range[0]))) {
        delete ticks.tickvals;
        delete ticks.ticktext;
        ticks.dtick = Math.ceil(Math.abs(range[1] - range[0]) * (wider.dtick ? wider.dtick / span(wider) : 1 / 7));
      }
      const bare = ({ dtick, tickvals, ticktext, ...rest }) => rest;
      [a.layout[key], b.layout[key]] = [{ ...bare(one), range, ...ticks }, { ...bare(two), range, ...ticks }];
    }
    const [first, second] = [a.data[0], b.data[0]];
    if (first.type === "heatmap" && second.type === "heatmap") {
      first.colorbar = second.colorbar = (first.zmax - first.zmin > second.zmax - second.zmin ? first : second).colorbar;
      first.zmin = second.zmin = Math.min(first.zmin, second.zmin);
      first.zmax = second.zmax = Math.max(first.zmax, second.zmax);
    }
    return [a, b];
  }

  function mirror(point, to) {
    const trace = to.data[point.curveNumber];
    if (!trace || !trace.x) return;
    if (trace.type === "heatmap") return Plotly.Fx.hover(to, { xval: point.x, yval: point.y }, "xy");
    const along = trace.orientation === "h" ? [trace.y.indexOf(point.y)] : [nearest([...trace.x], point.x)];
    if (along[0] >= 0) Plotly.Fx.hover(to, [{ curveNumber: point.curveNumber, pointNumber: along[0] }]);
  }

  function link(from, to) {
    if (from.linked || !from.on) return;
    from.linked = true;
    from.on("plotly_hover", ({ points }) => {
      if (mirroring || to.hidden || !to.data) return;
      mirroring = true;
      try { mirror(points[0], to); } finally { mirroring = false; }
    });
    from.on("plotly_unhover", () => { if (!to.hidden && to.data) Plotly.Fx.unhover(to); });
  }

  function side(place) {
    const pair = place.closest(".pair");
    if (pair.children.length === 1) {
      const second = make("div", undefined, "side");
      second.append(make("p", undefined, "who"), make("div", undefined, place.className.replace("js-plotly-plot", "")));
      second.lastChild.dataset.against = place.dataset.figure;
      pair.append(second);
    }
    return pair.children[1];
  }

  // `figures` and `names` have one entry, or two; a picture that one of two lacks leaves its place empty.
  function show(key, figures, names, marks) {
    const place = $(`[data-figure="${key}"]`);
    if (!place) return;
    place.closest("section").hidden = !figures.some(Boolean);
    const pair = place.closest(".pair");
    const two = figures.length === 2;
    if (pair) {
      pair.classList.toggle("two", two);
      pair.children[0].hidden = !figures[0];
      pair.querySelector(".who").textContent = two ? names[0] : "";
      if (pair.children[1]) pair.children[1].hidden = !two || !figures[1];
    }
    const [first, second] = two ? united(figures) : figures;
    if (first) draw(place, first, marks);
    if (!two || !second) return;
    const beside = side(place);
    beside.hidden = false;
    beside.firstChild.textContent = names[1];
    place.drawn = () => link(place, beside.lastChild);
    beside.lastChild.drawn = () => link(beside.lastChild, place);
    draw(beside.lastChild, second, marks);
    place.drawn();
  }

  return { show };
})();
