// What lies under a pointer, or next to a sample: found among the drawn samples by their pixels.

// `state` holds the samples that are `drawn` and the one that is looked `at`, or -1.
function pointing(chart, samples, state) {
  const pixel = (index) => chart.convertToPixel({ gridIndex: 0 }, [samples.variability[index], samples.confidence[index]]);
  const isOnMap = (index) => index >= 0 && !Number.isNaN(samples.confidence[index]);

  // Calls `judge` with the pixels of each drawn sample and returns the one it thinks nearest. The axes are linear, so two
  // corners give all pixels: 60,000 samples are looked through while a pointer moves.
  function least(judge) {
    const [left, bottom] = chart.convertToPixel({ gridIndex: 0 }, [0, 0]);
    const [right, top] = chart.convertToPixel({ gridIndex: 0 }, [1, 1]);
    let best = -1;
    let distance = Infinity;
    for (const index of state.drawn) {
      const far = judge(left + samples.variability[index] * (right - left), bottom + samples.confidence[index] * (top - bottom));
      if (far < distance) { best = index; distance = far; }
    }
    return best;
  }

  const nearest = (x, y, reach) => least((px, py) => {
    const square = (px - x) * (px - x) + (py - y) * (py - y);
    return square < reach * reach ? square : Infinity;
  });

  // The next sample in a direction: what lies aside counts twice.
  function towards(dx, dy) {
    if (!isOnMap(state.at)) return state.drawn[0] ?? -1;
    const [x, y] = pixel(state.at);
    const next = least((px, py) => {
      const ahead = (px - x) * dx + (py - y) * dy;
      return ahead > 0.5 ? ahead + 2 * (Math.abs((px - x) * dy) + Math.abs((py - y) * dx)) : Infinity;
    });
    return next < 0 ? state.at : next;
  }

  // The sample that many places further in the order of the list as it was written.
  function step(by) {
    const where = state.drawn.indexOf(state.at) + by;
    return state.drawn[Math.min(state.drawn.length - 1, Math.max(0, where))] ?? -1;
  }

  return { pixel, isOnMap, nearest, towards, step };
}
