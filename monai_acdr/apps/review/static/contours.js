// Copyright 2026 The monai_acdr authors
// SPDX-License-Identifier: Apache-2.0

// Contours in the browser: drags, nested contours that push each other, areas, and the volumes of a heart.
//
// The same numbers as monai_acdr/inferers/corrections.py (drag_contours, push_contours) and monai_acdr/measures/ventricle.py
// (ventricle_volumes, ventricle_wall): a test compares them. A contour is a Float64Array of K vertices, x0, y0, x1, y1, ...,
// in continuous pixels, not closed.

const WIDTH = [0.15, 3.0];
const SAMPLES = 6;
const DUPLICATE_DISTANCE = 1e-9;
const HALVINGS = 12;
const PUSHES = 64;
const NESTING_MARGIN = 0.01;
const MYOCARDIUM_G_PER_ML = 1.05;
const MM3_PER_ML = 1000;
const MINIMUM_SLICE_SHARE = 0.5;

const following = (index, length) => (index + 2 < length ? index + 2 : 0);

/** Twice-signed-area / 2 by the shoelace formula, from the first vertex, in square pixels. */
export function signedArea(c) {
  let sum = 0;
  for (let i = 0; i < c.length; i += 2) {
    const j = following(i, c.length);
    sum += (c[i] - c[0]) * (c[j + 1] - c[1]) - (c[i + 1] - c[1]) * (c[j] - c[0]);
  }
  return sum / 2;
}

/** Lengths of the edges, each from vertex k to vertex k + 1. */
function edgeLengths(c) {
  const lengths = new Float64Array(c.length / 2);
  for (let i = 0; i < c.length; i += 2) {
    const j = following(i, c.length);
    lengths[i / 2] = Math.sqrt((c[j] - c[i]) ** 2 + (c[j + 1] - c[i + 1]) ** 2);
  }
  return lengths;
}

export function perimeter(c) {
  let sum = 0;
  for (const length of edgeLengths(c)) sum += length;
  return sum;
}

/** Nearest point of a contour to (x, y): depth (positive inside), arc from the first vertex, and the foot [x, y]. */
export function nearestOnContour(c, x, y) {
  let best = Infinity, edge = 0, share = 0, foot = [c[0], c[1]], winding = 0;
  for (let i = 0; i < c.length; i += 2) {
    const j = following(i, c.length);
    const ex = c[j] - c[i], ey = c[j + 1] - c[i + 1], ox = x - c[i], oy = y - c[i + 1];
    const square = ex * ex + ey * ey;
    const t = Math.min(1, Math.max(0, (ox * ex + oy * ey) / (square > 0 ? square : 1)));
    const fx = c[i] + t * ex, fy = c[i + 1] + t * ey;
    const distance = Math.sqrt((x - fx) ** 2 + (y - fy) ** 2);
    if (distance < best) { best = distance; edge = i; share = t; foot = [fx, fy]; }
    const turn = ex * oy - ey * ox;
    if (c[i + 1] <= y && y < c[j + 1] && turn > 0) winding += 1;
    else if (c[j + 1] <= y && y < c[i + 1] && turn < 0) winding -= 1;
  }
  const lengths = edgeLengths(c);
  let arc = 0;
  for (let k = 0; k < edge / 2; k += 1) arc += lengths[k];
  return { depth: winding !== 0 ? best : -best, arc: arc + share * lengths[edge / 2], foot };
}

/** Depths of many points at once: nearestOnContour without arc and foot. */
function depths(points, c) {
  const result = new Float64Array(points.length / 2);
  for (let p = 0; p < points.length; p += 2) {
    const x = points[p], y = points[p + 1];
    let best = Infinity, winding = 0;
    for (let i = 0; i < c.length; i += 2) {
      const j = following(i, c.length);
      const ex = c[j] - c[i], ey = c[j + 1] - c[i + 1], ox = x - c[i], oy = y - c[i + 1];
      const square = ex * ex + ey * ey;
      const t = Math.min(1, Math.max(0, (ox * ex + oy * ey) / (square > 0 ? square : 1)));
      const dx = x - (c[i] + t * ex), dy = y - (c[i + 1] + t * ey);
      const distance = dx * dx + dy * dy;
      if (distance < best) best = distance;
      const turn = ex * oy - ey * ox;
      if (c[i + 1] <= y && y < c[j + 1] && turn > 0) winding += 1;
      else if (c[j + 1] <= y && y < c[i + 1] && turn < 0) winding -= 1;
    }
    result[p / 2] = winding !== 0 ? Math.sqrt(best) : -Math.sqrt(best);
  }
  return result;
}

