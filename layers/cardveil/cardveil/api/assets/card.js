// One card: opened, shown, and closed.
// ---- one card
/** Which of a picture's cards is shown, from 0; and that card, null where there is none. */
const shownCard = () => (state.open && state.open.card) || 0;
const cardOf = (sidecar) => sidecar.cards[shownCard()] || null;
const frameOf = () => { const { width, height } = state.open.answer.sidecar.source; return { width, height }; };
const draftNow = () => drafts.of(state.open.answer.ref);
const kindOf = () => {
  const card = cardOf(state.open.answer.sidecar);
  return card ? `${card.type}/${card.side}` : draftNow().kind;
};
/** What the card's policy does to a field; null where the sidecar does not tell. */
const actionOf = (name) => {
  const { policy } = state.open.answer.sidecar.pipeline;
  if (!policy) return null;
  const action = (policy.cards[kindOf().split('/')[0]] || {})[plain(name)];
  return typeof action === 'object' ? 'partly' : action === 'keep' ? 'kept' : 'covered';
};
const editable = () => may('review') && may('read_text') && Boolean(frameOf().width);

const open = async (ref, key) => {
  const serial = ++state.serial;
  const name = key ? nameOf(key) : '';
  $('desk').classList.add('opened');
  say('card', () => word('loading'));
  try {
    const answer = await call('GET', pathOf(ref));
    const { source, redaction } = answer.sidecar;
    const look = (kind) => call('GET', pathOf(ref, `/pictures/${kind}`)).then((picture) => ({ picture }), (problem) => ({ problem: refused(problem) }));
    const [original, copy] = await Promise.all([source.width && may('read_text') ? look('source') : {}, redaction ? look('redacted') : {}]);
    if (serial !== state.serial) return;
    address(source.key);
    hush('card', 'decision');
    present(answer, { source: original, copy });
    known(answer);
    $('card-title').focus({ preventScroll: true });
    scrollTo(0, 0);
  } catch (problem) {
    refused(problem);
    if (serial !== state.serial) return;
    const left = problem.code === 'card_unknown' && drafts.has(ref);
    const forget = () => { drafts.drop(ref); showList(); hush('card'); };
    say('card', () => (name ? `${name}: ` : '') + why(problem), { bad: true, buttons: () => (left ? [button('discard', forget)] : []) });
  }
};
/** Put a card on the page, with what its person had changed of it. */
const present = (answer, pictures) => {
  const older = settle(answer);
  const before = state.open;
  const seen = before && before.answer.ref === answer.ref ? shownCard() : 0;
  const card = seen < answer.sidecar.cards.length ? seen : 0;
  state.open = { answer, pictures, card, chosen: null, faults: new Map(), opened: new Map(), saving: false, decided: false, views: { source: whole(), copy: whole() } };
  // A decision leaves the same picture in view; all else is seen as a whole first.
  if (before && before.pictures.source === pictures.source) state.open.views = before.views;
  else if (before) forget(before.pictures);
  $('desk').classList.add('opened');
  showCard();
  if (older) say('card', () => word('changed_meanwhile'));
};
const close = () => {
  state.serial += 1;
  if (state.open) forget(state.open.pictures);
  state.open = null;
  for (const id of ['card-body', 'actions', 'card-history']) $(id).replaceChildren();
  $('card-title').textContent = word('no_card_open');
  $('desk').classList.remove('opened');
  hush('card', 'decision');
  showList();
};

