// The charts of rounds and costs: lines and points, from the block "charts".
const SYMBOLS = ["circle", "rect", "triangle", "diamond", "roundRect"];

// A canvas knows no inherited font.
const font = () => ({ fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12 });

function axis(name, palette, more) {
  return {
    type: "value", name, nameLocation: "middle", nameGap: 28, scale: true,
    nameTextStyle: { color: palette.ink, fontSize: 12 },
    axisLine: { show: true, lineStyle: { color: palette.line } },
    axisLabel: { color: palette.quiet, hideOverlap: true }, splitLine: { lineStyle: { color: palette.line, opacity: 0.6 } }, ...more,
  };
}

function seriesOf(chart, palette) {
  return chart.series.map(({ name, values, group }, index) => {
    const which = group ?? index;
    const colour = palette.names[which % palette.names.length];
    return {
      name, data: values, type: chart.dots ? "scatter" : "line", symbol: SYMBOLS[which % SYMBOLS.length],
      symbolSize: chart.dots ? 11 : 7, showAllSymbol: true, color: colour,
      lineStyle: { width: 2, type: ["solid", "dashed", "dotted"][Math.floor(which / palette.names.length) % 3] },
      emphasis: { focus: chart.series.length > 1 ? "series" : "none" },
    };
  });
}

function said(chart, { seriesName, value: [x, y] }) {
  const where = chart.dots ? `${number(x)} ${chart.x}` : `${chart.x} ${x}`;
  return `${seriesName}\n${where}: ${y.toFixed(chart.digits)} ${chart.unit ?? "%"}`;
}

function optionsOf(chart, palette) {
  const whole = chart.dots ? {} : { minInterval: 1, scale: false, min: "dataMin", max: "dataMax" };
  return {
    animation: false, textStyle: font(),
    grid: { left: 58, right: 18, top: 14, bottom: 46 },
    xAxis: axis(chart.x, palette, { ...whole, splitLine: { show: false } }),
    yAxis: axis(chart.y, palette, { nameGap: 40, scale: !chart.fromZero }),
    // Drawn on the canvas, so that a name in it can never be markup.
    tooltip: {
      trigger: "item", renderMode: "richText", confine: true, backgroundColor: palette.page, borderColor: palette.quiet,
      textStyle: { ...font(), color: palette.ink, fontSize: 13 }, formatter: (point) => said(chart, point),
    },
    series: seriesOf(chart, palette),
  };
}

function drawCharts() {
  for (const [name, chart] of Object.entries(block("charts") ?? {})) {
    const place = element(`chart-${name}`);
    if (!place) continue;
    uncover(place);
    const drawn = echarts.init(place);
    const draw = () => {
      drawn.setOption(optionsOf(chart, colours()), true);
      drawn.resize();
      drawn.getZr().flush();
    };
    draw();
    if (chart.series.length > 1) place.after(chartLegend(chart));
    onColours(draw);
    onResize(place, () => drawn.resize());
  }
}

function chartLegend(chart) {
  const list = make("ul", { class: "legend" });
  const draw = () => {
    const names = new Map(chart.series.map(({ name, group }, index) => [chart.groups?.[group] ?? name, group ?? index]));
    list.replaceChildren(...[...names].map(([name, which]) => legendItem(colours().names[which % colours().names.length], name)));
  };
  draw();
  onColours(draw);
  return list;
}

function legendItem(colour, name) {
  const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
  swatch.style.background = colour;
  return make("li", {}, swatch, name);
}
