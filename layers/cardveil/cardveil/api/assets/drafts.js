// What a person has changed and not yet decided: kept for each card, through other cards, reloads and new tokens.
// ---- drafts
// They hold what cards say, so they stay in this tab alone, as the token does, and belong to one person.
const drafts = {
  all: new Map(),
  /** What was taken away last: a discarded draft, or one of a card that was rejected, comes back by an undo. */
  bin: new Map(),
  owner: '',
  key: () => `drafts ${drafts.owner}`,
  /** Take up what a person left here. */
  load(owner) {
    if (owner !== drafts.owner) {
      drafts.owner = owner;
      let read = {};
      try { read = JSON.parse(kept(drafts.key()) || '{}'); } catch { /* nobody's but this page's: begin anew */ }
      drafts.all = new Map(read.all);
      drafts.bin = new Map(read.bin);
    }
    kept('owner', owner);
  },
  save() {
    const any = drafts.all.size || drafts.bin.size;
    kept(drafts.key(), any ? JSON.stringify({ all: [...drafts.all], bin: [...drafts.bin].slice(-20) }) : null);
  },
  of: (ref) => drafts.all.get(ref) || { fields: {}, kind: '', reason: '' },
  has: (ref) => drafts.all.has(ref),
  put(ref, draft) {
    if (Object.keys(draft.fields).length || draft.kind || draft.reason) drafts.all.set(ref, draft); else drafts.all.delete(ref);
    drafts.save();
  },
  discard(ref) {
    drafts.bin.delete(ref);
    if (drafts.has(ref)) drafts.bin.set(ref, drafts.of(ref));
    drafts.all.delete(ref);
    drafts.save();
  },
  restore(ref) {
    if (drafts.bin.has(ref) && !drafts.has(ref)) drafts.all.set(ref, drafts.bin.get(ref));
    drafts.bin.delete(ref);
    drafts.save();
  },
  /** Take away what was sent, and nothing that was changed since; `undone` by an undo, it comes back. */
  sent(ref, draft, undone = false) {
    const now = structuredClone(drafts.of(ref));
    if (undone && same(now, draft)) return drafts.discard(ref);
    for (const [name, part] of Object.entries(draft.fields)) if (same(now.fields[name], part)) delete now.fields[name];
    for (const part of ['kind', 'reason']) if (now[part] === draft[part]) now[part] = '';
    drafts.bin.delete(ref);
    return drafts.put(ref, now);
  },
  drop(ref) { drafts.all.delete(ref); drafts.bin.delete(ref); drafts.save(); },
  /** Forget everything that the person left here. */
  clear() {
    drafts.all.clear();
    drafts.bin.clear();
    drafts.save();
    kept('owner', null);
  },
};
/** Whose drafts this tab still holds, if it is not `subject` who comes. */
const leftBy = (subject) => {
  const owner = kept('owner');
  return owner && owner !== subject && kept(`drafts ${owner}`) ? owner : '';
};

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
/** The polygon as it is compared and sent: tenths of a pixel. */
const rounded = (polygon) => polygon && polygon.map((point) => point.map((value) => Math.round(value * 10) / 10));
const fieldOf = (sidecar, name) => { const card = cardsOf(sidecar)[numberOf(name)]; return card && card.fields.find((field) => field.name === plain(name)); };
/** Return what of a field's draft is not as the sidecar has it; null when nothing is. */
const changed = (sidecar, name, { text, polygon }) => {
  const before = fieldOf(sidecar, name);
  const left = {};
  if (text !== undefined && text !== ((before && before.text) || '')) left.text = text;
  if (polygon && !same(rounded(polygon), rounded(before && before.polygon))) left.polygon = rounded(polygon);
  return Object.keys(left).length ? left : null;
};
/** Change a part of the open card's draft; what is again as the sidecar has it is no change. */
const change = (name, part) => {
  const { ref, sidecar } = state.open.answer;
  const draft = structuredClone(drafts.of(ref));
  const left = changed(sidecar, name, { ...draft.fields[name], ...part });
  if (left) draft.fields[name] = left; else delete draft.fields[name];
  keep(draft);
};
const keep = (draft) => {
  const { ref, sidecar, version } = state.open.answer;
  const before = drafts.has(ref);
  drafts.put(ref, { ...draft, version: before ? draft.version : version, counts: before ? draft.counts : countsOf(sidecar) });
  if (drafts.has(ref) !== before) showList();
  showActions();
};
/** How many cards there are, of a document on each of its pages. */
const countsOf = (sidecar) => (sidecar.pages || [sidecar]).map((part) => part.cards.length);
/** Have a draft's fields follow their cards: on its page each is where it was, but another number may be its. */
const renumber = (draft, counts) => {
  const before = draft.counts || counts;
  if (same(before, counts)) return;
  const firstOf = (page) => counts.slice(0, page).reduce((sum, each) => sum + each, 0);
  const none = firstOf(counts.length);
  const renumbered = (number) => {
    let first = 0;
    for (const [page, count] of before.entries()) {
      if (number < first + count) return number - first < counts[page] ? firstOf(page) + number - first : none;
      first += count;
    }
    // What was to be added may have been added by another person meanwhile.
    return draft.kind && counts[draft.page || 0] ? firstOf(draft.page || 0) : none;
  };
  draft.fields = Object.fromEntries(Object.entries(draft.fields).map(([name, part]) => [fieldName(renumbered(numberOf(name)), plain(name)), part]));
};
/** Bring a draft up to a newer sidecar: what that says by now is no change any more. */
const settle = ({ ref, sidecar, version }) => {
  if (!drafts.has(ref)) return false;
  const draft = structuredClone(drafts.of(ref));
  const older = draft.version !== version;
  const counts = countsOf(sidecar);
  renumber(draft, counts);
  for (const [name, part] of Object.entries(draft.fields)) {
    const left = changed(sidecar, name, part);
    if (left) draft.fields[name] = left; else delete draft.fields[name];
  }
  if (draft.kind && counts[draft.page || 0]) draft.kind = '';
  drafts.put(ref, { ...draft, version, counts });
  return older && drafts.has(ref);
};