const showCard = () => {
  const { answer, pictures } = state.open;
  const { sidecar } = answer;
  const card = cardOf(sidecar);
  $('card-title').textContent = nameOf(sidecar.source.key);
  const list = (title, items, kind) => (items.length ? [make('h3', {}, word(title)), make('ul', { class: kind }, ...items)] : []);
  const findings = sidecar.findings.map((code) => make('li', { 'data-finding': code }, found(`finding.${code}`) || found(`problem.${code}`) || code));
  const warnings = sidecar.warnings.map((warning) => make('li', {}, word(`warning.${warning.name}`)));
  const history = (sidecar.history || []).map((entry) => make('li', {},
    `${when(entry.at)}, ${entry.by}: ${word(`decision.${entry.decision}`)}`,
    entry.fields.length ? ` (${listed(entry.fields.map((name, at) => fieldName((entry.cards || [])[at], name)))})` : '', entry.reason ? ` — ${entry.reason}` : ''));
  const kind = card ? word(`kind.${card.type}/${card.side}`) : '';
  $('card-body').replaceChildren(
    make('p', { class: 'row' }, badge(sidecar.status), kind, sidecar.redaction ? make('span', { class: 'note' }, `${word('policy')}: ${sidecar.redaction.policy}`) : null),
    ...list('findings', findings, 'findings'),
    ...list('warnings', warnings, 'findings'),
    ...(sidecar.cards.length > 1 ? [tabs(sidecar.cards)] : []),
    make('div', { class: 'pictures' }, figure('source', pictures.source, sourceMissing), figure('copy', pictures.copy, () => word('copy_none'))),
    ...(card || draftNow().kind ? [make('h3', {}, word('fields')), sealedHere() ? button('restore', openSealed, { id: 'restore' }) : null, make('ul', { id: 'fields', 'data-label': 'fields', 'aria-label': word('fields') })] : []),
  );
  $('card-history').replaceChildren(...list('history', history, 'history'));
  $('actions').replaceChildren();
  showFields();
  showActions();
  showMarks();
  showViews();
};
/** Whether the shown card keeps sealed texts that this person may have opened. */
const sealedHere = () => may('restore') && (state.open.answer.restorable[shownCard()] || []).length > 0;
/** Have the card's sealed texts opened, for as long as the card stands on the page: they become no draft. */
const openSealed = async () => {
  const { answer } = state.open;
  const reason = await askCode(word('restore_why'), word('restore'));
  if (!reason) return;
  try {
    const told = await call('POST', pathOf(answer.ref, '/restore'), { reason });
    if (!state.open || state.open.answer !== answer) return;
    for (const { page, card, name, text, normalized } of told.fields) if (page === null) state.open.opened.set(fieldName(card, name), text || normalized);
    hush('card');
    showFields();
  } catch (problem) {
    refused(problem);
    say('card', () => why(problem), { bad: true });
  }
};
/** The picture once for all places that show it or a part of it. */
const addressOfPicture = (picture) => {
  picture.blob ??= URL.createObjectURL(new Blob([Uint8Array.from(atob(picture.base64), (c) => c.charCodeAt(0))], { type: picture.media_type }));
  return picture.blob;
};
const forget = (pictures) => { for (const { picture } of Object.values(pictures)) if (picture && picture.blob) URL.revokeObjectURL(picture.blob); };
/** One tab for each card of the picture. */
const tabs = (cards) => make('div', { id: 'tabs', class: 'row', role: 'tablist', 'aria-label': word('cards') }, ...cards.map((card, at) => make('button', {
  type: 'button', role: 'tab', 'data-card': at, 'aria-selected': String(at === shownCard()), 'aria-controls': 'card-body',
  onclick: () => { Object.assign(state.open, { card: at, chosen: null }); showCard(); document.querySelector(`#tabs [data-card="${at}"]`).focus(); },
}, `${at + 1}. ${word(`kind.${card.type}/${card.side}`)}`)));
const sourceMissing = () => word(!may('read_text') ? 'source_hidden' : 'source_unreadable');
const figure = (name, { picture, problem }, none) => {
  if (!picture) return make('figure', { id: `figure-${name}` }, make('figcaption', {}, word(name)), make('p', { class: problem ? 'none bad' : 'none' }, problem ? why(problem) : none()));
  const image = make('img', { alt: word(name), draggable: 'false', src: addressOfPicture(picture), width: picture.shown_width, height: picture.shown_height });
  const marked = name === 'source' || !state.open.pictures.source.picture;
  const { width, height } = frameOf();
  const marks = marked ? draw('svg', { id: 'marks', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'group', 'aria-label': word('fields') }) : null;
  const caption = make('figcaption', { class: 'row' }, word(name), zoomButtons(name));
  return make('figure', { id: `figure-${name}` }, caption, viewer(name, make('div', { class: 'sheet' }, image, marks)), marked ? legend() : null);
};
/** Says what the outlines mean: by stroke and filling, not by colour alone. */
const legend = () => make('p', { class: 'legend note' }, ...['covered', 'partly', 'kept'].filter((action) => fieldsNow().some((field) => actionOf(field.name) === action)).map((action) => make('span', { class: `tag ${action}` }, word(`action.${action}`))));
