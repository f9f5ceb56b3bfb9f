// Copyright 2026 The monai_acdr authors
// SPDX-License-Identifier: Apache-2.0

// The review page: thumbnails, one large frame with its contours, drags, measures that follow, and Finish.
//
// The server keeps the contours; the page shows a drag at once, and sends the result when the button is let go. Every change
// names the state that it was made on, so that nothing is ever written over.

import { dragContours, heartMeasures, nearestOnContour, rounded, signedArea } from './contours.js';

const SVG = 'http://www.w3.org/2000/svg';
const $ = (id) => document.getElementById(id);
const CELL_GAP = 4;
const FRAME_BYTES = 192 * 2 ** 20;
const REACH = 9; // CSS pixels from a contour within which it is taken
const FEW_VERTICES = 400; // contours of more are drawn without their vertices
const LIVE_FRAMES = 2000; // measures of studies with more frames follow when the button is let go
const MOST_DOUBTS = 12;
const MANUAL_RADIUS = 0.06;

/** Everything that the page knows; tests read it. */
export const page = {
  study: null, state: null, frame: 0, tool: 'drag', chosen: 0, window: null, ownWindow: null, view: null,
  drag: null, held: null, reach: 1, playing: null, readOnly: false, session: '', doubts: [], compare: false,
};
/** Milliseconds that things took: drag (input to new contours drawn), save (sent to answered), open. */
export const timings = { drag: [], save: [], open: 0 };

// --- The server ----------------------------------------------------------------------------------------------------

const token = takeToken();

/** The token of the address, which is then taken out of sight; a reload finds it in this tab's storage. */
function takeToken() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem('token', given);
    history.replaceState(null, '', location.pathname);
  }
  return given || sessionStorage.getItem('token') || '';
}

class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

async function call(path, body, options = {}) {
  const headers = { Authorization: `Bearer ${token}` };
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
    headers['X-Review-Session'] = page.session;
  }
  let response;
  try {
    response = await fetch(path, { method: body === undefined ? 'GET' : 'POST', headers, body: body === undefined ? undefined : JSON.stringify(body), ...options });
  } catch {
    throw new Refused(0, 'The server does not answer. Everything that was saved is kept: start the review again, and open the address that it prints.');
  }
  if (!response.ok) {
    let message = `The server answered ${response.status}.`;
    try { message = (await response.json()).error ?? message; } catch { /* no JSON */ }
    throw new Refused(response.status, message);
  }
  return response;
}

const getJson = async (path) => (await call(path)).json();
const postJson = async (path, body) => (await call(path, body)).json();

let queue = Promise.resolve();
let waiting = 0;
const unsaved = new Map(); // frame -> changes of its contours that were not answered yet
let computing = 0; // changes that the server makes: contours are not edited before their answers

/** Send a change after those before it. On a refusal the frame is shown as it was saved, and the reason is said. */
function change(body) {
  const own = body.do === 'contours', computed = body.do === 'click' || body.path === '/api/outline' || body.do === 'undo' || body.do === 'redo';
  waiting += 1;
  if (own) unsaved.set(body.frame, (unsaved.get(body.frame) ?? 0) + 1);
  if (computed) computing += 1;
  hideRefusal();
  showPending();
  const result = queue.then(async () => {
    if (page.readOnly) throw new Refused(423, 'This page is read-only.');
    const started = performance.now();
    const answer = await postJson(body.path ?? '/api/change', { ...body, path: undefined, sequence: page.state.sequence });
    timings.save.push(performance.now() - started);
    receive(answer, unsaved.get(answer.frame) > (own ? 1 : 0));
    return answer;
  }).catch(async (error) => {
    failed(error);
    if (body.frame !== undefined && body.frame !== null) await reload(body.frame);
    return null;
  }).finally(() => {
    waiting -= 1;
    if (own) unsaved.set(body.frame, unsaved.get(body.frame) - 1);
    if (computed) computing -= 1;
    showPending();
  });
  queue = result;
  return result;
}

/** Whether contours may be edited now; says why not. */
function editable() {
  if (page.readOnly) { say('This page is read-only: reload it.', true); return false; }
  if (computing) { say('Wait a moment: the server is at work on these contours.', true); return false; }
  return true;
}

/** What the server answered; `later`: contours of the frame were changed since, and their own answer will come. */
function receive(answer, later) {
  page.state = answer.state;
  if (answer.frame !== null && answer.frame !== undefined) {
    const record = page.study.frames[answer.frame];
    record.changed = answer.changed;
    record.seen = answer.seen;
    if (!later) setContours(answer.frame, answer.contours.map(parseContour), answer.problems);
  }
  showState();
}

function failed(error) {
  const lost = error.status === 0 || error.status === 423 || error.status === 401;
  if (lost) page.readOnly = true;
  say('Not saved', true);
  if (lost || error.status === 409) tell(error.message, error.status === 423);
  else showRefusal(error.message);
}

/** Say beside the image why a change was refused, until the next change. */
function showRefusal(text) {
  $('refusal-text').textContent = text;
  $('refusal').hidden = false;
}

function hideRefusal() { $('refusal').hidden = true; }

async function reload(index) {
  try {
    const answer = await getJson(`/api/contours/${Math.floor(index / page.study.sheet.page)}`);
    const frame = answer.frames[index - answer.first], record = page.study.frames[index];
    page.state = answer.state;
    record.changed = frame.contours !== null;
    setContours(index, (frame.contours ?? frame.original).map(parseContour), frame.problems);
    showButtons();
  } catch { /* the message stands */ }
}

function showPending() { document.body.dataset.pending = String(waiting); }

// --- Contours ------------------------------------------------------------------------------------------------------

const packets = new Map();

const parseContour = (record) => ({ ...record, vertices: Float64Array.from(record.vertices) });
const plain = (contour) => ({ structure: contour.structure, hole: contour.hole, generation: contour.generation, vertices: Array.from(contour.vertices) });

/** Contours of a packet of frames, original and present, once. */
function loadPacket(number) {
  if (!packets.has(number)) {
    packets.set(number, (async () => {
      const answer = await getJson(`/api/contours/${number}`);
      answer.frames.forEach((frame, offset) => {
        const record = page.study.frames[answer.first + offset];
        record.original = frame.original.map(parseContour);
        if (unsaved.get(answer.first + offset)) return; // what was drawn since is shown
        record.contours = frame.contours === null ? record.original : frame.contours.map(parseContour);
      });
      drawThumbnails();
    })().catch((error) => { packets.delete(number); failed(error); }));
  }
  return packets.get(number);
}

const current = () => page.study.frames[page.frame];
const contoursOf = (index) => page.study.frames[index].contours ?? [];

function setContours(index, contours, problems = null) {
  const record = page.study.frames[index];
  record.before ??= record.areas;
  record.contours = contours;
  if (problems !== null && problems.join() !== record.problems.join()) {
    record.problems = problems;
    findDoubts();
    if (index === page.frame) showPlace();
  }
  record.areas = contours.map((contour) => [contour.structure, Math.abs(signedArea(contour.vertices)), contour.hole]);
  if (index === page.frame) {
    page.chosen = Math.min(page.chosen, Math.max(0, contours.length - 1));
    drawContours();
    showAreas();
  }
  drawThumbnails();
}