const gap = (one, other, length) => {
  const direct = Math.abs(one - other);
  return Math.min(direct, length - direct);
};

const modulo = (value, length) => ((value % length) + length) % length;

/** Move a contour by `pull` [x, y] at `arc`, by less beside it, and not at all from `halfWidth` on. */
export function pullContour(c, arc, pull, halfWidth) {
  const count = c.length / 2, lengths = edgeLengths(c), before = new Float64Array(count);
  let length = 0;
  for (let k = 0; k < count; k += 1) { before[k] = length; length += lengths[k]; }
  const added = [];
  for (let s = -SAMPLES; s <= SAMPLES; s += 1) {
    const place = modulo(arc + (s / SAMPLES) * halfWidth, length);
    let nearest = Infinity;
    for (let k = 0; k < count; k += 1) nearest = Math.min(nearest, gap(place, before[k], length));
    if (s === 0 ? nearest > DUPLICATE_DISTANCE * length : nearest > halfWidth / SAMPLES / 3) added.push(place);
  }
  added.sort((a, b) => a - b);
  const result = new Float64Array(c.length + 2 * added.length);
  let out = 0, next = 0;
  const put = (x, y, place) => {
    const away = Math.min(gap(place, arc, length) / halfWidth, 1);
    const share = (1 - away) ** 3 * (3 * away + 1);
    result[out] = x + share * pull[0];
    result[out + 1] = y + share * pull[1];
    out += 2;
  };
  for (let k = 0; k < count; k += 1) {
    put(c[2 * k], c[2 * k + 1], before[k]);
    const end = k + 1 < count ? before[k + 1] : Infinity, j = following(2 * k, c.length);
    while (next < added.length && added[next] < end) {
      const share = Math.min(1, Math.max(0, (added[next] - before[k]) / (lengths[k] > 0 ? lengths[k] : 1)));
      put(c[2 * k] + share * (c[j] - c[2 * k]), c[2 * k + 1] + share * (c[j + 1] - c[2 * k + 1]), added[next]);
      next += 1;
    }
  }
  return result;
}

const orientation = (ax, ay, bx, by, px, py) => (bx - ax) * (py - ay) - (by - ay) * (px - ax);
const within = (ax, ay, bx, by, px, py) =>
  px >= Math.min(ax, bx) && px <= Math.max(ax, bx) && py >= Math.min(ay, by) && py <= Math.max(ay, by);

/** Whether two edges i < j (offsets of their first vertices) share a point that is no joint of neighbors. */
function edgesMeet(c, i, j) {
  const n = c.length, i2 = following(i, n), j2 = following(j, n);
  const [ax, ay, bx, by] = [c[i], c[i + 1], c[i2], c[i2 + 1]];
  const [cx, cy, dx, dy] = [c[j], c[j + 1], c[j2], c[j2 + 1]];
  if (bx === cx && by === cy) return folds(ax, ay, bx, by, dx, dy);
  if (dx === ax && dy === ay) return folds(cx, cy, dx, dy, bx, by);
  const sc = orientation(ax, ay, bx, by, cx, cy), sd = orientation(ax, ay, bx, by, dx, dy);
  const sa = orientation(cx, cy, dx, dy, ax, ay), sb = orientation(cx, cy, dx, dy, bx, by);
  if (sc * sd < 0 && sa * sb < 0) return true;
  return (sc === 0 && within(ax, ay, bx, by, cx, cy)) || (sd === 0 && within(ax, ay, bx, by, dx, dy)) ||
    (sa === 0 && within(cx, cy, dx, dy, ax, ay)) || (sb === 0 && within(cx, cy, dx, dy, bx, by));
}

