// What both kinds of page share: reading the page's own data, and making elements. Text only ever becomes text.
const element = (id) => document.getElementById(id);
const block = (id) => JSON.parse(element(id)?.textContent ?? "null");
const number = (value) => value.toLocaleString("en");

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Shows what is drawn by script in place of the still picture that paper and other browsers keep.
function uncover(drawn) {
  drawn.classList.add("drawn");
  for (const still of document.querySelectorAll(`[data-for="${drawn.id}"]`)) still.classList.add("covered");
}

async function inflated(base64) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// Okabe & Ito's colours, which every common colour vision tells apart; the last is for "others".
const LIGHT = {
  ink: "#1f2328", quiet: "#59636e", line: "#d9dee3", page: "#ffffff", soft: "#f4f6f8",
  names: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5b3f95", "#7f5539"], others: "#9aa4ae",
  steps: ["#a63603", "#e6842a", "#8d8494", "#56a0ce", "#08519c"],
};
const DARK = {
  ink: "#e4e7ea", quiet: "#a3adb7", line: "#343b42", page: "#14171a", soft: "#1d2226",
  names: ["#4aa8e0", "#ff8a3d", "#2cc295", "#e59cc5", "#9ad4f5", "#f2c14e", "#b39ddb", "#c9a183"], others: "#6b747d",
  steps: ["#ff7d3b", "#f0b06a", "#a9a1b2", "#63b3e8", "#3d82dd"],
};
const dark = matchMedia("(prefers-color-scheme: dark)");
const print = matchMedia("print");
let printing = false;
const colours = () => (dark.matches && !printing && !print.matches ? DARK : LIGHT);

// Calls `redraw` when the element has another size than at first: drawing 60,000 points once too often is felt.
function onResize(place, redraw) {
  let known = `${place.clientWidth} ${place.clientHeight}`;
  new ResizeObserver(() => {
    const size = `${place.clientWidth} ${place.clientHeight}`;
    if (size !== known) redraw();
    known = size;
  }).observe(place);
}

// Calls `redraw` whenever colours change: the reader's scheme, and paper, which is always light.
function onColours(redraw) {
  dark.addEventListener("change", redraw);
  print.addEventListener("change", redraw);
  for (const [event, state] of [["beforeprint", true], ["afterprint", false]]) {
    addEventListener(event, () => { printing = state; redraw(); });
  }
}
