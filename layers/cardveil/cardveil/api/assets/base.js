// Words, elements, messages and the API: what the other parts of the console stand on.
const WORDS = /*words*/;
const FIELDS = /*fields*/;
/** The form of codes that stay where they are given: purposes and reasons. */
const CODE = new RegExp(`^${/*code*/}$`);
const BASE = location.pathname.endsWith('/') ? location.pathname : location.pathname + '/';
const STATUSES = ['needs_review', 'redacted', 'rejected', 'pending'];
const SVG = 'http://www.w3.org/2000/svg';
const $ = (id) => document.getElementById(id);
const state = { token: '', claims: null, language: 'en', cards: [], next: null, open: null, serial: 0, purpose: '' };

// ---- what the tab keeps
const kept = (name, value) => {
  try {
    if (value === undefined) return sessionStorage.getItem(name);
    if (value === null) sessionStorage.removeItem(name); else sessionStorage.setItem(name, value);
  } catch { /* a browser that keeps nothing: the page works until it is closed */ }
  return null;
};

// ---- words
const found = (key) => key.split('.').reduce((at, part) => (at ? at[part] : undefined), WORDS[state.language]);
const word = (key, values = {}) => (found(key) ?? key.split('.').pop()).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
// A field is called by its name; of the second card of a picture and of later ones, by the card's number, too.
const plain = (name) => name.replace(/-\d+$/, '');
const numberOf = (name) => Number((/-(\d+)$/.exec(name) || [0, 0])[1]);
const fieldName = (number, name) => (number ? `${name}-${number}` : name);
const nameOfField = (name) => word(`name.${plain(name)}`) + (numberOf(name) ? ` (${numberOf(name) + 1})` : '');
const listed = (names) => names.map(nameOfField).join(word('comma'));
const when = (time) => new Date(time).toLocaleString(state.language === 'zh' ? 'zh-CN' : 'en-GB', { dateStyle: 'medium', timeStyle: 'short' });

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
  showSending();
  showList();
  if (state.open) showCard();
  for (const [place, message] of messages) tell(place, message);
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
const button = (key, onclick, attributes = {}) => make('button', { type: 'button', onclick, ...attributes }, word(key));

// ---- messages, each beside what it is about
const messages = new Map();
/** Say something at a place (`token`, `list`, `card`, `decision`); `text` is called again in another language. */
const say = (place, text, { bad = false, buttons = () => [] } = {}) => {
  messages.set(place, { text, bad, buttons });
  tell(place, messages.get(place));
};
const hush = (...places) => { for (const place of places) say(place, () => ''); };
const tell = (place, { text, bad, buttons }) => {
  const node = $(`said-${place}`);
  node.classList.toggle('bad', bad);
  node.replaceChildren(text(), ...buttons().flatMap((each) => [' ', each]));
};

/** Ask before something is lost; resolves to whether the person goes on. */
const ask = (text, yes) => new Promise((resolve) => {
  $('question-text').textContent = text;
  $('question-yes').textContent = yes;
  $('question').onclose = () => resolve($('question').returnValue === 'yes');
  $('question').returnValue = 'no';
  $('question').showModal();
});

/** Ask for a code; resolves to it, null where the person gives none. */
const askCode = (text, yes) => new Promise((resolve) => {
  const dialog = $('code-dialog');
  $('code-text').textContent = text;
  $('code-yes').textContent = yes;
  $('code').value = '';
  const fault = (bad) => { $('said-code').textContent = bad ? word('code_refused') : ''; $('code').setAttribute('aria-invalid', String(bad)); };
  fault(false);
  $('code-form').onsubmit = (event) => {
    if (event.submitter.value !== 'yes' || CODE.test($('code').value.trim())) return;
    event.preventDefault();
    fault(true);
    $('code').focus();
  };
  dialog.onclose = () => resolve(dialog.returnValue === 'yes' ? $('code').value.trim() : null);
  dialog.returnValue = 'no';
  dialog.showModal();
});
let purposeAsked = null;
/** Where every look must say what it is for, it is asked once, whatever waits for it, and stays in this tab. */
const purposeAfter = (refused) => {
  if (state.purpose && state.purpose !== refused) return Promise.resolve(state.purpose);
  purposeAsked ??= askCode(word('purpose'), word('go_on')).then((code) => {
    purposeAsked = null;
    if (code) { state.purpose = code; kept('purpose', code); }
    return code;
  });
  return purposeAsked;
};

// ---- the API
const call = (method, path, body, onProgress) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();
  const { token, purpose } = state;
  request.open(method, BASE + path);
  // Both: where the platform checks signatures of its own, Authorization is not ours.
  request.setRequestHeader('Authorization', `Bearer ${token}`);
  request.setRequestHeader('X-Cardveil-Token', token);
  if (purpose) request.setRequestHeader('X-Cardveil-Purpose', purpose);
  if (body) request.setRequestHeader('Content-Type', 'application/json');
  if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
  request.onerror = () => reject({ code: 'unreachable', status: 0, id: '', faults: [] });
  request.onload = () => {
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* not ours: the status tells */ }
    if (request.status < 300) return resolve(answer);
    const problem = { code: answer.code || 'unreachable', status: request.status, id: answer.request_id || '', faults: answer.faults || [] };
    if (request.status === 401 && token === state.token) leave(problem.code);
    if (problem.code === 'purpose_missing' || problem.code === 'purpose_refused') {
      return purposeAfter(purpose).then((code) => (code ? resolve(call(method, path, body, onProgress)) : reject(problem)));
    }
    return reject(problem);
  };
  request.send(body ? JSON.stringify(body) : null);
});
/** What an answer of the API says, in the language of the page; the API's own words are English. */
const why = ({ code, status, id }) => {
  const text = found(`problem.${code}`) || found(`finding.${code}`) || found(`problem_status.${status}`) || word('problem.unreachable');
  return id ? word('failed_call', { why: text, code, id }) : text;
};
/** Tell of what the API refused; whatever else was thrown is a fault of this page. */
const refused = (problem) => { if (!problem || problem.status === undefined) throw problem; return problem; };
const pathOf = (ref, rest = '') => `v1/cards/${encodeURIComponent(ref)}${rest}`;
/** The form of a key that no proxy can change; the same as the API gives. */
const refOf = (key) => `~${btoa(String.fromCharCode(...new TextEncoder().encode(key))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')}`;
const nameOf = (key) => key.split('/').pop();