/** Whether an edge b-d turns straight back onto the edge a-b before it. */
const folds = (ax, ay, bx, by, dx, dy) =>
  orientation(ax, ay, bx, by, dx, dy) === 0 && (bx - ax) * (dx - bx) + (by - ay) * (dy - by) < 0;

const simple = new WeakMap();

/** Whether a contour neither crosses nor touches itself; asked once for each contour. */
export function isSimple(c) {
  if (!simple.has(c)) simple.set(c, sweep(c));
  return simple.get(c);
}

/** Compare edges along a sweep from left to right. */
function sweep(c) {
  const n = c.length, left = new Float64Array(n / 2), right = new Float64Array(n / 2), order = new Uint32Array(n / 2);
  let count = 0;
  for (let i = 0; i < n; i += 2) {
    const j = following(i, n);
    left[i / 2] = Math.min(c[i], c[j]);
    right[i / 2] = Math.max(c[i], c[j]);
    if (c[i] !== c[j] || c[i + 1] !== c[j + 1]) { order[count] = i / 2; count += 1; }
  }
  const active = [];
  for (const edge of order.subarray(0, count).sort((one, other) => left[one] - left[other])) {
    const j = following(2 * edge, n), low = Math.min(c[2 * edge + 1], c[j + 1]), high = Math.max(c[2 * edge + 1], c[j + 1]);
    let kept = 0;
    for (const other of active) {
      if (right[other] < left[edge]) continue;
      active[kept] = other;
      kept += 1;
      const y = c[2 * other + 1], y2 = c[following(2 * other, n) + 1];
      if (Math.max(y, y2) < low || high < Math.min(y, y2)) continue;
      if (edgesMeet(c, 2 * Math.min(edge, other), 2 * Math.max(edge, other))) return false;
    }
    active.length = kept;
    active.push(edge);
  }
  return true;
}

/**
 * Take a place of one contour along by `pull`, and push those it is nested with; null where that is not possible.
 *
 * @param reach factor on the usual half width of the pull.
 */
export function dragContours(contours, index, arc, pull, nested, reach = 1) {
  const contour = contours[index], length = perimeter(contour), whole = isSimple(contour);
  const sign = Math.sign(signedArea(contour));
  const halfWidth = Math.min(reach * (WIDTH[0] * length + WIDTH[1] * Math.hypot(pull[0], pull[1])), length / 2);
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const moved = pullContour(contour, modulo(arc, length), pull, halfWidth / 2 ** halving);
    if (Math.sign(signedArea(moved)) === sign && (!whole || isSimple(moved))) {
      const result = contours.slice();
      result[index] = moved;
      return nested ? pushContours(result, index) : result;
    }
  }
  return null;
}

/** Make room for contour `index`: those around it go outward, those within it inward; null where pulls do not do it. */
export function pushContours(contours, index) {
  const result = contours.slice();
  for (const step of [1, -1]) {
    for (let other = index + step; other >= 0 && other < result.length; other += step) {
      const pushed = pushOne(result[other - step], result[other], step);
      if (pushed === null) return null;
      result[other] = pushed;
    }
  }
  return result;
}

function pushOne(moved, start, side) {
  const whole = isSimple(start);
  let other = start;
  for (let round = 0; round < PUSHES; round += 1) {
    const worst = worstPlace(moved, other, side);
    if (worst.clearance >= NESTING_MARGIN / 2) return !whole || isSimple(other) ? other : null;
    const reach = NESTING_MARGIN - worst.clearance, length = perimeter(other);
    const halfWidth = Math.min(WIDTH[0] * length + WIDTH[1] * reach, length / 2);
    other = pullContour(other, worst.arc, [worst.away[0] * reach, worst.away[1] * reach], halfWidth);
  }
  return null;
}

