// The page of a run: filters decide what map and list show; pointer, keyboard and list decide what is looked at.
const FILTERS = ["plm", "label", "round", "attribute", "correctness", "chosen"];

function fillFilters(form, samples) {
  const choices = {
    ...samples.names,
    correctness: [...STEPS, ...(samples.step.includes(STEPS.length) ? ["not measured"] : [])],
    chosen: ["not shown in a prompt", "chosen to be shown"],
  };
  for (const name of FILTERS) {
    const known = choices[name];
    if (!known || (name === "chosen" && !samples.isChosen.includes(1))) { form[name].parentElement.remove(); continue; }
    form[name].append(make("option", { value: "" }, "all"), ...known.map((value, place) => make("option", { value: place }, String(value))));
  }
  const fields = [["correctness", "correctness"], ["plm", "PLM"], ["label", "label"], ["round", "round"], ...(samples.attribute ? [["attribute", "attribute"]] : [])];
  form.colour.append(...fields.map(([value, name]) => make("option", { value }, name)));
}

// The samples that pass all filters, as places.
function matching(form, samples) {
  const column = { correctness: samples.step, chosen: samples.isChosen };
  const wanted = FILTERS.filter((name) => form[name]?.value).map((name) => [column[name] ?? samples[name], Number(form[name].value)]);
  const passed = [];
  for (let index = 0; index < samples.count; index += 1) {
    if (wanted.every(([values, value]) => values[index] === value)) passed.push(index);
  }
  return Uint32Array.from(passed);
}

// What the reader looks at: `look` shows a sample in the card, `keep` also when the pointer has left it; -1 is none.
function lookingAt(samples, point) {
  const card = element("card");
  const nothing = card.firstElementChild;
  const state = { kept: -1, shown: -1, asked: 0 };

  async function look(index, { speak = false } = {}) {
    const asked = (state.asked += 1);
    const kept = index >= 0 && index === state.kept;
    state.shown = index;
    point(index, kept);
    card.classList.toggle("kept", kept);
    const told = index < 0 ? [nothing] : await described(samples, index);
    // A slower answer to an earlier question must not overwrite this one.
    if (asked !== state.asked) return;
    card.replaceChildren(...told);
    card.dataset.sample = index;
    if (speak) element("spoken").textContent = index < 0 ? "No sample is chosen." : [...card.children].map((part) => part.textContent).join(". ");
  }

  function keep(index, options) {
    state.kept = index;
    return look(index, options);
  }

  function glance(index) {
    const next = index < 0 ? state.kept : index;
    if (next !== state.shown) look(next);
  }
  return { state, look, keep, glance };
}

function onKeys(map, looking) {
  const spoken = { speak: true };
  const moves = {
    ArrowLeft: () => map.towards(-1, 0), ArrowRight: () => map.towards(1, 0), ArrowUp: () => map.towards(0, -1), ArrowDown: () => map.towards(0, 1),
    PageUp: () => map.step(-1), PageDown: () => map.step(1), Home: () => map.step(-Infinity), End: () => map.step(Infinity),
  };
  const acts = {
    Enter: () => looking.keep(looking.state.shown, spoken), Escape: () => looking.keep(-1, spoken),
    "+": () => map.zoomBy(2), "-": () => map.zoomBy(0.5),
  };
  map.place.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves || event.key in acts)) return;
    event.preventDefault();
    if (event.key in moves) looking.look(moves[event.key](), spoken);
    else acts[event.key]();
  });
}

async function startRun() {
  const samples = await readSamples();
  if (!samples.count || !element("live-map")) return;
  uncover(element("live-map"));
  const form = element("filters");
  const map = drawMap(samples, { onLook: (index) => looking.glance(index), onKeep: (index) => looking.keep(index) });
  const looking = lookingAt(samples, map.point);
  const list = listSamples(samples, looking.keep);

  function filter() {
    const shown = matching(form, samples);
    const drawn = shown.filter((index) => !Number.isNaN(samples.confidence[index]));
    const off = shown.length - drawn.length;
    const share = samples.all > samples.count ? ` drawn from ${number(samples.all)}` : "";
    element("shown").textContent = `${number(shown.length)} of ${number(samples.count)} samples${share} shown${off ? `, ${number(off)} of them not on the map: they have no dynamics` : ""}`;
    if (looking.state.shown >= 0 && !shown.includes(looking.state.shown)) looking.keep(-1);
    map.show(drawn);
    list.show(shown);
  }

  fillFilters(form, samples);
  form.addEventListener("change", ({ target }) => (target.name === "colour" ? map.colourBy(target.value) : filter()));
  form.addEventListener("submit", (event) => event.preventDefault());
  // The controls have their new values only after the event.
  form.addEventListener("reset", () => setTimeout(() => { map.colourBy(form.colour.value); filter(); }));
  element("zoom-in").addEventListener("click", () => map.zoomBy(2));
  element("zoom-out").addEventListener("click", () => map.zoomBy(0.5));
  onKeys(map, looking);
  filter();
}

if (typeof DecompressionStream === "undefined") {
  if (element("still-note")) element("still-note").textContent = "This browser is too old for the interactive map; the picture shows the same.";
} else {
  startRun();
}
drawCharts();
