// The list of the samples that are shown: a page of them at a time, each a button that opens the whole.
const PAGE = 10;
const ORDERS = {
  "as written": null,
  "most confident first": (samples) => (index) => -samples.confidence[index],
  "least confident first": (samples) => (index) => samples.confidence[index],
  "most variable first": (samples) => (index) => -samples.variability[index],
  "greatest weight first": (samples) => (index) => -samples.weight[index],
};

function listSamples(samples, onKeep) {
  const list = element("list");
  const order = element("order");
  const state = { shown: [], page: 0, asked: 0 };
  order.append(...Object.keys(ORDERS).map((name) => make("option", {}, name)));

  function sorted(shown) {
    const key = ORDERS[order.value]?.(samples);
    if (!key) return shown;
    const keys = Float64Array.from({ length: samples.count }, (_, index) => (Number.isNaN(key(index)) ? Infinity : key(index)));
    return shown.slice().sort((one, other) => (keys[one] === keys[other] ? one - other : keys[one] - keys[other]));
  }

  async function item(index) {
    const [, text] = await samples.words(index);
    const about = ["label", "plm", "round"].map((field) => nameOf(samples, field, index));
    const button = make("button", { type: "button", "aria-expanded": "false", "data-sample": index },
      make("span", { class: "first", dir: "auto" }, text || "(an empty text)"),
      make("span", { class: "quiet" }, `${about[0]} · ${about[1]} · round ${about[2]} · confidence ${share(samples.confidence[index])}`));
    const whole = make("div", { class: "item", hidden: "" });
    button.addEventListener("click", async () => {
      const open = whole.hidden;
      if (open && !whole.firstChild) whole.append(...(await described(samples, index)));
      whole.hidden = !open;
      button.setAttribute("aria-expanded", String(open));
      onKeep(open ? index : -1);
    });
    return make("li", {}, button, whole);
  }

  async function draw() {
    const asked = (state.asked += 1);
    const pages = Math.max(1, Math.ceil(state.shown.length / PAGE));
    state.page = Math.min(pages - 1, Math.max(0, state.page));
    const part = state.shown.slice(state.page * PAGE, (state.page + 1) * PAGE);
    element("page").textContent = `page ${number(state.page + 1)} of ${number(pages)}`;
    element("previous").disabled = state.page === 0;
    element("next").disabled = state.page === pages - 1;
    const items = await Promise.all([...part].map(item));
    // A slower answer to an earlier question must not overwrite this one.
    if (asked !== state.asked) return;
    list.replaceChildren(...(items.length ? items : [make("li", {}, make("p", {}, "No sample is like that."))]));
  }

  function turn(by) {
    state.page += by;
    draw();
    element("list-title").scrollIntoView({ block: "nearest" });
  }

  let whole = [];
  const show = (shown) => { whole = shown; state.shown = sorted(shown); state.page = 0; draw(); };
  order.addEventListener("change", () => show(whole));
  element("previous").addEventListener("click", () => turn(-1));
  element("next").addEventListener("click", () => turn(1));
  return { show };
}
