// The map: ECharts draws axes and points, and zooms; the ring marks the sample that is looked at.
const REACH = 16;
const MOST_NAMES = 8;

// The groups by which points are coloured: their names, the colour of each, and the group of a sample.
function groupsBy(samples, field) {
  if (field === "correctness") return { names: STEPS, colour: (palette, which) => palette.steps[which], of: (index) => samples.step[index] };
  const names = samples.names[field];
  const counts = new Array(names.length).fill(0);
  for (const which of samples[field]) if (which !== ABSENT) counts[which] += 1;
  const all = names.map((_, which) => which);
  const most = all.slice().sort((one, other) => counts[other] - counts[one]).slice(0, MOST_NAMES - 1);
  const kept = names.length > MOST_NAMES ? all.filter((which) => most.includes(which)) : all;
  const place = new Map(kept.map((which, index) => [which, index]));
  const isWhole = kept.length === names.length && !samples[field].includes(ABSENT);
  return {
    names: [...kept.map((which) => String(names[which])), ...(isWhole ? [] : ["others"])],
    colour: (palette, which) => (which < kept.length ? palette.names[which] : palette.others),
    of: (index) => place.get(samples[field][index]) ?? kept.length,
  };
}

function frameOf(palette, widest) {
  const labels = { axisLabel: { color: palette.quiet, hideOverlap: true, formatter: (value) => Number(value.toFixed(3)) }, scale: false, min: 0 };
  const still = { zoomOnMouseWheel: "ctrl", moveOnMouseMove: false, moveOnMouseWheel: false, preventDefaultMouseMove: false };
  return {
    animation: false, textStyle: font(), grid: { left: 54, right: 14, top: 12, bottom: 44 },
    xAxis: axis("variability", palette, { ...labels, max: widest }),
    yAxis: axis("confidence", palette, { ...labels, max: 1, nameGap: 36 }),
    dataZoom: ["xAxisIndex", "yAxisIndex"].map((which) => ({ type: "inside", [which]: 0, filterMode: "none", ...still })),
  };
}

// One series a group, of the samples at the places `drawn`, on a canvas of `area` square pixels.
function pointsOf(samples, drawn, groups, palette, area) {
  const parts = groups.names.map(() => []);
  for (const index of drawn) parts[groups.of(index)].push(samples.variability[index], samples.confidence[index]);
  const filled = parts.map((_, which) => which).filter((which) => parts[which].length);
  // The fullest group first, its points smallest, so that the rare ones are not buried.
  return filled.sort((one, other) => parts[other].length - parts[one].length).map((which, z) => {
    const count = parts[which].length / 2;
    const room = 0.9 * Math.sqrt(area / count);
    // Small squares add up where they lie on each other, larger shapes do not: many points are better small.
    const size = count > 1000 ? Math.min(3.5, Math.max(1.6, room)) : Math.min(9, Math.max(4.5, room));
    return {
      type: "scatter", name: groups.names[which], data: Float32Array.from(parts[which]), dimensions: ["variability", "confidence"],
      large: true, largeThreshold: 0, progressive: 0, silent: true, z: 2 + z, symbolSize: size,
      itemStyle: { color: groups.colour(palette, which), opacity: Math.min(0.85, 0.25 + size / 10) },
    };
  });
}

function drawLegend(samples, drawn, groups, palette) {
  const counts = groups.names.map(() => 0);
  for (const index of drawn) counts[groups.of(index)] += 1;
  const items = groups.names.map((name, which) => legendItem(groups.colour(palette, which), `${name} (${number(counts[which])})`));
  element("legend").replaceChildren(...items);
}

// Draws the map and returns what can be done to it. `onLook` and `onKeep` are told the sample that is pointed at, or -1.
function drawMap(samples, { onLook, onKeep }) {
  const place = element("map");
  const ring = element("ring");
  const chart = echarts.init(element("canvas"));
  const state = { drawn: new Uint32Array(0), field: "correctness", at: -1, zoom: 1 };
  const { pixel, isOnMap, nearest, towards, step } = pointing(chart, samples, state);
  const widest = Math.ceil(1.03 * 50 * samples.variability.reduce((most, value) => (value > most ? value : most), 0.095)) / 50;

  function draw() {
    const palette = colours();
    const groups = groupsBy(samples, state.field);
    const zoomed = chart.getOption()?.dataZoom ?? [];
    const series = pointsOf(samples, state.drawn, groups, palette, chart.getWidth() * chart.getHeight());
    const options = { ...frameOf(palette, widest), series };
    zoomed.forEach(({ start, end }, which) => Object.assign(options.dataZoom[which], { start, end }));
    chart.setOption(options, true);
    drawLegend(samples, state.drawn, groups, palette);
    mark();
  }

  function mark() {
    const [x, y] = isOnMap(state.at) ? pixel(state.at) : [-1, -1];
    ring.hidden = !chart.containPixel({ gridIndex: 0 }, [x, y]);
    ring.style.left = `${x}px`;
    ring.style.top = `${y}px`;
    const height = place.clientHeight;
    [...element("regions").children].forEach((label, which) => { label.style.top = `${[18, height / 2 - 26, height - 70][which]}px`; });
    element("regions").hidden = state.zoom > 1.01;
  }

  function zoomBy(factor) {
    state.zoom = Math.min(40, Math.max(1, state.zoom * factor));
    const centre = isOnMap(state.at) ? [samples.variability[state.at] / widest, samples.confidence[state.at]] : [0.5, 0.5];
    centre.forEach((middle, which) => {
      const start = Math.min(1 - 1 / state.zoom, Math.max(0, middle - 0.5 / state.zoom));
      chart.dispatchAction({ type: "dataZoom", dataZoomIndex: which, start: 100 * start, end: 100 * (start + 1 / state.zoom) });
    });
  }

  function point(index, kept) {
    state.at = index;
    ring.classList.toggle("kept", kept);
    mark();
    if (ring.hidden && state.zoom > 1.01 && isOnMap(index)) zoomBy(1);
  }

  chart.on("datazoom", () => {
    const { start, end } = chart.getOption().dataZoom[0];
    state.zoom = 100 / (end - start);
    mark();
  });
  const paper = chart.getZr();
  paper.on("mousemove", ({ offsetX, offsetY }) => onLook(nearest(offsetX, offsetY, REACH)));
  paper.on("globalout", () => onLook(-1));
  paper.on("click", ({ offsetX, offsetY }) => onKeep(nearest(offsetX, offsetY, 1.5 * REACH)));
  onResize(place, () => { chart.resize(); mark(); });
  onColours(draw);
  return {
    place, towards, step, zoomBy, point,
    show(drawn) { state.drawn = drawn; draw(); },
    colourBy(field) { state.field = field; draw(); },
  };
}
