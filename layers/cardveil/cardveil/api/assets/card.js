// One card: opened, shown, and closed.
// ---- one card
/** All cards, a document's page by page, in the order by which decisions number them. */
const cardsOf = (sidecar) => (sidecar.pages ? sidecar.pages.flatMap((page) => page.cards) : sidecar.cards);
/** What tabs lead to: every card with its page, and the pages without a card; one where there is neither. */
const placesOf = (sidecar) => {
  let number = 0;
  const found = (sidecar.pages || [sidecar]).flatMap((part, page) => (part.cards.length ? part.cards.map(() => ({ page, card: number++ })) : [{ page, card: -1 }]));
  return sidecar.pages ? found : found.map(({ card }) => ({ page: 0, card: Math.max(card, 0) }));
};
/** Which card is shown, from 0, and on which page; and that card, null where none was found, or it is to be added. */
const shownPlace = () => (state.open && state.open.place) || { page: 0, card: 0 };
const shownCard = () => (shownPlace().card < 0 ? cardsOf(state.open.answer.sidecar).length : shownPlace().card);
const cardOf = (sidecar) => cardsOf(sidecar)[shownCard()] || null;
const pageOf = (sidecar) => (sidecar.pages ? sidecar.pages[shownPlace().page] : null);
/** What was found of the page that is shown, and of the document as a whole. */
const findingsOf = (sidecar) => (sidecar.pages ? [...sidecar.findings.filter((code) => !sidecar.pages.some((page) => page.findings.includes(code))), ...pageOf(sidecar).findings] : sidecar.findings);
const frameOf = () => { const { sidecar } = state.open.answer; const { width, height } = pageOf(sidecar) || sidecar.source; return { width, height }; };
const draftNow = () => drafts.of(state.open.answer.ref);
const kindOf = () => {
  const card = cardOf(state.open.answer.sidecar);
  const { kind, page } = draftNow();
  return card ? `${card.type}/${card.side}` : (page || 0) === shownPlace().page ? kind : '';
};
/** What the card's policy does to a field; null where the sidecar does not tell. */
const actionOf = (name) => {
  const { policy } = state.open.answer.sidecar.pipeline;
  if (!policy) return null;
  const action = (policy.cards[kindOf().split('/')[0]] || {})[plain(name)];
  return typeof action === 'object' ? 'partly' : action === 'keep' ? 'kept' : 'covered';
};
const editable = () => may('review') && may('read_text') && Boolean(frameOf().width);

