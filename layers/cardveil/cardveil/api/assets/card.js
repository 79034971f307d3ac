// One card: its pictures, polygons and texts, and what is decided over it.
// ---- one card
const open = async (ref) => {
  const serial = ++state.serial;
  say(word('loading'));
  try {
    const answer = await call('GET', pathOf(ref));
    const source = answer.sidecar.source.width && may('read_text') ? call('GET', pathOf(ref, '/pictures/source')) : null;
    const copy = answer.sidecar.redaction ? call('GET', pathOf(ref, '/pictures/redacted')) : null;
    const pictures = { source: await source, copy: await copy };
    if (serial !== state.serial) return answer;
    state.open = { answer, pictures, changes: new Map(), chosen: null, kind: null };
    showCard();
    showList();
    $('card-title').focus({ preventScroll: true });
    say(`${word('opened')}: ${nameOf(answer.sidecar.source.key)}, ${word(`status.${answer.sidecar.status}`)}`);
    return answer;
  } catch (problem) {
    if (serial === state.serial) failed(problem);
    return null;
  }
};
const frameOf = () => { const { width, height } = state.open.answer.sidecar.source; return { width, height }; };
/** The card that is shown: the first of the picture. */
const cardOf = () => state.open.answer.sidecar.cards[0] || null;
const kindOf = () => {
  const card = cardOf();
  return state.open.kind || (card ? `${card.type}/${card.side}` : 'IDCard/front');
};
/** The fields as they would be sent: what the sidecar says, with what was changed here. */
const fieldsNow = () => {
  const { changes } = state.open;
  const card = cardOf();
  const known = card ? card.fields : [];
  const names = new Set(known.map((field) => field.name));
  const added = [...changes.keys()].filter((name) => !names.has(name)).map((name) => ({ name, text: null, score: null, polygon: null, checks: [] }));
  return [...known, ...added].map((field) => ({ ...field, ...changes.get(field.name) }));
};
const change = (name, part) => {
  state.open.changes.set(name, { ...state.open.changes.get(name), ...part });
  showActions();
};
const choose = (name) => {
  state.open.chosen = name;
  for (const row of document.querySelectorAll('#fields tr[data-field]')) row.classList.toggle('chosen', row.dataset.field === name);
  showMarks();
};

const showCard = () => {
  const { answer, pictures } = state.open;
  const { sidecar } = answer;
  $('card-title').textContent = nameOf(sidecar.source.key);
  const list = (title, items, kind) => (items.length ? [make('h3', {}, word(title)), make('ul', { class: kind }, ...items)] : []);
  const findings = sidecar.findings.map((code) => make('li', { 'data-finding': code }, word(`finding.${code}`)));
  const warnings = sidecar.warnings.map((warning) => make('li', {}, word(`warning.${warning.name}`)));
  const history = (sidecar.history || []).map((entry) => make('li', {},
    `${when(entry.at)}, ${entry.by}: ${word(`decision.${entry.decision}`)}`,
    entry.fields.length ? ` (${entry.fields.map((name) => word(`name.${name}`)).join(', ')})` : '', entry.reason ? ` — ${entry.reason}` : ''));
  const card = cardOf();
  const kind = card ? word(`kind.${card.type}/${card.side}`) : '';
  $('card-body').replaceChildren(
    make('p', { class: 'row' }, badge(sidecar.status), kind, sidecar.redaction ? make('span', { class: 'note' }, `${word('policy')}: ${sidecar.redaction.policy}`) : null),
    ...list('findings', findings, 'findings'),
    ...list('warnings', warnings, 'findings'),
    make('div', { class: 'pictures' },
      figure('source', pictures.source, word('source_hidden'), true),
      figure('copy', pictures.copy, word('copy_none'), !pictures.source)),
    make('h3', {}, word('fields')),
    make('div', { class: 'scroll' }, make('table', { id: 'fields' })),
    make('div', { id: 'actions' }),
    ...list('history', history, 'history'),
  );
  showFields();
  showMarks();
};
const figure = (name, picture, none, marked) => {
  const shown = picture
    ? make('img', { alt: word(name), src: `data:${picture.media_type};base64,${picture.base64}`, width: picture.shown_width, height: picture.shown_height })
    : make('p', { class: 'none' }, none);
  const { width, height } = frameOf();
  const marks = picture && marked
    ? draw('svg', { id: 'marks', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'group', 'aria-label': word('fields') }) : null;
  return make('figure', { id: `figure-${name}` }, make('figcaption', {}, word(name)), make('div', { class: 'frame' }, shown, marks));
};