/** Positions in the list of a frame's contours that are nested, innermost first; empty where they are not. */
function nestedOrder(contours) {
  const order = contours.map((_, position) => position).sort((a, b) => contours[a].structure - contours[b].structure);
  const structures = new Set(contours.map((contour) => contour.structure));
  return page.study.nested && structures.size === contours.length ? order : [];
}

/** Contours after one of them was dragged at `arc` by `pull`; null where it cannot go there. */
export function dragged(contours, position, arc, pull) {
  const order = nestedOrder(contours), nested = order.length > 1;
  const used = nested ? order : [position];
  const moved = dragContours(used.map((place) => contours[place].vertices), used.indexOf(position), arc, pull, nested, page.reach);
  if (moved === null) return null;
  const result = contours.slice();
  used.forEach((place, number) => {
    if (moved[number] !== contours[place].vertices) {
      result[place] = { ...contours[place], vertices: rounded(moved[number]), generation: contours[place].generation === 'MANUAL' ? 'MANUAL' : 'SEMIAUTOMATIC' };
    }
  });
  return result;
}

/** Show contours, and have them saved. */
export function commit(contours, action, index = page.frame) {
  if (!editable()) { drawContours(); return Promise.resolve(null); }
  setContours(index, contours);
  showMeasures();
  return change({ do: 'contours', action, frame: index, contours: contours.map(plain) });
}

/** Contour and place on it nearest to a point of the image. */
function nearest(contours, x, y) {
  let best = null;
  contours.forEach((contour, position) => {
    const found = nearestOnContour(contour.vertices, x, y);
    if (best === null || Math.abs(found.depth) < Math.abs(best.depth)) best = { position, ...found };
  });
  return best;
}

// --- Frames --------------------------------------------------------------------------------------------------------

const frames = new Map();
let frameBytes = 0;

/** Pixels of a frame: {numbers, height, width, channels, low, step, window}; the last ones are kept. */
function loadFrame(index) {
  const known = frames.get(index);
  if (known) { frames.delete(index); frames.set(index, known); return known; }
  const loading = (async () => {
    const response = await call(`/api/frame/${index}`);
    const how = JSON.parse(response.headers.get('x-frame'));
    const frame = { ...how, numbers: new Uint16Array(await response.arrayBuffer()) };
    frameBytes += frame.numbers.byteLength;
    for (const [other, entry] of frames) {
      if (frameBytes <= FRAME_BYTES || other === index) break;
      frames.delete(other);
      const gone = await entry.catch(() => null);
      frameBytes -= gone?.numbers.byteLength ?? 0;
    }
    return frame;
  })();
  frames.set(index, loading);
  loading.catch(() => frames.delete(index));
  return loading;
}

let shown = null; // {index, picture, key}

/** The frame as a canvas of its own size, in the window. */
function pictureOf(index, frame) {
  const [low, high] = page.ownWindow ?? frame.window;
  const key = `${index} ${low} ${high}`;
  if (shown?.key === key) return shown.picture;
  const picture = shown?.picture.width === frame.width && shown.picture.height === frame.height ? shown.picture : document.createElement('canvas');
  picture.width = frame.width;
  picture.height = frame.height;
  const context = picture.getContext('2d'), image = context.createImageData(frame.width, frame.height);
  const target = new Uint32Array(image.data.buffer), table = new Uint32Array(65536);
  const scale = 255 / Math.max(high - low, 1e-12);
  for (let number = 0; number < 65536; number += 1) {
    const gray = Math.min(255, Math.max(0, Math.round((frame.low + frame.step * number - low) * scale)));
    table[number] = 0xff000000 | (gray << 16) | (gray << 8) | gray;
  }
  const numbers = frame.numbers;
  if (frame.channels === 3) {
    for (let place = 0; place < target.length; place += 1) {
      const red = table[numbers[3 * place]], green = table[numbers[3 * place + 1]], blue = table[numbers[3 * place + 2]];
      target[place] = 0xff000000 | (blue & 0xff0000) | (green & 0xff00) | (red & 0xff);
    }
  } else {
    for (let place = 0; place < numbers.length; place += 1) target[place] = table[numbers[place]];
  }
  context.putImageData(image, 0, 0);
  shown = { key, index, picture };
  return picture;
}

let drawn = null; // the frame whose pixels are on the canvas

async function showFrame() {
  const index = page.frame;
  document.body.dataset.frame = String(index);
  showPlace();
  scrollToCell();
  drawThumbnails();
  showMeasures();
  showDoubts();
  $('seen').checked = current().seen;
  await loadPacket(Math.floor(index / page.study.sheet.page));
  showAreas();
  try {
    const frame = await loadFrame(index);
    if (index !== page.frame) return;
    drawn = { index, frame };
    if (page.view === null || page.view.size !== current().size.join()) fit();
    page.chosen = Math.min(page.chosen, Math.max(0, contoursOf(index).length - 1));
    draw();
    document.body.dataset.drawn = String(index);
    for (const next of [neighbor(0, 1), neighbor(0, -1), neighbor(1, 0), neighbor(-1, 0)]) {
      if (next !== null && waiting === 0) loadFrame(next).catch(() => undefined);
    }
  } catch (error) {
    drawn = null;
    say(error.message, true);
  }
}

function goTo(index) {
  if (index === null || index === page.frame) return;
  page.drag = null;
  page.held = null;
  showStopped(false);
  page.frame = index;
  page.shownFrame = showFrame();
}

/** The frame so many slices and phases on; phases go round, slices end. */
function neighbor(slices, phases) {
  const { study } = page, record = current();
  if (!study.cells) {
    const next = page.frame + phases + slices * study.columns;
    return next >= 0 && next < study.frames.length ? next : null;
  }
  const row = study.rows - 1, slice = record.slice + slices;
  if (slice < 0 || slice > row) return null;
  for (let step = 0; step < study.columns; step += 1) {
    const sign = phases < 0 ? -1 : 1;
    const phase = (record.phase + phases + sign * step + study.columns) % study.columns;
    const found = study.cells.get(`${slice} ${phase}`);
    if (found !== undefined) return found;
  }
  return null;
}

// --- The view ------------------------------------------------------------------------------------------------------

const pane = $('pane'), paneBefore = $('pane-before');
const overlay = pane.querySelector('svg');

function fit() {
  const [height, width] = current().size, box = pane.getBoundingClientRect();
  let [left, top, right, bottom] = page.study.sheet.box ?? [0, 0, width, height];
  if (page.wholeView) [left, top, right, bottom] = [0, 0, width, height];
  const scale = Math.max(0.01, Math.min(box.width / (right - left), box.height / (bottom - top)) * 0.98);
  page.view = {
    scale, x: box.width / 2 - (scale * (left + right)) / 2, y: box.height / 2 - (scale * (top + bottom)) / 2, size: current().size.join(),
  };
}