/** Least clearance of two contours, where on `other` it is, and the way out. */
function worstPlace(moved, other, side) {
  const theirs = depths(moved, other), ours = depths(other, moved);
  let first = 0, second = 0;
  for (let k = 1; k < theirs.length; k += 1) if (side * theirs[k] < side * theirs[first]) first = k;
  for (let k = 1; k < ours.length; k += 1) if (-side * ours[k] < -side * ours[second]) second = k;
  let clearance, arc, tx, ty, point;
  if (side * theirs[first] <= -side * ours[second]) {
    point = [moved[2 * first], moved[2 * first + 1]];
    const near = nearestOnContour(other, point[0], point[1]);
    clearance = side * theirs[first];
    arc = near.arc;
    [tx, ty] = [point[0] - near.foot[0], point[1] - near.foot[1]];
  } else {
    point = [other[2 * second], other[2 * second + 1]];
    const near = nearestOnContour(moved, point[0], point[1]), lengths = edgeLengths(other);
    clearance = -side * ours[second];
    arc = 0;
    for (let k = 0; k < second; k += 1) arc += lengths[k];
    [tx, ty] = [near.foot[0] - point[0], near.foot[1] - point[1]];
  }
  const distance = Math.sqrt(tx * tx + ty * ty);
  if (distance < DUPLICATE_DISTANCE) {
    const middle = mean(moved), ox = point[0] - middle[0], oy = point[1] - middle[1];
    const norm = Math.max(Math.sqrt(ox * ox + oy * oy), DUPLICATE_DISTANCE);
    return { clearance, arc, away: [(side * ox) / norm, (side * oy) / norm] };
  }
  const turn = clearance < 0 ? distance : -distance;
  return { clearance, arc, away: [tx / turn, ty / turn] };
}

function mean(c) {
  let x = 0, y = 0;
  for (let i = 0; i < c.length; i += 2) { x += c[i]; y += c[i + 1]; }
  return [(2 * x) / c.length, (2 * y) / c.length];
}

/** Contours as they are saved: four decimals. */
export function rounded(c) {
  return Float64Array.from(c, (value) => Math.round(value * 1e4) / 1e4);
}

// --- The heart -----------------------------------------------------------------------------------------------------

