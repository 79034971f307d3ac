// Pictures on their way: small ones in the request, large ones by a link into the bucket.
// ---- sending pictures
// What fits, as Base64 and with room for the rest, into the 6 MB of one event.
const LARGEST_INLINE = 4.2 * 1024 * 1024;
const sending = [];
const showSending = () => $('sending').replaceChildren(...sending.map((item) => {
  const values = { name: item.file.name, status: item.status ? word(`status.${item.status}`) : '', why: item.problem ? why(item.problem) : '' };
  item.text = make('span', item.problem ? { class: 'bad' } : {}, word(item.stage, values));
  item.bar = item.stage === 'sent' ? make('progress', { max: 1, value: item.share, 'aria-label': item.file.name })
    : item.stage === 'reading' ? make('progress', { 'aria-label': item.file.name }) : null;
  return make('li', {}, item.text, ' ', item.ref ? button('open', () => open(item.ref)) : null, item.bar);
}));
const send = async (file) => {
  const item = { file, stage: 'sent', share: 0 };
  sending.push(item);
  const now = (change) => { Object.assign(item, change); showSending(); };
  now({});
  const onProgress = (share) => { if (share < 1) { item.share = share; item.bar.value = share; } else now({ stage: 'reading' }); };
  try {
    const answer = file.size <= LARGEST_INLINE ? await sendInline(file, onProgress) : await sendDirectly(file, onProgress);
    if (!state.token) return;
    now({ stage: 'done', ref: answer.ref, status: answer.sidecar.status });
    known(answer);
    // It opens itself, unless somebody is at work on another card.
    const busy = state.open && (drafts.has(state.open.answer.ref) || document.activeElement.closest('#card'));
    if (!busy) await open(answer.ref);
  } catch (problem) { now({ stage: 'not_sent', problem: refused(problem) }); }
};
const usable = (name) => name.replace(/[\u0000-\u001f\u007f/\\]/g, '_').slice(-100) || 'picture';
const sendInline = async (file, onProgress) => {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  const source = { kind: 'image', base64: btoa(text), name: usable(file.name) };
  return call('POST', 'v1/cards', { source }, onProgress);
};
const sendDirectly = async (file, onProgress) => {
  const link = await call('POST', 'v1/uploads', { name: usable(file.name) });
  await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const lost = () => reject({ code: 'upload_refused', status: request.status, id: '' });
    request.open(link.method, link.url);
    for (const [name, value] of Object.entries(link.headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onload = () => (request.status < 300 ? resolve() : lost());
    request.onerror = lost;
    request.send(file);
  });
  onProgress(1);
  for (;;) {
    try { return await call('GET', pathOf(link.ref)); } catch (problem) {
      if (problem.code !== 'result_pending') throw problem;
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  }
};
