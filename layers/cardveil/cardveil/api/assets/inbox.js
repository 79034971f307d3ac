// Coming and going, the address, and the list of cards.
// ---- coming and going
const claimsOf = (token) => {
  try {
    const bytes = Uint8Array.from(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return Array.isArray(claims.roles) && typeof claims.sub === 'string' ? claims : null;
  } catch { return null; }
};
const enter = async (token) => {
  const claims = claimsOf(token);
  if (!claims) return leave('token_malformed');
  const other = leftBy(claims.sub);
  if (other) {
    if (!await ask(word('left_by', { name: other }), word('discard'))) return leave();
    kept(`drafts ${other}`, null);
  }
  state.claims = claims;
  state.token = token;
  kept('token', token);
  drafts.load(claims.sub);
  $('enter').hidden = true;
  $('desk').hidden = false;
  $('leave').hidden = false;
  $('who').textContent = claims.sub;
  $('drop').hidden = !may('submit');
  hush('token', 'list', 'card', 'decision');
  list();
  follow();
};
const may = (role) => Boolean(state.claims && state.claims.roles.includes(role));
/** Close the desk; `code` says why, where it was not the person's own wish. Drafts stay for who comes back. */
const leave = (code = '') => {
  clearTimeout(waiting);
  Object.assign(state, { token: '', claims: null, cards: [], next: null, serial: state.serial + 1, listing: state.listing + 1 });
  kept('token', null);
  close();
  sending.length = 0;
  showSending();
  $('desk').hidden = true;
  $('leave').hidden = true;
  $('who').textContent = '';
  $('enter').hidden = false;
  $('token').setAttribute('aria-invalid', String(Boolean(code)));
  $('token').focus();
  if (code) say('token', () => why({ code, status: 401 }), { bad: true }); else hush('token');
};
const signOut = async () => {
  if (drafts.all.size && !await ask(word('leaving', { count: drafts.all.size }), word('leave'))) return;
  drafts.clear();
  state.purpose = '';
  kept('purpose', null);
  history.replaceState(null, '', location.pathname + location.search);
  leave();
};

// ---- the address: which card is open
/** Read one part of the address's fragment; null when it is not there or not encoded as it must be. */
const partOf = (name) => {
  const part = location.hash.slice(1).split('&').find((each) => each.startsWith(`${name}=`));
  try { return part ? decodeURIComponent(part.slice(name.length + 1)) : null; } catch { return null; }
};
const addressOf = (key) => `${location.pathname}${location.search}${key ? `#card=${encodeURIComponent(key)}` : ''}`;
const address = (key) => { if ((partOf('card') || '') !== key) history.pushState(null, '', addressOf(key)); };
/** Take a token out of the address, where it must not stay; null when it holds none. */
const taken = () => {
  const token = partOf('token');
  if (token !== null) history.replaceState(null, '', addressOf(partOf('card')));
  return token;
};
/** Show what the address names, as whoever it lets in. */
const follow = () => {
  const token = taken();
  const key = partOf('card');
  if (token) { enter(token); return; }
  if (!state.token) return;
  if (!key) close();
  else if (!state.open || state.open.answer.sidecar.source.key !== key) open(refOf(key), key);
};

// ---- the list
/** What is read at once, unasked: a page costs the bucket a request for each of its cards. */
const MOST_PAGES = 10;
Object.assign(state, { listing: 0 });
const list = async (more = false) => {
  if (!may('read')) return;
  const listing = ++state.listing;
  let cards = more ? state.cards : [];
  let cursor = more ? state.next : null;
  say('list', () => word('loading'));
  try {
    for (let page = 0; page < MOST_PAGES && (page === 0 || cursor); page += 1) {
      const query = new URLSearchParams({ limit: '100' });
      if ($('status').value) query.set('status', $('status').value);
      if (cursor) query.set('cursor', cursor);
      const answer = await call('GET', `v1/cards?${query}`);
      if (listing !== state.listing) return;
      cards = [...cards, ...answer.cards];
      cursor = answer.next;
      if (cards.length >= state.cards.length || !cursor) Object.assign(state, { cards, next: cursor });
      showList();
    }
    Object.assign(state, { cards, next: cursor });
    showList();
    hush('list');
    later();
  } catch (problem) { if (listing === state.listing) { refused(problem); say('list', () => why(problem), { bad: true }); } }
};
/** Take over what became of one card, without asking for all of them again. */
const known = (answer) => {
  const { source, status, created_at: created } = answer.sidecar;
  const card = state.cards.find((each) => each.ref === answer.ref);
  const now = { key: source.key, ref: answer.ref, status, decided: answer.decided, size: source.size };
  if (card) Object.assign(card, now); else state.cards.push({ ...now, uploaded_at: created });
  showList();
};
let waiting = 0;
/** Ask again for cards that are under way: one request for each, for a few of them. */
const later = () => {
  clearTimeout(waiting);
  if (!state.cards.some((card) => card.status === 'pending')) return;
  waiting = setTimeout(async () => {
    if (!document.hidden) {
      const listing = state.listing;
      for (const card of state.cards.filter((each) => each.status === 'pending').slice(0, 5)) {
        try {
          const answer = await call('GET', `v1/cards?${new URLSearchParams({ limit: '1', prefix: card.key })}`);
          if (listing !== state.listing) return;
          Object.assign(card, answer.cards.find((each) => each.key === card.key));
        } catch (problem) { refused(problem); return; }
      }
      showList();
    }
    later();
  }, 3000);
};
const order = (one, other) => (other.status === 'needs_review') - (one.status === 'needs_review')
  || other.uploaded_at.localeCompare(one.uploaded_at) || one.key.localeCompare(other.key);
/** The cards as they are listed: what needs a person first, then the newest. */
const shownCards = () => state.cards.filter((card) => !$('status').value || card.status === $('status').value).sort(order);
const badge = (status) => make('span', { class: `badge ${status}` }, word(`status.${status}`));
const showList = () => {
  const cards = shownCards();
  const focused = document.activeElement && document.activeElement.closest('#list') ? document.activeElement.dataset.ref : null;
  const items = cards.map((card) => make('li', {}, make('button', {
    type: 'button', 'data-ref': card.ref, 'aria-current': String(Boolean(state.open && state.open.answer.ref === card.ref)),
    onclick: () => open(card.ref, card.key),
  }, make('span', { class: 'name' }, nameOf(card.key)),
  make('span', { class: 'when' }, when(card.uploaded_at)),
  drafts.has(card.ref) ? make('span', { class: 'badge unsaved' }, word('unsaved')) : null, badge(card.status))));
  $('list').replaceChildren(...items);
  if (!items.length && state.token) $('list').append(make('li', { class: 'note' }, word('no_cards')));
  const waits = cards.filter((card) => card.status === 'needs_review').length;
  $('order').textContent = items.length ? word('order', { count: waits }) : '';
  $('more').hidden = !state.next;
  if (focused) for (const each of document.querySelectorAll('#list button')) if (each.dataset.ref === focused) each.focus();
};
const nextInNeed = () => shownCards().find((card) => card.status === 'needs_review' && !(state.open && card.ref === state.open.answer.ref));
const step = (by) => {
  const cards = shownCards();
  const at = cards.findIndex((card) => state.open && card.ref === state.open.answer.ref);
  const inNeed = by > 0 && state.open && state.open.decided ? nextInNeed() : null;
  const card = inNeed || cards[at < 0 ? 0 : at + by];
  if (card) open(card.ref, card.key);
};
