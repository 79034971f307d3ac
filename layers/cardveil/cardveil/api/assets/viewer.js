// Looking closer at a picture: zoomed and moved by wheel, two fingers, keys and buttons.
// ---- zoom and pan
const MOST_ZOOM = 8;
const NARROW = matchMedia('(max-width: 56rem)');
/** What of a picture is looked at: how much larger, and which part of it is at the left and top. */
const whole = () => ({ zoom: 1, x: 0, y: 0 });
/** A copy that was cut to the card has a frame of its own; any other is looked at together with its source. */
const viewOf = (name) => {
  const { sidecar } = state.open.answer;
  const { crop } = pageOf(sidecar) || sidecar.redaction || {};
  const { width, height } = frameOf();
  const cut = crop && !same(crop, [0, 0, width, height]);
  return state.open.views[cut ? name : 'source'];
};
const within = (value, least, most) => Math.min(most, Math.max(least, value));
const look = (view, { zoom, x, y }) => {
  view.zoom = within(zoom, 1, MOST_ZOOM);
  view.x = within(x, 0, 1 - 1 / view.zoom);
  view.y = within(y, 0, 1 - 1 / view.zoom);
  showViews();
};
/** Zoom so that what lies at a place of the window (shares of the frame) stays there. */
const zoomBy = (view, factor, [left, top] = [0.5, 0.5]) => {
  const zoom = within(view.zoom * factor, 1, MOST_ZOOM);
  look(view, { zoom, x: view.x + left / view.zoom - left / zoom, y: view.y + top / view.zoom - top / zoom });
};
const showViews = () => {
  for (const name of ['source', 'copy']) {
    const frame = document.querySelector(`#figure-${name} .frame`);
    if (!frame) continue;
    const { zoom, x, y } = viewOf(name);
    // Through the object model: the page's own policy lets no style attribute in.
    frame.firstChild.style.transform = zoom === 1 ? '' : `translate(${-x * zoom * 100}%, ${-y * zoom * 100}%) scale(${zoom})`;
    frame.classList.toggle('zoomed', zoom > 1);
    const figure = frame.closest('figure');
    figure.querySelector('.zoom-all').textContent = `${Math.round(zoom * 100)}%`;
    figure.querySelector('.zoom-out').disabled = zoom === 1;
    figure.querySelector('.zoom-in').disabled = zoom === MOST_ZOOM;
  }
  placeMarks();
};
/** Bring a field's place close enough to work on it with a thumb. */
const lookAt = (polygon) => {
  const { width, height } = frameOf();
  const [xs, ys] = [0, 1].map((axis) => polygon.map((point) => point[axis] / [width, height][axis]));
  const [w, h] = [xs, ys].map((all) => Math.max(...all) - Math.min(...all));
  const zoom = within(0.55 / Math.max(w, h), 1, 4);
  look(viewOf('source'), { zoom, x: Math.min(...xs) + w / 2 - 0.5 / zoom, y: Math.min(...ys) + h / 2 - 0.5 / zoom });
};
const zoomButtons = (name) => make('span', { class: 'zoom' },
  make('button', { type: 'button', class: 'zoom-out', 'aria-label': `${word(name)}: ${word('zoom_out')}`, onclick: () => zoomBy(viewOf(name), 1 / 1.5) }, '−'),
  make('button', { type: 'button', class: 'zoom-all', title: word('zoom_all'), onclick: () => look(viewOf(name), whole()) }, '100%'),
  make('button', { type: 'button', class: 'zoom-in', 'aria-label': `${word(name)}: ${word('zoom_in')}`, onclick: () => zoomBy(viewOf(name), 1.5) }, '+'));

/** Whether the pointer was moved onto a picture, and not the page under the pointer. */
let aimed = false;
addEventListener('scroll', () => { aimed = false; }, { passive: true });
const shareOf = (frame, x, y) => { const box = frame.getBoundingClientRect(); return [(x - box.left) / box.width, (y - box.top) / box.height]; };
const viewer = (name, sheet) => {
  const frame = make('div', { class: 'frame', tabindex: 0, role: 'group', 'aria-label': `${word(name)}. ${word('zoom_how')}`, onkeydown: (event) => viewKey(event, name) }, sheet);
  const fingers = new Map();
  let before = null;
  const begin = () => {
    const [one, other] = fingers.values();
    before = { ...viewOf(name), one, other };
  };
  const onMove = (event) => {
    if (!fingers.has(event.pointerId) || !state.open) return;
    fingers.set(event.pointerId, shareOf(frame, event.clientX, event.clientY));
    const [one, other] = fingers.values();
    if (fingers.size === 1) {
      look(viewOf(name), { zoom: before.zoom, x: before.x - (one[0] - before.one[0]) / before.zoom, y: before.y - (one[1] - before.one[1]) / before.zoom });
    } else if (fingers.size === 2) {
      const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 0.01;
      const middle = (a, b) => a.map((value, axis) => (value + b[axis]) / 2);
      const zoom = within(before.zoom * apart(one, other) / apart(before.one, before.other), 1, MOST_ZOOM);
      const [from, to] = [middle(before.one, before.other), middle(one, other)];
      look(viewOf(name), { zoom, x: before.x + from[0] / before.zoom - to[0] / zoom, y: before.y + from[1] / before.zoom - to[1] / zoom });
    }
  };
  const onUp = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (fingers.size) begin();
    else for (const [kind, listener] of listeners) removeEventListener(kind, listener);
  };
  const listeners = [['pointermove', onMove], ['pointerup', onUp], ['pointercancel', onUp]];
  frame.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    if (!fingers.size) for (const [kind, listener] of listeners) addEventListener(kind, listener);
    fingers.set(event.pointerId, shareOf(frame, event.clientX, event.clientY));
    begin();
  });
  frame.addEventListener('pointermove', () => { aimed = true; });
  frame.addEventListener('wheel', (event) => {
    const view = viewOf(name);
    const factor = Math.exp(-event.deltaY * (event.deltaMode ? 16 : 1) * 0.002);
    if (!(event.ctrlKey || event.metaKey || aimed) || (factor < 1 && view.zoom === 1)) return;
    event.preventDefault();
    zoomBy(view, factor, shareOf(frame, event.clientX, event.clientY));
  }, { passive: false });
  // One finger scrolls the page as long as nothing is zoomed; two fingers, and one on a corner, are ours.
  const ours = (event) => { if (event.touches.length > 1 || event.target.closest('.handle')) event.preventDefault(); };
  frame.addEventListener('touchstart', ours, { passive: false });
  frame.addEventListener('touchmove', ours, { passive: false });
  return frame;
};
const zoomKey = (event, view) => {
  const factor = { '+': 1.5, '=': 1.5, '-': 1 / 1.5 }[event.key];
  if (factor) zoomBy(view, factor); else if (event.key === '0') look(view, whole()); else return;
  event.preventDefault();
};
const viewKey = (event, name) => {
  const view = viewOf(name);
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (event.ctrlKey || event.altKey || event.metaKey || !by || view.zoom === 1) return;
  event.preventDefault();
  look(view, { zoom: view.zoom, x: view.x + 0.15 * by[0] / view.zoom, y: view.y + 0.15 * by[1] / view.zoom });
};
