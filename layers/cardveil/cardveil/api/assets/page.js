// What the page's own controls do, and how it starts.
// ---- the page
$('language').onclick = () => speak(state.language === 'en' ? 'zh' : 'en');
$('leave').onclick = signOut;
$('token-form').onsubmit = (event) => { event.preventDefault(); const token = $('token').value.trim(); $('token').value = ''; enter(token); };
$('refresh').onclick = () => list();
$('status').onchange = () => list();
$('more').onclick = () => list(true);
$('back').onclick = () => { address(''); close(); $('inbox-title').focus(); };
$('file').onchange = async (event) => { const files = [...event.target.files]; event.target.value = ''; for (const file of files) await send(file); };
const over = (event, on) => { if (may('submit')) { event.preventDefault(); $('drop').classList.toggle('over', on); } };
addEventListener('dragover', (event) => over(event, true));
addEventListener('dragleave', (event) => over(event, false));
addEventListener('drop', async (event) => { over(event, false); if (may('submit')) for (const file of [...event.dataTransfer.files]) await send(file); });
addEventListener('resize', () => placeMarks());
addEventListener('hashchange', follow);
// The browser's own question: a draft lives in this tab, and ends with it.
addEventListener('beforeunload', (event) => { if (drafts.all.size) event.preventDefault(); });

const showHelp = () => {
  const keys = Object.entries(found('keys')).flatMap(([key, text]) => [make('dt', {}, ...key.split(' ').map((each) => make('kbd', {}, each))), make('dd', {}, text)]);
  $('help-keys').replaceChildren(...keys);
  $('help-dialog').showModal();
};
$('help').onclick = showHelp;
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches('input, select') || document.querySelector('dialog[open]')) return;
  if (event.key === '?') { event.preventDefault(); showHelp(); }
  // Only while the card has the focus: single keys must not act by surprise.
  if (!state.open || !event.target.closest('#card')) return;
  const keys = { a: 'accept', r: 'reject' };
  if (keys[event.key] && $(keys[event.key]) && !$(keys[event.key]).disabled && !$('actions').inert) { event.preventDefault(); $(keys[event.key]).click(); }
  else if (event.key === 'n') step(1);
  else if (event.key === 'p') step(-1);
  else if (event.target.closest('#figure-copy')) zoomKey(event, viewOf('copy'));
  else zoomKey(event, viewOf('source'));
});

const given = taken();
state.purpose = kept('purpose') || '';
speak(kept('language') || (navigator.language.startsWith('zh') ? 'zh' : 'en'));
const token = given || kept('token');
if (token) enter(token); else leave();
