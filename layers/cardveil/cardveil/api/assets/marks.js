// Polygons over the picture: drawn, chosen, and moved by mouse, touch and keys.
// ---- polygons
/** Choose a field and put the keyboard on its first corner; one without a place gets one in the middle. */
const mark = (name) => {
  const field = fieldsNow().find((one) => one.name === name);
  if (!field.polygon) {
    const { width, height } = frameOf();
    const [x, y, w, h] = [width * 0.35, height * 0.45, width * 0.3, height * 0.1].map(Math.round);
    change(name, { polygon: [[x, y], [x + w, y], [x + w, y + h], [x, y + h]] });
    showFields();
  }
  state.open.chosen = null;
  choose(name);
  const first = document.querySelector('#marks .handle');
  if (!first) return;
  if (NARROW.matches) lookAt(chosenField().polygon);
  $('figure-source').scrollIntoView({ block: 'nearest' });
  first.focus({ preventScroll: true });
};
const placed = () => fieldsNow().filter((field) => field.polygon);
const chosenField = () => (editable() && state.open.pictures.source.picture && !state.open.saving
  ? placed().find((field) => field.name === state.open.chosen && !field.again) : null);
const showMarks = () => {
  const svg = $('marks');
  if (!svg) return;
  const focused = document.activeElement && document.activeElement.matches('#marks .handle') ? document.activeElement.dataset.corner : null;
  const polygons = placed().map((field) => draw('polygon', {
    'data-field': field.name, class: `${actionOf(field.name) || 'kept'} ${field.name === state.open.chosen ? 'chosen' : ''}`, onpointerdown: () => choose(field.name),
  }, draw('title', {}, `${nameOfField(field.name)}${actionOf(field.name) ? `: ${word(`action.${actionOf(field.name)}`)}` : ''}`)));
  const chosen = chosenField();
  const corners = chosen ? [0, 1, 2, 3].flatMap((corner) => [
    draw('line', { 'data-corner': corner }), draw('circle', { class: 'dot', 'data-corner': corner }),
    draw('circle', { class: 'handle', tabindex: 0, role: 'button', 'data-corner': corner, onpointerdown: (event) => drag(event, chosen.name, corner), onkeydown: (event) => nudge(event, chosen.name, corner) }),
  ]) : [];
  // Lines across what is covered, so that it is told from what is kept without colours.
  const hatch = draw('pattern', { id: 'hatch', patternUnits: 'userSpaceOnUse' }, draw('path', {}));
  svg.replaceChildren(draw('defs', {}, hatch), ...polygons, ...corners);
  placeMarks();
  if (focused !== null && chosen) svg.querySelector(`.handle[data-corner="${focused}"]`).focus({ preventScroll: true });
};
/** Pixels of the picture for one of the window. */
const scale = (svg) => frameOf().width / (svg.getBoundingClientRect().width || 1);
const COARSE = matchMedia('(pointer: coarse)');
/** Put everything where it belongs, without making it anew: a finger may be on it. */
const placeMarks = () => {
  const svg = $('marks');
  if (!svg || !state.open) return;
  const unit = scale(svg);
  const fields = placed();
  svg.style.setProperty('--unit', unit);
  svg.querySelectorAll('polygon').forEach((node, at) => node.setAttribute('points', fields[at].polygon.map((point) => point.join(',')).join(' ')));
  fill($('hatch'), { width: 7 * unit, height: 7 * unit }, []);
  fill($('hatch').firstChild, { d: `M0 ${7 * unit}L${7 * unit} 0`, 'stroke-width': unit }, []);
  const chosen = chosenField();
  if (!chosen) return;
  const [reach, radius] = (COARSE.matches ? [26, 22] : [15, 12]).map((value) => value * unit);
  const seen = visible(svg, unit);
  const middle = [0, 1].map((axis) => chosen.polygon.reduce((sum, point) => sum + point[axis], 0) / 4);
  chosen.polygon.forEach((point, corner) => {
    // Beside the corner, away from the text: a handle on it would hide what is to be read.
    const at = point.map((value, axis) => Math.min(seen[axis][1], Math.max(seen[axis][0], value + (value < middle[axis] ? -1 : 1) * reach * Math.SQRT1_2)));
    const [line, dot, handle] = svg.querySelectorAll(`[data-corner="${corner}"]`);
    fill(line, { x1: point[0], y1: point[1], x2: at[0], y2: at[1] }, []);
    fill(dot, { cx: at[0], cy: at[1], r: 6 * unit }, []);
    fill(handle, { cx: at[0], cy: at[1], r: radius, 'aria-label': `${nameOfField(chosen.name)}, ${word('corner')} ${corner + 1}: ${point.map(Math.round).join(', ')}. ${word('corner_how')}` }, []);
  });
};
/** What of the picture is to be seen, less the room that a handle needs. */
const visible = (svg, unit) => {
  const frame = svg.closest('.frame').getBoundingClientRect();
  const box = svg.getBoundingClientRect();
  const room = 8;
  return [
    [(frame.left - box.left + room) * unit, (frame.right - box.left - room) * unit],
    [(frame.top - box.top + room) * unit, (frame.bottom - box.top - room) * unit],
  ];
};
const move = (name, corner, [x, y]) => {
  const { width, height } = frameOf();
  const polygon = placed().find((field) => field.name === name).polygon.map((point) => [...point]);
  polygon[corner] = [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
  change(name, { polygon: rounded(polygon) });
  showChanged(name);
  placeMarks();
};
const drag = (event, name, corner) => {
  event.preventDefault();
  event.stopPropagation();
  const unit = scale($('marks'));
  const from = placed().find((field) => field.name === name).polygon[corner];
  const onMove = (moved) => {
    if (moved.pointerId !== event.pointerId || !$('marks')) return;
    move(name, corner, [from[0] + (moved.clientX - event.clientX) * unit, from[1] + (moved.clientY - event.clientY) * unit]);
  };
  const onUp = (up) => {
    if (up.pointerId !== event.pointerId) return;
    for (const [kind, listener] of [['pointermove', onMove], ['pointerup', onUp], ['pointercancel', onUp]]) removeEventListener(kind, listener);
  };
  for (const [kind, listener] of [['pointermove', onMove], ['pointerup', onUp], ['pointercancel', onUp]]) addEventListener(kind, listener);
};
const nudge = (event, name, corner) => {
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  const [x, y] = placed().find((field) => field.name === name).polygon[corner];
  const far = event.shiftKey ? 10 : 1;
  move(name, corner, [x + by[0] * far, y + by[1] * far]);
  const { zoom } = viewOf('source');
  if (zoom > 1) follows(placed().find((field) => field.name === name).polygon[corner]);
};
/** Keep a corner that is moved by keys in view. */
const follows = (point) => {
  const view = viewOf('source');
  const { width, height } = frameOf();
  const at = [point[0] / width, point[1] / height];
  const room = 0.1 / view.zoom;
  const into = (from, value) => within(from, value + room - 1 / view.zoom, value - room);
  look(view, { zoom: view.zoom, x: into(view.x, at[0]), y: into(view.y, at[1]) });
};
