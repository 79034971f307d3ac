'use strict';
(() => {
  const WORDS = /*words*/;
  const FIELDS = /*fields*/;
  const BASE = location.pathname.endsWith('/') ? location.pathname : location.pathname + '/';
  // What fits, as Base64 and with room for the rest, into the 6 MB of one event.
  const LARGEST_INLINE = 4.2 * 1024 * 1024;
  const STATUSES = ['needs_review', 'redacted', 'rejected', 'pending'];
  const SVG = 'http://www.w3.org/2000/svg';
  const $ = (id) => document.getElementById(id);
  const state = { token: '', claims: null, language: 'en', cards: [], next: null, open: null, serial: 0 };

  // ---- words
  const kept = (name, value) => {
    try {
      if (value === undefined) return sessionStorage.getItem(name);
      if (value === null) sessionStorage.removeItem(name); else sessionStorage.setItem(name, value);
    } catch { /* a browser that keeps nothing: the page works until it is closed */ }
    return null;
  };
  const word = (key, values = {}) => {
    const found = key.split('.').reduce((at, part) => (at ? at[part] : undefined), WORDS[state.language]);
    return (found ?? key.split('.').pop()).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
  };
  const may = (role) => Boolean(state.claims && state.claims.roles.includes(role));
  const say = (text, bad = false) => { $('said').textContent = text; $('said').classList.toggle('bad', bad); };

  const speak = (language) => {
    state.language = language;
    kept('language', language);
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
    for (const node of document.querySelectorAll('[data-word]')) node.textContent = word(node.dataset.word);
    for (const node of document.querySelectorAll('[data-label]')) node.setAttribute('aria-label', word(node.dataset.label));
    $('language').textContent = word('other_language');
    $('language').lang = word('other_language_code');
    const chosen = $('status').value;
    $('status').replaceChildren(
      make('option', { value: '' }, word('all')),
      ...STATUSES.map((status) => make('option', { value: status }, word(`status.${status}`))),
    );
    $('status').value = chosen;
    showList();
    if (state.open) showCard();
  };

  // ---- elements
  const make = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
  const draw = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
  const fill = (node, attributes, children) => {
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
      else if (value === true) node.setAttribute(key, '');
      else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  };

  // ---- the API
  const call = (method, path, body, onProgress) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, BASE + path);
    // Both: where the platform checks signatures of its own, Authorization is not ours.
    request.setRequestHeader('Authorization', `Bearer ${state.token}`);
    request.setRequestHeader('X-Cardveil-Token', state.token);
    if (body) request.setRequestHeader('Content-Type', 'application/json');
    if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onerror = () => reject({ code: 'unreachable', text: word('unreachable') });
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* not ours: the status tells */ }
      if (request.status < 300) return resolve(answer);
      if (request.status === 401) { leave(word('signed_out')); return reject({ code: 'signed_out', text: word('signed_out') }); }
      const told = { why: answer.detail || word('unreachable'), code: answer.code || request.status, id: answer.request_id || '' };
      return reject({ code: told.code, status: request.status, text: word('failed_call', told) });
    };
    request.send(body ? JSON.stringify(body) : null);
  });
  const failed = (problem) => { if (problem.text) say(problem.text, true); else throw problem; };
  const pathOf = (ref, rest = '') => `v1/cards/${encodeURIComponent(ref)}${rest}`;

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
  const kindOf = () => {
    const { card } = state.open.answer.sidecar;
    return state.open.kind || (card ? `${card.type}/${card.side}` : 'IDCard/front');
  };
  /** The fields as they would be sent: what the sidecar says, with what was changed here. */
  const fieldsNow = () => {
    const { answer, changes } = state.open;
    const known = answer.sidecar.card ? answer.sidecar.card.fields : [];
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
    const kind = sidecar.card ? word(`kind.${sidecar.card.type}/${sidecar.card.side}`) : '';
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
      const masked = answer.masked.includes(field.name);
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
    $('accept').disabled = !readable;
    $('discard').disabled = !dirty;
    $('changed').textContent = changes.size ? word('changed', { names: [...changes.keys()].map((name) => word(`name.${name}`)).join(', ') }) : '';
  };
  const actions = (readable) => {
    const option = (value, text) => make('option', { value }, text);
    const known = new Set(fieldsNow().map((field) => field.name));
    const missing = FIELDS[kindOf()].filter((name) => !known.has(name));
    const kinds = state.open.answer.sidecar.card ? null : make('p', { class: 'row' },
      make('label', { for: 'kind' }, word('card_kind')),
      make('select', { id: 'kind', onchange: (event) => { state.open.kind = event.target.value; showCard(); } },
        option('', '—'), ...Object.keys(FIELDS).map((kind) => option(kind, word(`kind.${kind}`)))));
    if (kinds && state.open.kind) kinds.querySelector('select').value = state.open.kind;
    const add = may('read_text') && missing.length ? make('p', { class: 'row' },
      make('label', { for: 'add' }, word('add')),
      make('select', { id: 'add' }, ...missing.map((name) => option(name, word(`name.${name}`)))),
      make('button', { type: 'button', id: 'add-it', onclick: () => { const name = $('add').value; $('actions').replaceChildren(); mark(name); } }, word('mark')),
      make('span', { class: 'note' }, word('add_how'))) : null;
    const parts = word('keys').split(/\{(\w)\}/).map((part, at) => (at % 2 ? make('kbd', {}, part.toUpperCase()) : part));
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

  // ---- the page
  $('language').onclick = () => speak(state.language === 'en' ? 'zh' : 'en');
  $('leave').onclick = () => leave();
  $('token-form').onsubmit = (event) => { event.preventDefault(); const token = $('token').value.trim(); $('token').value = ''; enter(token); };
  $('refresh').onclick = () => list();
  $('status').onchange = () => list();
  $('more').onclick = () => list(true);
  $('file').onchange = async (event) => { const files = [...event.target.files]; event.target.value = ''; for (const file of files) await send(file); };
  const over = (event, on) => { if (may('submit')) { event.preventDefault(); $('drop').classList.toggle('over', on); } };
  addEventListener('dragover', (event) => over(event, true));
  addEventListener('dragleave', (event) => over(event, false));
  addEventListener('drop', async (event) => { over(event, false); if (may('submit')) for (const file of [...event.dataTransfer.files]) await send(file); });
  addEventListener('resize', () => { if (state.open) showMarks(); });
  addEventListener('keydown', (event) => {
    // Only while the card has the focus: single keys must not act by surprise.
    if (event.ctrlKey || event.altKey || event.metaKey || !state.open || !event.target.closest('#card') || event.target.matches('input, select')) return;
    const keys = { a: 'accept', r: 'reject' };
    if (keys[event.key] && $(keys[event.key]) && !$(keys[event.key]).disabled) { event.preventDefault(); $(keys[event.key]).click(); }
    else if (event.key === 'n') step(1);
    else if (event.key === 'p') step(-1);
  });
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  speak(kept('language') || (navigator.language.startsWith('zh') ? 'zh' : 'en'));
  const token = given || kept('token');
  if (token) enter(token); else leave();
})();
