// Coming and going, the list of cards, and pictures on their way.
// ---- coming and going
const enter = (token) => {
  try {
    const bytes = Uint8Array.from(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
    state.claims = JSON.parse(new TextDecoder().decode(bytes));
    if (!Array.isArray(state.claims.roles)) throw new Error('no roles');
  } catch {
    leave(word('signed_out'));
    return;
  }
  state.token = token;
  kept('token', token);
  $('enter').hidden = true;
  $('desk').hidden = false;
  $('leave').hidden = false;
  $('who').textContent = state.claims.sub;
  $('drop').hidden = !may('submit');
  say('');
  list();
};
const leave = (why = '') => {
  Object.assign(state, { token: '', claims: null, cards: [], next: null, open: null });
  kept('token', null);
  $('card-body').replaceChildren();
  $('card-title').textContent = word('no_card_open');
  $('desk').hidden = true;
  $('leave').hidden = true;
  $('who').textContent = '';
  $('enter').hidden = false;
  $('token').focus();
  say(why, Boolean(why));
};

// ---- the list
const list = async (more = false) => {
  if (!may('read')) return;
  const query = new URLSearchParams({ limit: '50' });
  if ($('status').value) query.set('status', $('status').value);
  if (more && state.next) query.set('cursor', state.next);
  try {
    const page = await call('GET', `v1/cards?${query}`);
    state.cards = more ? [...state.cards, ...page.cards] : page.cards;
    state.next = page.next;
    showList();
    if (state.cards.some((card) => card.status === 'pending')) later();
  } catch (problem) { failed(problem); }
};
let waiting = 0;
const later = () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => { if (state.token && !document.hidden) list(); else if (state.token) later(); }, 3000);
};
const when = (time) => new Date(time).toLocaleString(state.language === 'zh' ? 'zh-CN' : 'en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const nameOf = (key) => key.split('/').pop();
const badge = (status) => make('span', { class: `badge ${status}` }, word(`status.${status}`));
const showList = () => {
  const items = state.cards.map((card) => make('li', {}, make('button', {
    type: 'button', 'data-ref': card.ref, 'aria-current': String(Boolean(state.open && state.open.answer.ref === card.ref)),
    onclick: () => open(card.ref),
  }, make('span', { class: 'name' }, nameOf(card.key)),
  make('span', { class: 'when' }, when(card.uploaded_at)), badge(card.status))));
  $('list').replaceChildren(...items);
  if (!items.length && state.token) $('list').append(make('li', { class: 'note' }, word('no_cards')));
  $('more').hidden = !state.next;
};
const step = (by) => {
  const at = state.cards.findIndex((card) => state.open && card.ref === state.open.answer.ref);
  const card = state.cards[at < 0 ? 0 : at + by];
  if (card) open(card.ref);
};

// ---- sending pictures
const send = async (file) => {
  const line = make('li', {});
  const text = make('span', {}, word('sent', { name: file.name }));
  const bar = make('progress', { max: 1, value: 0, 'aria-label': file.name });
  line.append(text, bar);
  $('sending').append(line);
  const onProgress = (share) => {
    if (share < 1) bar.value = share;
    else { bar.removeAttribute('value'); text.textContent = word('reading', { name: file.name }); }
  };
  try {
    const ref = file.size <= LARGEST_INLINE ? await sendInline(file, onProgress) : await sendDirectly(file, onProgress);
    const answer = await open(ref);
    if (answer) text.textContent = word('done', { name: file.name, status: word(`status.${answer.sidecar.status}`) });
  } catch (problem) {
    text.textContent = word('not_sent', { name: file.name, why: problem.text || word('unreachable') });
    failed(problem);
  }
  bar.remove();
  list();
};
const usable = (name) => name.replace(/[\u0000-\u001f\u007f/\\]/g, '_').slice(-100) || 'picture';
const sendInline = async (file, onProgress) => {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  const source = { kind: 'image', base64: btoa(text), name: usable(file.name) };
  return (await call('POST', 'v1/cards', { source }, onProgress)).ref;
};
const sendDirectly = async (file, onProgress) => {
  const link = await call('POST', 'v1/uploads', { name: usable(file.name) });
  await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(link.method, link.url);
    for (const [name, value] of Object.entries(link.headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onload = () => (request.status < 300 ? resolve() : reject({ text: word('too_large') }));
    request.onerror = () => reject({ text: word('too_large') });
    request.send(file);
  });
  onProgress(1);
  for (;;) {
    try { return (await call('GET', pathOf(link.ref))).ref; } catch (problem) {
      if (problem.code !== 'result_pending') throw problem;
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  }
};