const showFields = () => {
  const { answer } = state.open;
  const mine = may('review') && may('read_text') && answer.sidecar.source.width;
  const rows = fieldsNow().map((field) => {
    const masked = (answer.masked[0] || []).includes(field.name);
    const id = `text-${field.name}`;
    const checks = field.checks.map((one) => make('span', { class: `check ${one.passed ? '' : 'failed'}` }, `${one.passed ? '✓' : '✗'} ${word(`check.${one.name}`)}`));
    const text = masked ? make('span', { class: 'note' }, word('masked'))
      : field.name === 'portrait' || !mine ? (field.text || '')
        : make('input', { id, value: field.text || '', 'aria-label': word(`name.${field.name}`), autocomplete: 'off', onfocus: () => choose(field.name), oninput: (event) => change(field.name, { text: event.target.value }) });
    const place = mine ? make('button', { type: 'button', onclick: () => mark(field.name), 'aria-label': `${word('mark')}: ${word(`name.${field.name}`)}` }, word('mark')) : null;
    return make('tr', { 'data-field': field.name },
      make('th', { scope: 'row' }, word(`name.${field.name}`)), make('td', {}, text),
      make('td', {}, field.score === null ? '' : String(Math.round(field.score))),
      make('td', { class: 'note' }, ...(field.polygon ? checks : [word('not_located')])), make('td', {}, place));
  });
  const head = ['field', 'text', 'score', 'checks', 'mark'].map((name) => make('th', { scope: 'col' }, word(name)));
  $('fields').replaceChildren(make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...rows));
  showActions();
};

/** Choose a field and put the keyboard on its first corner; one without a place gets one in the middle. */
const mark = (name) => {
  const field = fieldsNow().find((one) => one.name === name);
  if (!field || !field.polygon) {
    const { width, height } = frameOf();
    const [x, y, w, h] = [width * 0.35, height * 0.45, width * 0.3, height * 0.1].map(Math.round);
    change(name, { polygon: [[x, y], [x + w, y], [x + w, y + h], [x, y + h]] });
    showFields();
  }
  choose(name);
  const first = document.querySelector('#marks circle');
  if (first) first.focus();
};

// ---- polygons
const showMarks = () => {
  const svg = $('marks');
  if (!svg) return;
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.corner : undefined;
  const editable = may('review') && Boolean(state.open.pictures.source);
  const marks = fieldsNow().filter((field) => field.polygon).map((field) => draw('polygon', {
    points: field.polygon.map((point) => point.join(',')).join(' '), 'data-field': field.name,
    class: field.name === state.open.chosen ? 'chosen' : '', onpointerdown: () => choose(field.name),
  }, draw('title', {}, word(`name.${field.name}`))));
  const chosen = editable ? fieldsNow().find((field) => field.name === state.open.chosen && field.polygon) : null;
  const corners = chosen ? chosen.polygon.map(([x, y], index) => draw('circle', {
    cx: x, cy: y, r: 6 * scale(svg), tabindex: 0, role: 'button', 'data-corner': index,
    'aria-label': `${word(`name.${chosen.name}`)}, ${word('corner')} ${index + 1}: ${Math.round(x)}, ${Math.round(y)}. ${word('corner_how')}`,
    onpointerdown: (event) => drag(event, chosen.name, index), onkeydown: (event) => nudge(event, chosen.name, index),
  })) : [];
  svg.replaceChildren(...marks, ...corners);
  if (focused !== undefined && corners[focused]) corners[focused].focus();
};
const scale = (svg) => frameOf().width / (svg.getBoundingClientRect().width || 1);
const move = (name, index, [x, y]) => {
  const { width, height } = frameOf();
  const polygon = fieldsNow().find((field) => field.name === name).polygon.map((point) => [...point]);
  polygon[index] = [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))].map((value) => Math.round(value * 10) / 10);
  change(name, { polygon });
  showMarks();
};
const drag = (event, name, index) => {
  event.preventDefault();
  const svg = $('marks');
  const onMove = (moved) => {
    const box = svg.getBoundingClientRect();
    const { width, height } = frameOf();
    move(name, index, [(moved.clientX - box.left) * width / box.width, (moved.clientY - box.top) * height / box.height]);
  };
  const onUp = () => { removeEventListener('pointermove', onMove); removeEventListener('pointerup', onUp); removeEventListener('pointercancel', onUp); };
  addEventListener('pointermove', onMove);
  addEventListener('pointerup', onUp);
  addEventListener('pointercancel', onUp);
};
const nudge = (event, name, index) => {
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!by) return;
  event.preventDefault();
  const [x, y] = fieldsNow().find((field) => field.name === name).polygon[index];
  const far = event.shiftKey ? 10 : 1;
  move(name, index, [x + by[0] * far, y + by[1] * far]);
};

