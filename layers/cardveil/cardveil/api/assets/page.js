// What the page's own controls do, and how it starts.
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