/** While a card is on its way the one before it takes nothing: what was meant for one would go to the other. */
const still = (on) => { for (const id of ['card-body', 'actions']) $(id).inert = on; };
const open = async (ref, key) => {
  const serial = ++state.serial;
  const name = key ? nameOf(key) : '';
  $('desk').classList.add('opened');
  say('card', () => word('loading'));
  still(true);
  try {
    const answer = await call('GET', pathOf(ref));
    const { sidecar } = answer;
    // Of a document, the page of the first card.
    const place = placesOf(sidecar).find((one) => one.card >= 0) || placesOf(sidecar)[0];
    const pictures = await picturesOf(answer, place.page);
    if (serial !== state.serial) return;
    address(sidecar.source.key);
    hush('card', 'decision');
    still(false);
    present(answer, pictures, place);
    known(answer);
    $('card-title').focus({ preventScroll: true });
    scrollTo(0, 0);
  } catch (problem) {
    refused(problem);
    if (serial !== state.serial) return;
    still(false);
    const left = problem.code === 'card_unknown' && drafts.has(ref);
    const forget = () => { drafts.drop(ref); showList(); hush('card'); };
    say('card', () => (name ? `${name}: ` : '') + why(problem), { bad: true, buttons: () => (left ? [button('discard', forget)] : []) });
  }
};
/** Ask for a picture of a card, or of a page of a document. */
const pictureOf = ({ ref, sidecar }, kind, page) => call('GET', pathOf(ref, `/pictures/${kind}${sidecar.pages ? `?page=${page}` : ''}`)).then((picture) => ({ picture }), (problem) => ({ problem: refused(problem) }));
const picturesOf = async (answer, page) => {
  const { sidecar } = answer;
  const { width } = sidecar.pages ? sidecar.pages[page] : sidecar.source;
  const [source, copy] = await Promise.all([width && may('read_text') ? pictureOf(answer, 'source', page) : {}, sidecar.redaction ? pictureOf(answer, 'redacted', page) : {}]);
  return { source, copy };
};
/** Show another card, and the page that it is on. */
const show = async (place) => {
  const opened = state.open;
  const { answer, pictures } = opened;
  const other = place.page !== shownPlace().page;
  const serial = other ? ++state.serial : state.serial;
  if (other) say('card', () => word('loading'));
  const shown = other ? await picturesOf(answer, place.page) : pictures;
  if (serial !== state.serial || state.open !== opened) return;
  if (other) {
    forget(pictures);
    hush('card');
    Object.assign(opened, { pictures: shown, views: { source: whole(), copy: whole() } });
  }
  Object.assign(opened, { place, chosen: null });
  showCard();
  document.querySelector('#tabs [aria-selected="true"]').focus();
};
/** Put a card on the page, with what its person had changed of it. */
const present = (answer, pictures, place = null) => {
  const older = settle(answer);
  const before = state.open;
  const places = placesOf(answer.sidecar);
  const seen = place || (before && before.answer.ref === answer.ref ? shownPlace() : places[0]);
  state.open = { answer, pictures, place: places.find((one) => same(one, seen)) || places.find((one) => one.page === seen.page) || places[0], chosen: null, faults: new Map(), opened: new Map(), saving: false, decided: false, views: { source: whole(), copy: whole() } };
  // A decision leaves the same picture in view; all else is seen as a whole first.
  if (before && before.pictures.source === pictures.source) state.open.views = before.views;
  else if (before) forget(before.pictures);
  $('desk').classList.add('opened');
  showCard();
  if (older) say('card', () => word('changed_meanwhile'));
};
const close = () => {
  state.serial += 1;
  still(false);
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
  const findings = findingsOf(sidecar).map((code) => make('li', { 'data-finding': code }, found(`finding.${code}`) || found(`problem.${code}`) || code));
  const warnings = sidecar.warnings.map((warning) => make('li', {}, word(`warning.${warning.name}`)));
  const history = (sidecar.history || []).map((entry) => make('li', {},
    `${when(entry.at)}, ${entry.by}: ${word(`decision.${entry.decision}`)}`,
    entry.fields.length ? ` (${listed(entry.fields.map((name, at) => fieldName((entry.cards || [])[at], name)))})` : '', entry.reason ? ` — ${entry.reason}` : ''));
  const kind = card ? word(`kind.${card.type}/${card.side}`) : '';
  $('card-body').replaceChildren(
    make('p', { class: 'row' }, badge(sidecar.status), kind, sidecar.redaction ? make('span', { class: 'note' }, `${word('policy')}: ${sidecar.redaction.policy}`) : null),
    ...list('findings', findings, 'findings'),
    ...list('warnings', warnings, 'findings'),
    ...(placesOf(sidecar).length > 1 ? [tabs(sidecar)] : []),
    make('div', { class: 'pictures' }, figure('source', pictures.source, sourceMissing), figure('copy', pictures.copy, () => word('copy_none'))),
    ...(kindOf() ? [make('h3', {}, word('fields')), ...(sealedHere() ? [button('restore', openSealed, { id: 'restore' })] : []), make('ul', { id: 'fields', 'data-label': 'fields', 'aria-label': word('fields') })] : []),
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
/** The number of a card that is told by its place on a page; of a picture by its number itself. */
const numberOn = (page, card) => (page === null ? card : placesOf(state.open.answer.sidecar).filter((one) => one.page === page)[card].card);
/** Have the card's sealed texts opened, for as long as the card stands on the page: they become no draft. */
const openSealed = async () => {
  const { answer } = state.open;
  const reason = await askCode(word('restore_why'), word('restore'));
  if (!reason) return;
  try {
    const told = await call('POST', pathOf(answer.ref, '/restore'), { reason });
    if (!state.open || state.open.answer !== answer) return;
    for (const { page, card, name, text, normalized } of told.fields) state.open.opened.set(fieldName(numberOn(page, card), name), text || normalized);
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
/** One tab for each card, and for each page of a document without any. */
const tabs = (sidecar) => make('div', { id: 'tabs', class: 'row', role: 'tablist', 'aria-label': word(sidecar.pages ? 'pages' : 'cards') }, ...placesOf(sidecar).map((place, at) => {
  const card = cardsOf(sidecar)[place.card];
  const kind = card ? word(`kind.${card.type}/${card.side}`) : word('page_without');
  return make('button', {
    type: 'button', role: 'tab', 'data-card': at, 'aria-selected': String(same(place, shownPlace())), 'aria-controls': 'card-body',
    onclick: () => show(place),
  }, sidecar.pages ? `${word('page_number', { number: place.page + 1 })}: ${kind}` : `${at + 1}. ${kind}`);
}));
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