function zoom(factor, x, y) {
  const view = page.view, scale = Math.min(200, Math.max(0.02, view.scale * factor)), change = scale / view.scale;
  view.x = x - (x - view.x) * change;
  view.y = y - (y - view.y) * change;
  view.scale = scale;
  draw();
}

function draw() {
  drawPane(pane);
  if (page.compare) drawPane(paneBefore);
  drawContours();
}

function drawPane(target) {
  const canvas = target.querySelector('canvas'), ratio = window.devicePixelRatio || 1;
  const width = Math.round(target.clientWidth * ratio), height = Math.round(target.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const context = canvas.getContext('2d'), { scale, x, y } = page.view ?? { scale: 1, x: 0, y: 0 };
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  if (drawn === null || drawn.index !== page.frame) return;
  context.setTransform(scale * ratio, 0, 0, scale * ratio, x * ratio, y * ratio);
  context.imageSmoothingEnabled = scale < 8;
  context.imageSmoothingQuality = 'high';
  context.drawImage(pictureOf(page.frame, drawn.frame), 0, 0);
}

/** The d of a closed path; pairs after the first one are lines. */
export function pathOf(vertices) {
  return `M${Array.from(vertices, (value) => Math.round(value * 1000) / 1000).join(' ')}Z`;
}

function drawContours() {
  if (page.view === null) return;
  drawOverlay(overlay, page.drag?.contours ?? contoursOf(page.frame), true);
  if (page.compare) drawOverlay(paneBefore.querySelector('svg'), current().original ?? [], false);
}

function drawOverlay(svg, contours, active) {
  let group = svg.firstElementChild;
  if (group === null) { group = document.createElementNS(SVG, 'g'); svg.append(group); }
  const { scale, x, y } = page.view;
  group.setAttribute('transform', `translate(${x} ${y}) scale(${scale})`);
  const wanted = [];
  contours.forEach((contour, position) => {
    const color = colorOf(contour.structure), chosen = active && position === page.chosen;
    wanted.push({ class: chosen ? 'contour chosen' : 'contour', stroke: color, d: pathOf(contour.vertices), dash: contour.hole ? '4 3' : '' });
    if (active && contour.vertices.length <= 2 * FEW_VERTICES && scale > 1.5) {
      const dots = [];
      for (let i = 0; i < contour.vertices.length; i += 2) dots.push(`M${contour.vertices[i].toFixed(2)} ${contour.vertices[i + 1].toFixed(2)}h0`);
      wanted.push({ class: 'vertices', stroke: color, d: dots.join(''), dash: '' });
    }
  });
  if (active && page.held) {
    const { x: hx, y: hy } = page.held, r = 6 / scale;
    wanted.push({ class: 'held', stroke: '#fff', d: `M${hx - r} ${hy}h${2 * r}M${hx} ${hy - r}v${2 * r}`, dash: '' });
  }
  while (group.childElementCount > wanted.length) group.lastElementChild.remove();
  while (group.childElementCount < wanted.length) group.append(document.createElementNS(SVG, 'path'));
  wanted.forEach((item, number) => {
    const path = group.children[number];
    path.setAttribute('class', item.class);
    path.setAttribute('stroke', item.stroke);
    path.setAttribute('d', item.d);
    if (item.dash) path.setAttribute('stroke-dasharray', item.dash); else path.removeAttribute('stroke-dasharray');
  });
}

const colorOf = (structure) => `rgb(${page.study.structures[structure].color.join(' ')})`;

/** A point of the image in pixels of the page, and back. */
export function toScreen(x, y) {
  const box = overlay.getBoundingClientRect(), view = page.view;
  return [box.left + view.x + view.scale * x, box.top + view.y + view.scale * y];
}
export function toImage(clientX, clientY) {
  const box = overlay.getBoundingClientRect(), view = page.view;
  return [(clientX - box.left - view.x) / view.scale, (clientY - box.top - view.y) / view.scale];
}

// --- Pointer -------------------------------------------------------------------------------------------------------

overlay.addEventListener('pointerdown', (event) => {
  if (page.view === null || page.drag) return;
  overlay.focus({ preventScroll: true });
  const [x, y] = toImage(event.clientX, event.clientY);
  const start = { clientX: event.clientX, clientY: event.clientY, x, y };
  event.preventDefault();
  overlay.setPointerCapture(event.pointerId);
  stop();
  if (event.button === 2) page.drag = { kind: 'window', ...start, window: windowNow() };
  else if (event.button === 1) page.drag = { kind: 'pan', ...start, view: { ...page.view } };
  else if (page.tool === 'click') clickAt(x, y, event.shiftKey);
  else if (page.tool === 'draw') page.drag = { kind: 'draw', ...start };
  else {
    const found = nearest(contoursOf(page.frame), x, y);
    const near = found !== null && Math.abs(found.depth) * page.view.scale <= REACH && !event.shiftKey;
    if (near && editable()) startDrag(found, start);
    else page.drag = { kind: 'pan', ...start, view: { ...page.view } };
  }
});

function startDrag(found, start) {
  page.chosen = found.position;
  page.held = null;
  page.drag = { kind: 'contour', ...start, from: contoursOf(page.frame), position: found.position, arc: found.arc, offset: [found.foot[0] - start.x, found.foot[1] - start.y], contours: null };
  overlay.classList.add('dragging');
  drawContours();
}

let pending = null;

overlay.addEventListener('pointermove', (event) => {
  if (page.drag === null) { showNear(event); return; }
  if (page.drag.kind !== 'keys' && event.buttons === 0) { endDrag(null); return; } // let go where the page did not see it
  const first = pending === null;
  pending = { event };
  if (first) requestAnimationFrame(moved);
});

function showNear(event) {
  if (page.view === null || page.tool !== 'drag') { overlay.classList.remove('near'); return; }
  const found = nearest(contoursOf(page.frame), ...toImage(event.clientX, event.clientY));
  overlay.classList.toggle('near', found !== null && Math.abs(found.depth) * page.view.scale <= REACH);
}

function moved() {
  const { event } = pending ?? {};
  pending = null;
  const drag = page.drag;
  if (!event || drag === null) return;
  const dx = event.clientX - drag.clientX, dy = event.clientY - drag.clientY;
  if (drag.kind === 'pan') {
    page.view.x = drag.view.x + dx;
    page.view.y = drag.view.y + dy;
    draw();
  } else if (drag.kind === 'window') {
    const [low, high] = drag.window, width = Math.max((high - low) * Math.exp(dx / 200), 1e-6);
    const middle = (low + high) / 2 - (dy / 400) * (high - low);
    page.ownWindow = [middle - width / 2, middle + width / 2];
    draw();
  } else if (drag.kind === 'contour') {
    const started = performance.now();
    moveDrag(dx / page.view.scale, dy / page.view.scale);
    timings.drag.push(performance.now() - started);
  } else if (drag.kind === 'draw') {
    drag.contours = [...contoursOf(page.frame), circle(drag.x, drag.y, Math.max(1, Math.hypot(dx, dy) / page.view.scale))];
    drawContours();
  }
}

/** Show the contour dragged so far, in pixels of the image, and the measures with it. */
export function moveDrag(dx, dy) {
  const drag = page.drag;
  drag.pull = [dx, dy];
  const contours = dragged(drag.from, drag.position, drag.arc, [dx, dy]);
  showStopped(contours === null);
  if (contours === null) return;
  drag.contours = contours;
  drawContours();
  if (page.study.frames.length <= LIVE_FRAMES) showMeasures(contours);
}

/** Show that a contour goes no farther that way. */
function showStopped(stopped) {
  if (overlay.classList.contains('stopped') === stopped) return;
  overlay.classList.toggle('stopped', stopped);
  say(stopped ? 'No farther that way: a contour would cross itself' : '', stopped);
}

overlay.addEventListener('pointerup', endDrag);
overlay.addEventListener('pointercancel', () => { page.drag = null; overlay.classList.remove('dragging'); showStopped(false); drawContours(); showMeasures(); });
overlay.addEventListener('contextmenu', (event) => event.preventDefault());
overlay.addEventListener('dblclick', (event) => event.preventDefault());

/** Save what was dragged; without an event, as far as it had come. */
function endDrag(event) {
  if (pending) { pending.event = event ?? pending.event; moved(); }
  const drag = page.drag;
  page.drag = null;
  overlay.classList.remove('dragging');
  showStopped(false);
  if (drag?.contours) {
    if (drag.kind === 'draw') page.chosen = drag.contours.length - 1;
    commit(drag.contours, drag.kind === 'draw' ? 'draw' : 'drag');
    if (drag.kind === 'draw') setTool('drag');
  } else if (drag) draw();
}

/** How far along the contour a drag reaches, as a multiple of what is usual. */
function setReach(factor) {
  page.reach = Math.min(4, Math.max(0.02, page.reach * factor));
  if (Math.abs(page.reach - 1) < 0.05) page.reach = 1;
  say(`Drags reach ${page.reach.toFixed(2)} times as far as usual`);
}

function circle(x, y, radius, structure = nextStructure()) {
  const vertices = new Float64Array(64);
  for (let k = 0; k < 32; k += 1) {
    vertices[2 * k] = x + radius * Math.cos((2 * Math.PI * k) / 32);
    vertices[2 * k + 1] = y + radius * Math.sin((2 * Math.PI * k) / 32);
  }
  return { structure, hole: false, generation: 'MANUAL', vertices: rounded(vertices) };
}

/** The structure of a new contour: the first that is missing in this frame, otherwise that of the chosen contour. */
function nextStructure() {
  const contours = contoursOf(page.frame), present = new Set(contours.map((contour) => contour.structure));
  const missing = page.study.structures.findIndex((_, number) => !present.has(number));
  return missing >= 0 ? missing : contours[page.chosen]?.structure ?? 0;
}

function clickAt(x, y, exactly) {
  if (!editable()) return;
  const found = nearest(contoursOf(page.frame), x, y);
  if (found === null) { outlineAgain([x, y]); return; }
  page.chosen = found.position;
  change({ do: 'click', frame: page.frame, contour: found.position, point: [x, y], inside: exactly ? null : found.depth < 0 });
}

$('view').addEventListener('wheel', (event) => {
  event.preventDefault();
  if (page.drag?.kind === 'contour') {
    setReach(event.deltaY > 0 ? 0.8 : 1.25);
    if (page.drag.pull) moveDrag(...page.drag.pull);
  } else if (event.ctrlKey || event.metaKey) {
    const box = overlay.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  } else goTo(neighbor(Math.sign(event.deltaY), 0) ?? page.frame);
}, { passive: false });

function windowNow() { return page.ownWindow ?? drawn?.frame.window ?? [0, 1]; }

// --- Tools ---------------------------------------------------------------------------------------------------------

const TOOLS = ['drag', 'click', 'draw'];

function setTool(tool) {
  page.tool = tool;
  page.held = null;
  for (const name of TOOLS) $(`tool-${name}`).setAttribute('aria-checked', String(name === tool));
  drawContours();
}

function selectNext() {
  const number = contoursOf(page.frame).length;
  if (number) page.chosen = (page.chosen + 1) % number;
  page.held = null;
  drawContours();
  showAreas();
}

function deleteChosen() {
  const contours = contoursOf(page.frame);
  if (contours.length) commit(contours.filter((_, position) => position !== page.chosen), 'delete');
}

const restore = () => commit(current().original ?? [], 'restore');

async function copyNext() {
  const next = neighbor(0, 1), contours = contoursOf(page.frame);
  if (next === null || next === page.frame || !contours.length) { say('There is nothing to copy, or no next phase.', true); return; }
  if (page.study.frames[next].size.join() !== current().size.join()) { say('The next frame has another size.', true); return; }
  await loadPacket(Math.floor(next / page.study.sheet.page));
  const copies = contours.map((contour) => ({ ...contour, generation: contour.generation === 'MANUAL' ? 'MANUAL' : 'SEMIAUTOMATIC' }));
  commit(copies, 'copy', next);
  goTo(next);
}

/** Have the network outline the frame where its contour is, or about a point. */
export async function outlineAgain(point = null) {
  if (!editable()) return;
  if (point === null && !contoursOf(page.frame).length) {
    setTool('click');
    say('There is no contour here: click in the middle of what is to be outlined.', true);
    return;
  }
  say('Outlining ...');
  const answer = await change({ path: '/api/outline', frame: page.frame, point, contour: contoursOf(page.frame).length ? page.chosen : null });
  if (answer) say(answer.scale ? `Outlined again, at an implausible scale: ${answer.scale}` : 'Outlined again', Boolean(answer.scale));
}

const setSeen = (seen) => change({ do: 'seen', frame: page.frame, seen });

async function history_(step) {
  const answer = await change({ do: step });
  if (answer && answer.frame !== null && answer.frame !== page.frame) goTo(answer.frame);
}

/** Choose end-diastole and end-systole, as a function of those that are chosen when earlier changes are answered. */
async function setPhases(choose) {
  if ($('heart').hidden) { say('End-diastole and end-systole are chosen in a cine of the left ventricle.', true); return; }
  const { phase } = current();
  await queue;
  const [ed, es] = choose(page.state.phases, phase);
  await change({ do: 'phases', end_diastole: ed, end_systole: es });
}

function play() {
  if (page.playing) { stop(); return; }
  if (neighbor(0, 1) === null) return;
  const times = page.study.grid?.times ?? [], known = times.filter((time) => time !== null);
  const step = known.length > 1 ? Math.max(20, (known[known.length - 1] - known[0]) / (known.length - 1)) : 60;
  page.playing = { last: performance.now() };
  $('play').setAttribute('aria-pressed', 'true');
  const tick = async (now) => {
    if (!page.playing) return;
    if (now - page.playing.last >= step) {
      page.playing.last = now;
      goTo(neighbor(0, 1));
      await page.shownFrame;
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

function stop() {
  page.playing = null;
  $('play').setAttribute('aria-pressed', 'false');
}

function compare() {
  page.compare = !page.compare;
  $('compare').setAttribute('aria-pressed', String(page.compare));
  paneBefore.hidden = !page.compare;
  fit();
  draw();
}

// --- A vertex by keyboard ------------------------------------------------------------------------------------------

/** Take hold of a vertex of the chosen contour, or of a place in the image for the other tools. */
function hold() {
  const contour = contoursOf(page.frame)[page.chosen];
  if (!editable()) return;
  if (page.tool === 'drag' && !contour) { say('There is no contour here.', true); return; }
  const [height, width] = current().size;
  if (contour) {
    const vertex = page.held ? page.held.vertex : 0;
    holdVertex(contour, vertex);
  } else page.held = { x: width / 2, y: height / 2, vertex: 0, pull: [0, 0] };
  overlay.focus({ preventScroll: true });
  drawContours();
}

function holdVertex(contour, vertex) {
  const count = contour.vertices.length / 2, k = ((vertex % count) + count) % count;
  page.held = { vertex: k, x: contour.vertices[2 * k], y: contour.vertices[2 * k + 1], pull: [0, 0], from: contoursOf(page.frame) };
}

function moveHeld(dx, dy) {
  const held = page.held;
  if (page.tool !== 'drag') { held.x += dx; held.y += dy; drawContours(); return; }
  const pull = [held.pull[0] + dx, held.pull[1] + dy], vertices = held.from[page.chosen].vertices;
  let arc = 0;
  for (let k = 0; k < held.vertex; k += 1) arc += Math.hypot(vertices[2 * k + 2] - vertices[2 * k], vertices[2 * k + 3] - vertices[2 * k + 1]);
  const contours = dragged(held.from, page.chosen, arc, pull);
  showStopped(contours === null);
  if (contours === null) return;
  page.held = { ...held, pull, x: vertices[2 * held.vertex] + pull[0], y: vertices[2 * held.vertex + 1] + pull[1] };
  page.drag = { kind: 'keys', contours };
  drawContours();
  showMeasures(contours);
}

function acceptHeld(exactly) {
  const { x, y } = page.held, drag = page.drag;
  page.drag = null;
  showStopped(false);
  if (page.tool === 'click') clickAt(x, y, exactly);
  else if (page.tool === 'draw') {
    const contours = [...contoursOf(page.frame), circle(x, y, Math.max(2, MANUAL_RADIUS * Math.min(...current().size)))];
    page.chosen = contours.length - 1;
    commit(contours, 'draw');
    setTool('drag');
  } else if (drag?.contours) commit(drag.contours, 'drag');
  page.held = null;
  drawContours();
}

function dropHeld() {
  page.held = null;
  page.drag = null;
  showStopped(false);
  drawContours();
  showMeasures();
}

// --- Keys ----------------------------------------------------------------------------------------------------------

const windowBy = (shift, factor) => {
  const [low, high] = windowNow(), width = (high - low) * factor, middle = (low + high) / 2 + shift * (high - low);
  page.ownWindow = [middle - width / 2, middle + width / 2];
  draw();
};
const zoomBy = (factor) => zoom(factor, pane.clientWidth / 2, pane.clientHeight / 2);
const pan = (dx, dy) => { page.view.x += dx; page.view.y += dy; draw(); };

/** Key -> [what it does, in words]. */
export const KEYS = {
  ArrowLeft: [() => goTo(neighbor(0, -1)), null],
  ArrowRight: [() => goTo(neighbor(0, 1)), '← → ↑ ↓: phases, slices'],
  ArrowUp: [() => goTo(neighbor(-1, 0)), null],
  ArrowDown: [() => goTo(neighbor(1, 0)), null],
  ' ': [play, 'Space: play, stop'],
  n: [() => stepDoubt(1), 'N P: next, previous frame to look at'],
  p: [() => stepDoubt(-1), null],
  x: [() => setSeen(!current().seen), 'X: this frame was looked at'],
  d: [() => setTool('drag'), 'D C W: drag, correct by clicks, new contour'],
  c: [() => setTool('click'), null],
  w: [() => setTool('draw'), null],
  e: [hold, 'E: take hold of a vertex (or a place); arrows move it by a pixel, with Shift by a quarter; , . other vertex; Enter accepts, Esc lets go'],
  '<': [() => setReach(0.8), '< >: drags reach less far, farther along the contour'],
  '>': [() => setReach(1.25), null],
  s: [selectNext, 'S: select the next contour'],
  Delete: [deleteChosen, 'Delete: delete it'],
  Backspace: [deleteChosen, null],
  r: [restore, 'R: contours of this frame as they were'],
  k: [copyNext, 'K: copy to the next phase'],
  o: [() => outlineAgain(), 'O: outline again, where the contour is'],
  z: [() => history_('undo'), 'Z Y: undo, redo'],
  y: [() => history_('redo'), null],
  b: [compare, 'B: before and after, side by side'],
  '[': [() => windowBy(-0.05, 1), '[ ] { }: darker, brighter, more and less contrast'],
  ']': [() => windowBy(0.05, 1), null],
  '{': [() => windowBy(0, 0.9), null],
  '}': [() => windowBy(0, 1 / 0.9), null],
  '+': [() => zoomBy(1.2), '+ − 0: zoom, whole view; Shift and arrows pan'],
  '=': [() => zoomBy(1.2), null],
  '-': [() => zoomBy(1 / 1.2), null],
  0: [() => { page.wholeView = !page.wholeView; fit(); draw(); }, null],
  1: [() => setPhases(([, es], phase) => [phase, es]), '1 2 3: end-diastole here, end-systole here, automatic'],
  2: [() => setPhases(([ed], phase) => [ed, phase]), null],
  3: [() => setPhases(() => [null, null]), null],
  f: [() => $('reader').focus(), 'F: reader and Finish'],
  Escape: [hideRefusal, 'Esc: close a message'],
  '?': [() => help(), '?: this list'],
};
const MOUSE = ['Drag the line or a vertex: its neighborhood follows; the wheel says how far', 'Drag beside it, or the middle button: pan', 'Right button: window and level', 'Wheel: slices; with Ctrl: zoom'];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

document.addEventListener('keydown', (event) => {
  if (page.study === null || event.target.matches('input:not([type=checkbox])') || document.querySelector('dialog[open]')) return;
  if (event.target.matches('button, input') && (event.key === ' ' || event.key === 'Enter')) return;
  if ((event.ctrlKey || event.metaKey) && ['z', 'y'].includes(event.key.toLowerCase())) {
    event.preventDefault();
    history_(event.key.toLowerCase() === 'y' || event.shiftKey ? 'redo' : 'undo');
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (page.held && heldKey(event)) { event.preventDefault(); return; }
  if (event.shiftKey && event.key in ARROWS) {
    event.preventDefault();
    pan(-40 * ARROWS[event.key][0], -40 * ARROWS[event.key][1]);
    return;
  }
  const found = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  if (!found) return;
  event.preventDefault();
  if (event.key !== ' ') stop();
  found[0]();
});

function heldKey(event) {
  const contour = contoursOf(page.frame)[page.chosen];
  if (event.key in ARROWS) {
    const step = event.shiftKey ? 0.25 : 1;
    moveHeld(step * ARROWS[event.key][0], step * ARROWS[event.key][1]);
  } else if (event.key === 'Enter') acceptHeld(event.shiftKey);
  else if (event.key === 'Escape') dropHeld();
  else if ((event.key === ',' || event.key === '.') && contour && !page.drag) {
    holdVertex(contour, page.held.vertex + (event.key === '.' ? 1 : -1));
    drawContours();
  } else return false;
  return true;
}

// --- Thumbnails ----------------------------------------------------------------------------------------------------

const thumbnails = $('thumbnails'), grid = $('grid');
const sheets = new Map();

function loadSheet(number) {
  if (!sheets.has(number)) {
    sheets.set(number, null);
    call(`/api/sheet/${number}`).then((response) => response.blob()).then(createImageBitmap).then((bitmap) => {
      sheets.set(number, bitmap);
      document.body.dataset.sheets = String([...sheets.values()].filter(Boolean).length);
      drawThumbnails();
    }).catch(() => sheets.delete(number));
  }
  return sheets.get(number);
}

const cellSide = () => page.study.sheet.cell + CELL_GAP;
const cellOf = (index) => (page.study.cells ? [page.study.frames[index].phase, page.study.frames[index].slice] : [index % page.study.columns, Math.floor(index / page.study.columns)]);
const frameAt = (column, row) => (page.study.cells ? page.study.cells.get(`${row} ${column}`) : row * page.study.columns + column);

function layOut() {
  const { study } = page;
  if (study.cells || study.frames.length < 3) {
    const wanted = (study.cells ? study.columns : 1) * cellSide() + 18;
    const width = Math.min(wanted, Math.max(150, window.innerWidth * 0.35));
    document.querySelector('main').style.gridTemplateColumns = `${width}px 1fr 300px`;
  }
  if (!study.cells) {
    study.columns = Math.max(1, Math.floor((grid.clientWidth - 2) / cellSide()));
    study.rows = Math.ceil(study.frames.length / study.columns);
  }
  const space = $('grid-space');
  space.style.width = `${Math.max(grid.clientWidth, study.columns * cellSide())}px`;
  space.style.height = `${Math.max(grid.clientHeight, study.rows * cellSide())}px`;
}

let thumbnailsAsked = false;

function drawThumbnails() {
  if (thumbnailsAsked) return;
  thumbnailsAsked = true;
  requestAnimationFrame(() => { thumbnailsAsked = false; drawThumbnailsNow(); });
}

function drawThumbnailsNow() {
  const { study } = page, ratio = window.devicePixelRatio || 1, side = cellSide();
  const width = grid.clientWidth, height = grid.clientHeight;
  thumbnails.style.width = `${width}px`;
  thumbnails.style.height = `${height}px`;
  if (thumbnails.width !== Math.round(width * ratio) || thumbnails.height !== Math.round(height * ratio)) {
    thumbnails.width = Math.round(width * ratio);
    thumbnails.height = Math.round(height * ratio);
  }
  const context = thumbnails.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, -grid.scrollLeft * ratio, -grid.scrollTop * ratio);
  context.clearRect(grid.scrollLeft, grid.scrollTop, width, height);
  const top = Math.floor(grid.scrollTop / side), bottom = Math.min(study.rows - 1, Math.floor((grid.scrollTop + height) / side));
  const left = Math.floor(grid.scrollLeft / side), right = Math.min(study.columns - 1, Math.floor((grid.scrollLeft + width) / side));
  for (let row = top; row <= bottom; row += 1) {
    for (let column = left; column <= right; column += 1) {
      const index = frameAt(column, row);
      if (index !== undefined && index < study.frames.length) drawThumbnail(context, index, column * side, row * side);
    }
  }
}

function drawThumbnail(context, index, x, y) {
  const { sheet } = page.study, record = page.study.frames[index], number = Math.floor(index / sheet.page), place = index % sheet.page;
  const picture = loadSheet(number);
  loadPacket(number);
  const [height, width] = record.size, [left, top, right, bottom] = sheet.box ?? [0, 0, width, height];
  if (picture) {
    context.drawImage(picture, (place % sheet.columns) * sheet.cell, Math.floor(place / sheet.columns) * sheet.cell, sheet.cell, sheet.cell, x, y, sheet.cell, sheet.cell);
  } else {
    context.fillStyle = '#1a2028';
    context.fillRect(x, y, sheet.cell, sheet.cell);
  }
  const scale = sheet.cell / Math.max(right - left, bottom - top);
  context.save();
  context.beginPath();
  context.rect(x, y, sheet.cell, sheet.cell);
  context.clip(); // contours may leave what a thumbnail shows
  context.lineWidth = 1;
  for (const contour of record.contours ?? []) {
    const step = 2 * Math.max(1, Math.floor(contour.vertices.length / 128));
    context.strokeStyle = colorOf(contour.structure);
    context.beginPath();
    for (let i = 0; i < contour.vertices.length; i += step) context.lineTo(x + (contour.vertices[i] - left) * scale, y + (contour.vertices[i + 1] - top) * scale);
    context.closePath();
    context.stroke();
  }
  context.restore();
  if (record.doubtful || record.problems.length) { context.fillStyle = '#ff8a5c'; context.fillRect(x, y, 7, 7); }
  if (record.changed) { context.fillStyle = '#6cb6ff'; context.fillRect(x + sheet.cell - 7, y, 7, 7); }
  if (record.seen) { context.fillStyle = '#7bd88f'; context.fillRect(x + sheet.cell - 7, y + sheet.cell - 7, 7, 7); }
  if (index === page.frame) { context.strokeStyle = '#fff'; context.lineWidth = 2; context.strokeRect(x + 1, y + 1, sheet.cell - 2, sheet.cell - 2); }
}

function scrollToCell() {
  const [column, row] = cellOf(page.frame), side = cellSide();
  const limit = (value, low, high) => Math.min(Math.max(value, low), high);
  grid.scrollLeft = limit(grid.scrollLeft, (column + 1) * side - grid.clientWidth, column * side);
  grid.scrollTop = limit(grid.scrollTop, (row + 1) * side - grid.clientHeight, row * side);
}

thumbnails.addEventListener('click', (event) => {
  const box = grid.getBoundingClientRect(), side = cellSide();
  const column = Math.floor((event.clientX - box.left + grid.scrollLeft) / side), row = Math.floor((event.clientY - box.top + grid.scrollTop) / side);
  const index = column < page.study.columns ? frameAt(column, row) : undefined;
  if (index !== undefined && index < page.study.frames.length) { stop(); goTo(index); }
});
grid.addEventListener('scroll', drawThumbnails);

// --- Measures ------------------------------------------------------------------------------------------------------

const MEASURES = [
  ['ef', 'EF, %', 'Ejection fraction'], ['edv', 'EDV, mL', 'End-diastolic volume'], ['esv', 'ESV, mL', 'End-systolic volume'],
  ['sv', 'SV, mL', 'Stroke volume'], ['mass', 'Mass, g', 'Mass of the myocardium at end-diastole'],
];

/** Area in mm2 of a structure in a frame, which has it once; null otherwise. */
function areaIn(record, areas, structure) {
  if (structure === null || record.spacing === null) return null;
  const own = areas.filter(([number]) => number === structure);
  return own.length === 1 && !own[0][2] ? own[0][1] * record.spacing[0] * record.spacing[1] : null;
}

/** Whether the endocardium is outlined on an image of unknown spacing, which volumes would lack. */
const isUnscaled = () => page.study.frames.some(({ spacing, areas }) => spacing === null && areas.some(([number]) => number === page.study.inner));

/** Volumes, ejection fraction and mass, of the present contours or of those of the document. */
export function measures(before = false, live = null) {
  const { study, state } = page;
  if (study.grid === null || study.inner === null) return null;
  const entries = study.frames.map((record, index) => {
    let areas = before ? record.before ?? record.areas : record.areas;
    if (live !== null && index === page.frame) areas = live.map((contour) => [contour.structure, Math.abs(signedArea(contour.vertices)), contour.hole]);
    return { slice: record.slice, phase: record.phase, inner: areaIn(record, areas, study.inner), outer: areaIn(record, areas, study.outer) };
  });
  return heartMeasures(study.grid, isUnscaled() ? [] : entries, before ? { ed: null, es: null } : { ed: state.phases[0], es: state.phases[1] });
}

const digits = (value) => (value === null ? '–' : value.toFixed(1));
let measuresBefore = null;

function showMeasures(live = null) {
  const now = measures(false, live);
  $('heart').hidden = now === null;
  $('single').hidden = now !== null;
  if (now === null) return;
  measuresBefore ??= measures(true);
  const before = measuresBefore, rows = $('measures');
  while (rows.childElementCount < MEASURES.length) rows.append(rowOf(['', '', '']));
  MEASURES.forEach(([key, name, words], number) => {
    const cells = rows.children[number].children;
    rows.children[number].className = key === 'ef' ? 'main' : '';
    rows.children[number].title = words;
    setText(cells[0], name);
    setText(cells[1], digits(now[key]));
    setText(cells[2], digits(before[key]));
    cells[1].className = digits(now[key]) === digits(before[key]) ? '' : 'changed';
  });
  rows.dataset.ef = now.ef === null ? '' : String(now.ef);
  setText($('heart-notes'), heartNotes(now).join('\n'));
  drawCurve(now, before);
}

/** What the volumes do not say by themselves. */
function heartNotes(now) {
  const { phases } = page.state, notes = page.state.notes.map((text) => `${text[0].toUpperCase()}${text.slice(1)}`);
  const listed = (found) => `${found.slice(0, 6).map((phase) => phase + 1).join(', ')}${found.length > 6 ? ', ...' : ''} of ${page.study.columns}`;
  if (now.unseen.length) notes.push(`Not taken for ED or ES, since images of outer slices are missing: phase ${listed(now.unseen)}`);
  if (now.sparse.length) notes.push(`Not taken for ED or ES, since most slices have no contour: phase ${listed(now.sparse)}`);
  if (phases.some((phase) => phase !== null && !now.curve.has(phase))) notes.push('The phase chosen for ED or ES has no contour now: choose another one, or Automatic');
  else if (isUnscaled()) notes.push('No volumes: the pixel spacing of images with contours is not known');
  else if (now.ef === null) notes.push('No ejection fraction: it needs contours of the endocardium in two phases');
  else if (now.ed === now.es) notes.push('ED and ES are the same phase: choose another one, or Automatic');
  return notes;
}

const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };

function rowOf(texts) {
  const row = document.createElement('tr');
  texts.forEach((text, number) => {
    const cell = document.createElement(number ? 'td' : 'th');
    cell.textContent = text;
    row.append(cell);
  });
  return row;
}

function svgNode(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  if (text !== undefined) node.textContent = text;
  return node;
}

function drawCurve(now, before) {
  const svg = $('curve'), [width, height, side] = [240, 110, 26];
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const phases = page.study.columns, top = Math.max(...now.curve.values(), ...before.curve.values(), 1);
  const place = (phase, volume) => [side + ((width - side - 8) * phase) / Math.max(1, phases - 1), height - 16 - ((height - 38) * volume) / top];
  const line = (curve) => [...curve].map(([phase, volume]) => place(phase, volume).map((value) => value.toFixed(1)).join(' ')).join(' ');
  const nodes = [
    svgNode('text', { x: 0, y: 10 }, `${top.toFixed(0)} mL`),
    svgNode('text', { x: side - 4, y: height - 2 }, 'phase 1'),
    svgNode('text', { x: width - 4, y: height - 2, 'text-anchor': 'end' }, String(phases)),
    svgNode('polyline', { class: 'old', points: line(before.curve) }),
    svgNode('polyline', { class: 'line', points: line(now.curve) }),
  ];
  const [here] = place(current().phase, 0);
  nodes.push(svgNode('line', { class: 'here', x1: here, x2: here, y1: 10, y2: height - 14 }));
  for (const [phase, name] of [[now.ed, 'ED'], [now.es, 'ES']]) {
    if (phase === null) continue;
    const [x, y] = place(phase, now.curve.get(phase));
    nodes.push(svgNode('circle', { cx: x, cy: y, r: 3 }), svgNode('text', { x: x > width - 30 ? x - 18 : x + 5, y: y - 4 }, name));
  }
  svg.replaceChildren(...nodes);
}

function showAreas() {
  const rows = contoursOf(page.frame).map((contour, position) => {
    const spacing = current().spacing, area = Math.abs(signedArea(contour.vertices));
    const text = spacing === null ? `${area.toFixed(0)} px²` : `${(area * spacing[0] * spacing[1]).toFixed(1)} mm²`;
    return rowOf([`${position === page.chosen ? '▸ ' : ''}${page.study.structures[contour.structure].label}`, text]);
  });
  $('areas').replaceChildren(...rows);
}

function showPlace() {
  const record = current(), { study } = page;
  const place = study.cells ? nameOf(page.frame) : `${page.frame + 1} of ${study.frames.length}`;
  const presence = record.confidence === null || record.confidence === undefined ? '' : `\npresence ${record.confidence.toFixed(2)}${record.doubtful ? ', doubtful' : ''}`;
  $('place').textContent = `${place}${presence}`;
  $('problems').textContent = record.problems.join('\n');
  thumbnails.setAttribute('aria-label', `Frame ${place}; arrow keys choose another one`);
}

// --- Doubtful frames -----------------------------------------------------------------------------------------------

/** Frames to look at: those with problems, doubtful ones by presence, then those whose networks disagree most. */
function findDoubts() {
  const all = page.study.frames.map((record, index) => ({ index, record }));
  const wrong = all.filter(({ record }) => record.problems.length), known = all.filter(({ record }) => !record.problems.length);
  const doubtful = known.filter(({ record }) => record.doubtful).sort((a, b) => (a.record.confidence ?? 1) - (b.record.confidence ?? 1));
  const spread = known.filter(({ record }) => !record.doubtful && record.spread).sort((a, b) => b.record.spread - a.record.spread).slice(0, MOST_DOUBTS);
  page.doubts = [
    ...wrong.map(({ index, record }) => ({ index, reason: record.problems.join('; '), doubtful: true })),
    ...doubtful.map(({ index, record }) => ({ index, reason: `presence ${(record.confidence ?? 0).toFixed(2)}`, doubtful: true })),
    ...spread.map(({ index, record }) => ({ index, reason: `spread ${record.spread.toFixed(1)} px`, doubtful: false })),
  ];
}

/** A frame for people: slices and phases count from 1, as in `stack_place` of the measures; records have indices from 0. */
function nameOf(index) {
  const { study } = page, record = study.frames[index];
  return study.cells ? `slice ${record.slice + 1} of ${study.rows}, phase ${record.phase + 1} of ${study.columns}` : record.name;
}

function showDoubts() {
  const list = $('doubts');
  if (list.childElementCount !== page.doubts.length) {
    list.replaceChildren(...page.doubts.map((_, number) => {
      const item = document.createElement('li'), button = document.createElement('button');
      button.addEventListener('click', () => goTo(page.doubts[number].index));
      item.append(button);
      return item;
    }));
  }
  page.doubts.forEach(({ index, reason, doubtful }, number) => {
    const button = list.children[number].firstElementChild;
    setText(button, `${nameOf(index)}: ${reason}`);
    button.className = page.study.frames[index].seen ? 'done' : doubtful ? 'doubtful' : '';
    if (index === page.frame) button.setAttribute('aria-current', 'true'); else button.removeAttribute('aria-current');
  });
}

function stepDoubt(step) {
  if (!page.doubts.length) { say('No frame is doubtful.'); return; }
  const at = page.doubts.findIndex(({ index }) => index === page.frame);
  const next = at < 0 ? (step > 0 ? 0 : page.doubts.length - 1) : (at + step + page.doubts.length) % page.doubts.length;
  goTo(page.doubts[next].index);
}

// --- State, messages, Finish ---------------------------------------------------------------------------------------

function showButtons() {
  $('undo').disabled = !page.state.undo;
  $('redo').disabled = !page.state.redo;
  document.body.dataset.sequence = String(page.state.sequence);
  $('seen').checked = current().seen;
  showMeasures();
  showDoubts();
  drawThumbnails();
}

function showState() {
  showButtons();
  if (!page.readOnly) say(page.state.undo ? 'Saved' : '');
}

function say(text, wrong = false) {
  const status = $('status');
  status.textContent = text;
  status.className = wrong ? 'wrong' : '';
}

function tell(text, other = false) {
  $('message-text').textContent = text;
  $('take-over').hidden = !other;
  if (!$('message').open) $('message').showModal();
}

function help() {
  const texts = Object.values(KEYS).map(([, text]) => text).filter(Boolean);
  const nodes = [...texts, ...MOUSE].flatMap((text) => {
    const [left, ...rest] = text.includes(': ') ? text.split(': ') : ['', text];
    const term = document.createElement('dt'), words = document.createElement('dd');
    term.textContent = left;
    words.textContent = rest.join(': ');
    return [term, words];
  });
  $('keys').replaceChildren(...nodes);
  $('help').showModal();
}

async function finish() {
  await queue;
  $('written').textContent = 'Writing ...';
  const answer = await change({ path: '/api/finish', reader: $('reader').value, frame: null });
  if (answer === null) { $('written').textContent = ''; return; }
  const sent = answer.stored ? ` ${answer.stored} sent.` : '';
  const skipped = answer.skipped.map((text) => (text.startsWith('sending: ') ? `\nNot sent: ${text.slice(9)}` : `\nNot written: ${text}`)).join('');
  $('written').textContent = `Version ${answer.version}: ${answer.files.join(', ')}.${sent}${skipped}`;
  if (answer.findings.length) $('written').append(findingsOf(answer.findings));
  document.body.dataset.version = String(answer.version);
}

/** Findings of the new version, to be opened. */
function findingsOf(texts) {
  const box = document.createElement('details'), head = document.createElement('summary'), list = document.createElement('ul');
  head.textContent = `${texts.length} finding${texts.length > 1 ? 's' : ''}`;
  list.append(...texts.map((text) => { const item = document.createElement('li'); item.textContent = text; return item; }));
  box.append(head, list);
  return box;
}

/** Names of the structures in their colors. */
function showLegend() {
  $('legend').replaceChildren(...page.study.structures.map(({ label, color }) => {
    const item = document.createElement('span');
    item.textContent = label;
    item.style.color = `rgb(${color.join(' ')})`;
    return item;
  }));
}

for (const [id, action] of Object.entries({
  undo: () => history_('undo'), redo: () => history_('redo'), select: selectNext, delete: deleteChosen, restore, copy: copyNext,
  outline: () => outlineAgain(), play, compare, fit: KEYS[0][0], 'help-open': help, 'help-close': () => $('help').close(),
  'set-ed': KEYS[1][0], 'set-es': KEYS[2][0], 'set-auto': KEYS[3][0], 'previous-doubt': () => stepDoubt(-1), 'next-doubt': () => stepDoubt(1),
  'message-close': () => $('message').close(), 'refusal-close': hideRefusal, 'tool-drag': () => setTool('drag'), 'tool-click': () => setTool('click'), 'tool-draw': () => setTool('draw'),
})) $(id).addEventListener('click', action);
$('seen').addEventListener('change', () => setSeen($('seen').checked));
$('finish-form').addEventListener('submit', (event) => { event.preventDefault(); finish(); });
$('take-over').addEventListener('click', () => { $('message').close(); open(true); });
window.addEventListener('resize', () => { if (page.study) { layOut(); fit(); draw(); drawThumbnails(); } });
window.addEventListener('pagehide', () => { if (page.session && !page.readOnly) call('/api/leave', {}, { keepalive: true }).catch(() => undefined); });
setInterval(() => { if (page.session && !page.readOnly) call('/api/alive', {}).catch(failed); }, 20000);

async function open(takeOver = false) {
  const started = performance.now();
  try {
    page.session = (await postJson('/api/open', { take_over: takeOver })).session;
    page.readOnly = false;
    packets.clear();
    page.study = await getJson('/api/study');
    page.state = page.study.state;
    const { study } = page;
    if (study.grid !== null) {
      study.cells = new Map(study.frames.map((record, index) => [`${record.slice} ${record.phase}`, index]));
      study.rows = Math.max(...study.frames.map((record) => record.slice)) + 1;
      study.columns = Math.max(...study.frames.map((record) => record.phase)) + 1;
    }
    measuresBefore = null;
    layOut();
    showLegend();
    setText($('image-findings'), study.findings.join('\n'));
    findDoubts();
    page.frame = Math.max(0, firstFrame());
    $('reader').value ||= study.reader;
    $('finish').textContent = study.store ? 'Finish and send' : 'Finish';
    await showFrame();
    showState();
    timings.open = performance.now() - started;
    document.body.dataset.state = 'ready';
  } catch (error) {
    document.body.dataset.state = 'refused';
    tell(error.message, error.status === 423);
  }
}

/** The middle frame of those with contours. */
function firstFrame() {
  const drawnFrames = page.study.frames.map((record, index) => (record.areas.length ? index : -1)).filter((index) => index >= 0);
  return drawnFrames[Math.floor(drawnFrames.length / 2)] ?? 0;
}

open();