/** Middle of the usual distances: the median, of two middle ones the smaller. */
function usual(distances) {
  const sorted = distances.slice().sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** Height of each slice: half of the distance to either neighbor, the usual one outward of the outermost. */
export function sliceHeights(positions) {
  const distances = positions.slice(1).map((value, k) => value - positions[k]);
  const padded = [usual(distances), ...distances, usual(distances)];
  return positions.map((_, k) => (padded[k] + padded[k + 1]) / 2);
}

/** Values at all of `xs`, linear between known places. */
function interpolate(x, known, values) {
  if (x <= known[0]) return values[0];
  for (let k = 1; k < known.length; k += 1) {
    if (x <= known[k]) return values[k - 1] + ((values[k] - values[k - 1]) * (x - known[k - 1])) / (known[k] - known[k - 1]);
  }
  return values[values.length - 1];
}

/** Disc sum over a table slice -> area; the number of slices used, the first and the last one. */
function discSum(row, positions, heights) {
  const used = Object.keys(row).map(Number).sort((a, b) => a - b);
  const places = used.map((k) => positions[k]), areas = used.map((k) => row[k]);
  let sum = 0;
  for (let k = used[0]; k <= used[used.length - 1]; k += 1) sum += interpolate(positions[k], places, areas) * heights[k];
  return { volume: sum / MM3_PER_ML, used: used.length, first: used[0], last: used[used.length - 1] };
}

/**
 * Volumes, ejection fraction and mass of a left ventricle.
 *
 * @param grid slice positions in mm, ascending, at least two, and [slice, phase] without an image: {positions, missing}.
 * @param entries [{slice, phase, inner, outer}], areas in mm2 of endocardium and epicardium, null where absent.
 * @param chosen {ed, es}: phases, null for those of the largest and smallest volume.
 * @returns {curve: Map phase -> mL, ed, es, edv, esv, sv, ef, mass}, numbers null where they cannot be told; and phases
 *   that are not chosen: unseen lack the image of an outer slice where others have a contour, sparse have too few slices.
 */
export function heartMeasures(grid, entries, chosen) {
  const none = { curve: new Map(), ed: null, es: null, edv: null, esv: null, sv: null, ef: null, mass: null, unseen: [], sparse: [] };
  if (!grid || grid.positions.length < 2) return none;
  const heights = sliceHeights(grid.positions), rows = new Map();
  for (const { slice, phase, inner } of entries) {
    if (inner === null) continue;
    if (!rows.has(phase)) rows.set(phase, {});
    rows.get(phase)[slice] = inner;
  }
  const sums = [...rows].sort((a, b) => a[0] - b[0]).map(([phase, row]) => ({ phase, ...discSum(row, grid.positions, heights) }));
  const curve = new Map(sums.map(({ phase, volume }) => [phase, volume]));
  const fullest = Math.max(...sums.map((sum) => sum.used));
  const first = Math.min(...sums.map((sum) => sum.first)), last = Math.max(...sums.map((sum) => sum.last));
  const lacking = new Set(grid.missing.map(([slice, phase]) => `${slice} ${phase}`));
  const isUnseen = (sum) => {
    for (let slice = first; slice <= last; slice += 1) {
      if ((slice < sum.first || slice > sum.last) && lacking.has(`${slice} ${sum.phase}`)) return true;
    }
    return false;
  };
  const phasesOf = (chosenSums) => chosenSums.map((sum) => sum.phase);
  none.unseen = phasesOf(sums.filter(isUnseen));
  none.sparse = phasesOf(sums.filter((sum) => sum.used < MINIMUM_SLICE_SHARE * fullest));
  const usable = sums.filter((sum) => !none.unseen.includes(sum.phase) && !none.sparse.includes(sum.phase));
  if (usable.length < 2 && (chosen.ed === null || chosen.es === null)) return { ...none, curve };
  const largest = usable.reduce((best, sum) => (best === null || sum.volume > best.volume ? sum : best), null);
  const smallest = usable.reduce((best, sum) => (best === null || sum.volume < best.volume ? sum : best), null);
  const ed = chosen.ed === null ? largest : sums.find((sum) => sum.phase === chosen.ed);
  const es = chosen.es === null ? smallest : sums.find((sum) => sum.phase === chosen.es);
  if (!ed || !es || !(ed.volume > 0)) return { ...none, curve };
  const sv = ed.volume - es.volume;
  return {
    ...none, curve, ed: ed.phase, es: es.phase, edv: ed.volume, esv: es.volume, sv, ef: (100 * sv) / ed.volume,
    mass: wallMass(grid.positions, heights, entries.filter((entry) => entry.phase === ed.phase)),
  };
}

/** Mass in g of the wall in one phase; null where no slice has one. An epicardium alone is muscle, except at the base. */
function wallMass(positions, heights, entries) {
  const cavity = entries.filter((entry) => entry.inner !== null).sort((a, b) => a.slice - b.slice), areas = {};
  const first = cavity[0]?.slice, last = cavity[cavity.length - 1]?.slice;
  const present = cavity.map((entry) => entry.inner).filter((area) => area > 0);
  const half = Math.max(Math.min(2, Math.floor(present.length / 2)), 1), sum = (found) => found.reduce((total, area) => total + area, 0);
  const wider = sum(present.slice(0, half)) - sum(present.slice(-half)); // the base is the wide end
  for (const { slice, inner, outer } of entries) {
    if (outer === null || (inner !== null && outer < inner)) continue;
    const isApex = cavity.length && ((slice < first && wider <= 0) || (slice > last && wider >= 0));
    if (inner !== null || isApex) areas[slice] = outer - (inner ?? 0);
  }
  if (!Object.keys(areas).length) return null;
  return MYOCARDIUM_G_PER_ML * discSum(areas, positions, heights).volume;
}
