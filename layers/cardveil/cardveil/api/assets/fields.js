// The fields of the open card: their texts, and what was changed of them.
// ---- fields
/** The fields as they would be sent: what the sidecar says, with what was changed here. */
const fieldsNow = () => {
  const { answer } = state.open;
  const card = cardOf(answer.sidecar);
  const known = card ? card.fields : [];
  const names = new Set(known.map((field) => field.name));
  const empty = editable() && kindOf() ? FIELDS[kindOf()].filter((name) => !names.has(name)) : [];
  const added = empty.map((name) => ({ name, text: null, score: null, polygon: null, checks: [] }));
  const changes = draftNow().fields;
  const seen = new Set();
  const own = [...known, ...added].map((field) => ({ ...field, name: fieldName(shownCard(), field.name) }));
  return own.filter((field) => {
    // A new place takes the place of all that were found; a field in a second place is covered there, too.
    const again = seen.has(field.name);
    seen.add(field.name);
    return !again || !(changes[field.name] && changes[field.name].polygon);
  }).map((field, at, all) => (all.findIndex((each) => each.name === field.name) < at ? { ...field, again: true } : { ...field, ...changes[field.name] }));
};
const rowOf = (name) => $('fields') && $('fields').querySelector(`[data-field="${name}"]`);
const choose = (name) => {
  if (state.open.chosen === name) return;
  state.open.chosen = name;
  for (const row of document.querySelectorAll('#fields [data-field]')) row.classList.toggle('chosen', row.dataset.field === name);
  showMarks();
};
const tag = (name) => { const action = actionOf(name); return action ? make('span', { class: `tag ${action}` }, word(`action.${action}`)) : null; };

const showFields = () => {
  if (!$('fields')) return;
  $('fields').replaceChildren(...fieldsNow().map(fieldRow));
};
const fieldRow = (field) => {
  const { answer, faults, chosen } = state.open;
  const { name } = field;
  const mine = editable() && !field.again;
  const hidden = (answer.masked[shownCard()] || []).includes(plain(name));
  const typed = mine && plain(name) !== 'portrait' && !hidden;
  const text = hidden ? make('span', { class: 'note' }, word('masked'))
    : typed ? make('input', {
      id: `text-${name}`, value: field.text || '', placeholder: field.shown || '', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': `problem-${name}`,
      'aria-invalid': String(faults.has(name)), onfocus: () => choose(name), oninput: (event) => { change(name, { text: event.target.value }); showChanged(name); },
    }) : make('span', {}, field.text || field.shown || '');
  const checks = field.checks.map((one) => make('span', { class: `check ${one.passed ? '' : 'failed'}` }, `${one.passed ? '✓' : '✗'} ${word(`check.${one.name}`)}`));
  const opened = state.open.opened.get(name);
  const strip = field.polygon && editable() && !field.again ? stripOf(name, field.polygon) : null;
  const notes = [...checks, field.polygon ? null : make('span', { class: 'check' }, word('not_located')), field.again ? make('span', { class: 'check' }, word('second_place')) : null];
  return make('li', { 'data-field': name, class: `field ${chosen === name ? 'chosen' : ''}` },
    make('div', { class: 'what' }, make(typed ? 'label' : 'span', { class: 'label', for: typed ? `text-${name}` : null }, nameOfField(name)), ' ', tag(name)),
    make('div', { class: 'text' }, text, opened ? make('p', { class: 'opened-text' }, word('restored', { text: opened })) : null, make('p', { class: 'problem bad', id: mine ? `problem-${name}` : null }, faults.has(name) ? word(`fault.${faults.get(name)}`) : ''), strip),
    make('div', { class: 'note' }, field.score === null ? null : make('span', { class: 'check' }, word('score_of', { score: Math.round(field.score) })), ...notes),
    make('div', { class: 'buttons' },
      mine ? button('mark', () => mark(name), { class: 'mark', 'aria-label': `${word('mark')}: ${nameOfField(name)}` }) : null,
      mine ? button('undo', () => revert(name), { class: 'revert', hidden: !draftNow().fields[name], 'aria-label': `${word('undo')}: ${nameOfField(name)}` }) : null));
};
/** The part of the picture around a field's place, as an SVG names it. */
const boxAround = (polygon) => {
  const [xs, ys] = [0, 1].map((axis) => polygon.map((point) => point[axis]));
  const room = 0.25 * (Math.max(...ys) - Math.min(...ys));
  return [Math.min(...xs) - room, Math.min(...ys) - room, Math.max(...xs) - Math.min(...xs) + 2 * room, Math.max(...ys) - Math.min(...ys) + 2 * room].join(' ');
};
/** The field's place cut out of the picture, to be compared while its text is typed; seen with the chosen field. */
const stripOf = (name, polygon) => {
  const { picture } = state.open.pictures.source;
  return picture ? draw('svg', { class: 'strip', viewBox: boxAround(polygon), role: 'img', 'aria-label': `${word('source')}: ${nameOfField(name)}` },
    draw('image', { href: addressOfPicture(picture), ...frameOf(), preserveAspectRatio: 'none' })) : null;
};
const showChanged = (name) => {
  const row = rowOf(name);
  if (!row) return;
  const undo = row.querySelector('.revert');
  const strip = row.querySelector('.strip');
  if (undo) undo.hidden = !draftNow().fields[name];
  if (strip) fill(strip, { viewBox: boxAround(placed().find((field) => field.name === name).polygon) }, []);
};
const revert = (name) => {
  const draft = structuredClone(draftNow());
  delete draft.fields[name];
  keep(draft);
  showFields();
  showMarks();
  const input = $(`text-${name}`) || rowOf(name).querySelector('.mark');
  input.focus();
};
