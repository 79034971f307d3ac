// What is decided over a card: accepted, corrected, rejected, and taken back.
// ---- deciding
const REASONS = ['unsharp', 'cut_off', 'no_card', 'not_asked'];
const lastEntry = () => (state.open.answer.sidecar.history || []).at(-1);
/** Whether there is a card to decide over, found or added. */
const decidable = ({ sidecar }) => Boolean(cardsOf(sidecar).length || draftNow().kind);
const showActions = () => {
  if (!state.open || !may('review')) return;
  const { answer, saving } = state.open;
  const readable = Boolean(frameOf().width);
  if (!$('actions').firstChild) $('actions').append(...actions(readable));
  const draft = draftNow();
  const names = Object.keys(draft.fields);
  const dirty = names.length > 0 || Boolean(draft.kind);
  $('accept').textContent = word(dirty ? 'save' : 'accept');
  $('accept').disabled = saving || !readable || !decidable(answer);
  $('discard').hidden = !dirty;
  $('changed').textContent = names.length ? word('changed', { names: listed(names) }) : '';
  for (const node of document.querySelectorAll('#fields input, #fields button, #actions select, #reason, #reject, #reopen, #discard')) node.disabled = saving;
  if (answer.sidecar.status !== 'rejected' || !lastEntry() || lastEntry().decision !== 'reject') $('reopen').hidden = true;
};
const actions = (readable) => {
  const option = (value, text) => make('option', { value }, text);
  const kinds = readable && may('read_text') && !cardOf(state.open.answer.sidecar) ? make('p', { class: 'row' },
    make('label', { for: 'kind' }, word('card_kind')),
    make('select', { id: 'kind', onchange: (event) => { adding(event.target.value); showCard(); $('kind').focus(); } },
      option('', '—'), ...Object.keys(FIELDS).map((kind) => option(kind, word(`kind.${kind}`))))) : null;
  if (kinds) kinds.querySelector('select').value = kindOf();
  return [
    kinds,
    make('p', { class: 'note', id: 'changed' }),
    make('div', { class: 'row' }, make('label', { for: 'reason' }, word('reason')),
      make('input', { id: 'reason', maxlength: 500, autocomplete: 'off', value: draftNow().reason, 'aria-describedby': 'said-decision', oninput: (event) => keep({ ...draftNow(), reason: event.target.value }) })),
    make('div', { class: 'row' },
      make('button', { type: 'button', id: 'accept', class: 'primary', 'aria-keyshortcuts': 'A', onclick: () => decide('accept') }),
      button('reject', rejecting, { id: 'reject', class: 'danger', 'aria-keyshortcuts': 'R' }),
      button('reopen', takeBack, { id: 'reopen' }),
      button('discard', discard, { id: 'discard' })),
  ].filter(Boolean);
};
/** Say which card it is that was not found here: it is numbered after all others until it is written. */
const adding = (kind) => {
  const others = Object.entries(draftNow().fields).filter(([name]) => numberOf(name) !== shownCard());
  keep({ ...draftNow(), kind, page: shownPlace().page, fields: Object.fromEntries(others) });
};
/** Reject with a reason; without one, ask for it where it is to be written. */
const rejecting = () => {
  if (draftNow().reason.trim()) return decide('reject');
  const give = (reason) => { keep({ ...draftNow(), reason }); $('reason').value = reason; hush('decision'); $('reject').focus(); };
  say('decision', () => word('say_why'), { bad: true, buttons: () => REASONS.map((name) => button(`reasons.${name}`, () => give(word(`reasons.${name}`)))) });
  $('reason').focus();
  $('said-decision').scrollIntoView({ block: 'nearest' });
};
const discard = () => {
  const { ref } = state.open.answer;
  drafts.discard(ref);
  showList();
  showCard();
  say('decision', () => word('discarded'), { buttons: () => [button('undo', () => { drafts.restore(ref); hush('decision'); showList(); showCard(); $('card-title').focus(); })] });
  $('said-decision').focus();
};
/** Take a rejection back: what was redacted before is redacted again, all else waits for a person. */
const takeBack = () => decide(lastEntry().before === 'redacted' ? 'accept' : 'reopen', word('undone'));

const decide = async (decision, reason = draftNow().reason) => {
  const { answer, pictures } = state.open;
  const { ref } = answer;
  const undoing = answer.sidecar.status === 'rejected' && reason === word('undone');
  const draft = structuredClone(draftNow());
  const { fields, kind, page } = draft;
  const request = { decision, version: answer.version, reason };
  const names = Object.keys(fields);
  if (decision === 'accept' && !undoing && (names.length || kind)) {
    request.decision = 'correct';
    request.fields = names.map((name) => ({ name: plain(name), card: numberOf(name), ...fields[name] }));
    const [type, side] = kind.split('/');
    if (kind) request.kinds = [{ card: cardsOf(answer.sidecar).length, card_type: type, side, ...(answer.sidecar.pages && { page }) }];
  }
  const opened = state.open;
  Object.assign(opened, { saving: true, faults: new Map() });
  const here = () => state.open === opened;
  showFields();
  showActions();
  showMarks();
  say('decision', () => word('saving'));
  try {
    const done = await call('POST', pathOf(ref, '/review'), request);
    if (undoing) drafts.restore(ref); else drafts.sent(ref, draft, decision === 'reject');
    known(done);
    if (here()) await decided(done, pictures, decision, reason);
  } catch (problem) {
    refused(problem);
    opened.saving = false;
    if (here()) await notDecided(problem, request);
  }
};
/** Show what a decision came to, without leaving the place where it was made. */
const decided = async (done, pictures, decision, reason) => {
  const opened = state.open;
  const { redaction } = done.sidecar;
  let copy = {};
  if (redaction) copy = await pictureOf(done, 'redacted', shownPlace().page);
  if (state.open !== opened) return;
  present(done, { ...pictures, copy });
  state.open.decided = true;
  const next = nextInNeed();
  const buttons = () => [
    decision === 'reject' ? button('undo', takeBack) : null,
    next ? make('button', { type: 'button', onclick: () => open(next.ref, next.key) }, word('next', { name: nameOf(next.key) })) : null,
  ].filter(Boolean);
  say('decision', () => word(decision === 'reject' ? 'said_reject' : 'saved', { status: word(`status.${done.sidecar.status}`), reason }), { buttons });
  $('said-decision').focus();
};
const notDecided = async (problem, request) => {
  // The API names a field by its name, or a request's part by its number.
  const named = (where) => {
    const sent = where[1] === 'fields' && request.fields && request.fields[where[2]];
    return where[0] === 'fields' ? fieldName(shownCard(), where[1]) : sent ? fieldName(sent.card, sent.name) : null;
  };
  const faults = new Map(problem.faults.map(({ where, what }) => [named(where), found(`fault.${what}`) ? what : 'refused']).filter(([name]) => name));
  if (problem.code === 'changed_meanwhile') await open(state.open.answer.ref, state.open.answer.sidecar.source.key);
  if (!state.open) return;
  state.open.faults = faults;
  showFields();
  showActions();
  showMarks();
  const names = [...faults.keys()];
  say('decision', () => why(problem) + (names.length ? ` ${word('which', { names: listed(names) })}` : ''), {
    bad: true, buttons: () => names.map((name) => make('button', { type: 'button', onclick: () => mark(name) }, `${word('mark')}: ${nameOfField(name)}`)),
  });
  $('said-decision').focus();
};