// ---- deciding
const showActions = () => {
  const place = $('actions');
  if (!place || !may('review')) return;
  const { answer, changes } = state.open;
  const dirty = changes.size > 0 || Boolean(state.open.kind);
  const readable = Boolean(answer.sidecar.source.width);
  if (!place.firstChild) place.append(...actions(readable));
  $('accept').textContent = word(dirty ? 'save' : 'accept');
  $('accept').disabled = !readable || !(cardOf() || state.open.kind);
  $('discard').disabled = !dirty;
  $('changed').textContent = changes.size ? word('changed', { names: [...changes.keys()].map((name) => word(`name.${name}`)).join(', ') }) : '';
};
const actions = (readable) => {
  const option = (value, text) => make('option', { value }, text);
  const known = new Set(fieldsNow().map((field) => field.name));
  const missing = FIELDS[kindOf()].filter((name) => !known.has(name));
  const kinds = cardOf() ? null : make('p', { class: 'row' },
    make('label', { for: 'kind' }, word('card_kind')),
    make('select', { id: 'kind', onchange: (event) => { state.open.kind = event.target.value; showCard(); } },
      option('', '—'), ...Object.keys(FIELDS).map((kind) => option(kind, word(`kind.${kind}`)))));
  if (kinds && state.open.kind) kinds.querySelector('select').value = state.open.kind;
  const add = may('read_text') && missing.length ? make('p', { class: 'row' },
    make('label', { for: 'add' }, word('add')),
    make('select', { id: 'add' }, ...missing.map((name) => option(name, word(`name.${name}`)))),
    make('button', { type: 'button', id: 'add-it', onclick: () => { const name = $('add').value; $('actions').replaceChildren(); mark(name); } }, word('mark')),
    make('span', { class: 'note' }, word('add_how'))) : null;
  const parts = word('keys', { a: '{a}', r: '{r}', n: '{n}', p: '{p}' }).split(/\{(\w)\}/).map((part, at) => (at % 2 ? make('kbd', {}, part.toUpperCase()) : part));
  return [
    readable ? kinds : null, readable ? add : null,
    make('p', { class: 'note', id: 'changed' }),
    make('div', { class: 'row' }, make('label', { for: 'reason' }, word('reason')), make('input', { id: 'reason', maxlength: 500, autocomplete: 'off' })),
    make('div', { class: 'row' },
      make('button', { type: 'button', id: 'accept', class: 'primary', 'aria-keyshortcuts': 'A', onclick: () => decide('accept') }),
      make('button', { type: 'button', id: 'reject', class: 'danger', 'aria-keyshortcuts': 'R', onclick: () => decide('reject') }, word('reject')),
      make('button', { type: 'button', id: 'discard', onclick: () => { state.open.changes.clear(); state.open.kind = null; showCard(); } }, word('discard'))),
    make('p', { class: 'note' }, ...parts),
  ].filter(Boolean);
};
const decide = async (decision) => {
  const { answer, changes, kind } = state.open;
  const request = { decision, version: answer.version, reason: $('reason').value };
  if (decision === 'accept' && (changes.size || kind)) {
    request.decision = 'correct';
    request.fields = [...changes].map(([name, part]) => ({ name, ...part }));
    if (kind) [request.card_type, request.side] = kind.split('/');
  }
  for (const button of document.querySelectorAll('#actions button')) button.disabled = true;
  say(word('saving'));
  try {
    const done = await call('POST', pathOf(answer.ref, '/review'), request);
    await open(done.ref);
    say(word('saved', { status: word(`status.${done.sidecar.status}`) }));
    list();
  } catch (problem) {
    for (const button of document.querySelectorAll('#actions button')) button.disabled = false;
    showActions();
    failed(problem);
  }
};
