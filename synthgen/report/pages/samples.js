// The samples: columns of numbers for all of them, texts in pieces that are read when somebody looks.
const STEPS = ["0–0.2", "0.2–0.4", "0.4–0.6", "0.6–0.8", "0.8–1"];
const ABSENT = 65535;
const SHARES = ["confidence", "variability", "correctness", "cross_model_confidence", "cross_model_variability"];

async function readSamples() {
  const { count, all, piece, names, columns, chosen } = block("points");
  const samples = { count, all, names, chosen };
  await Promise.all(Object.entries(columns).map(async ([name, packed]) => {
    const bytes = await inflated(packed);
    if (name === "weight") samples.weight = new Float32Array(bytes);
    else if (SHARES.includes(name)) samples[name] = Float32Array.from(new Uint16Array(bytes), (value) => (value === ABSENT ? NaN : value / 65534));
    else samples[name] = new Uint16Array(bytes);
  }));
  // One step for each fifth of correctness; the last place is for samples without dynamics.
  samples.step = Uint16Array.from(samples.correctness, (value) => (Number.isNaN(value) ? STEPS.length : Math.min(STEPS.length - 1, Math.floor(value * STEPS.length + 1e-4))));
  samples.isChosen = Uint8Array.from({ length: count }, (_, index) => (index in chosen ? 1 : 0));
  samples.words = textsOf(piece);
  return samples;
}

// Returns a function from a sample's place to a promise of [id, text, second text or nothing].
function textsOf(piece) {
  let packed = null;
  const read = new Map();
  return async (index) => {
    packed ??= block("texts");
    const which = Math.floor(index / piece);
    if (!read.has(which)) read.set(which, inflated(packed[which]).then((bytes) => JSON.parse(new TextDecoder().decode(bytes))));
    return (await read.get(which))[index % piece];
  };
}

const share = (value) => (Number.isNaN(value) ? "–" : value.toFixed(3));
const nameOf = (samples, field, index) => samples.names[field]?.[samples[field][index]];

// Everything known of one sample, as [name, value].
function factsOf(samples, index, id) {
  const weight = samples.weight[index];
  const facts = [["label", nameOf(samples, "label", index)], ["PLM", nameOf(samples, "plm", index)]];
  const attribute = samples.attribute && nameOf(samples, "attribute", index);
  if (attribute !== undefined) facts.push(["attribute", attribute]);
  facts.push(["round", nameOf(samples, "round", index)], ["weight", weight === 0 ? "0: not in the dataset" : weight.toPrecision(3)]);
  for (const name of ["confidence", "variability", "correctness"]) facts.push([name, share(samples[name][index])]);
  if (!Number.isNaN(samples.cross_model_confidence[index])) {
    facts.push(["across models", `confidence ${share(samples.cross_model_confidence[index])}, variability ${share(samples.cross_model_variability[index])}`]);
  }
  for (const told of samples.chosen[index] ?? []) facts.push(["demonstration", told]);
  facts.push(["id", id]);
  return facts;
}

// The whole of a sample as elements.
async function described(samples, index) {
  const [id, ...texts] = await samples.words(index);
  const facts = make("dl", { class: "facts" });
  for (const [name, value] of factsOf(samples, index, id)) {
    facts.append(make("div", {}, make("dt", {}, name), make("dd", { dir: "auto" }, String(value))));
  }
  return [...texts.map((text) => make("p", { dir: "auto" }, text || "(an empty text)")), facts];
}
