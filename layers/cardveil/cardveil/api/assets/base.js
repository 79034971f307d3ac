// Words, elements and the API: what the other parts of the console stand on.
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
  if (kept('purpose')) request.setRequestHeader('X-Cardveil-Purpose', kept('purpose'));
  if (body) request.setRequestHeader('Content-Type', 'application/json');
  if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
  request.onerror = () => reject({ code: 'unreachable', text: word('unreachable') });
  request.onload = () => {
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* not ours: the status tells */ }
    if (request.status < 300) return resolve(answer);
    if (request.status === 401) { leave(word('signed_out')); return reject({ code: 'signed_out', text: word('signed_out') }); }
    if (answer.code === 'purpose_missing' || answer.code === 'purpose_refused') {
      // Where every look must say what it is for, it is asked once and stays in this tab.
      const purpose = (window.prompt(word('purpose')) || '').trim();
      if (/^[ -~]+$/.test(purpose)) { kept('purpose', purpose); return resolve(call(method, path, body, onProgress)); }
    }
    const told = { why: answer.detail || word('unreachable'), code: answer.code || request.status, id: answer.request_id || '' };
    return reject({ code: told.code, status: request.status, text: word('failed_call', told) });
  };
  request.send(body ? JSON.stringify(body) : null);
});
const failed = (problem) => { if (problem.text) say(problem.text, true); else throw problem; };
const pathOf = (ref, rest = '') => `v1/cards/${encodeURIComponent(ref)}${rest}`;
