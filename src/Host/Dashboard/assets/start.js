'use strict';
// Tabs, the choice of runs, the address, and what a live page hears.
(async () => {
  const { data, el, fill, ask, runs, take, load, state, go, views, figure } = page;
  const nav = document.querySelector('nav');
  const standing = document.getElementById('standing');
  const tabs = Object.entries(views).map(([name, view]) => {
    const tab = el('button', { type: 'button', role: 'tab', id: `to-${name}`, 'aria-controls': `tab-${name}`, onclick: () => go(name), onkeydown: event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const all = [...nav.querySelectorAll('[role=tab]')];
      const next = all[(all.indexOf(tab) + step + all.length) % all.length];
      next.focus();
      next.click();
    } }, view.title);
    return tab;
  });
  const chooser = el('details', { id: 'runs' });
  nav.append(...tabs, chooser);

  const choose = () => {
    fill(chooser, el('summary', {}, `Runs (${state.ids.length} of ${state.list.length})`), el('div', { className: 'table' }, el('table', {},
      el('thead', {}, el('tr', {}, ...['', 'run', 'objective', 'seed', 'status', 'iterations', 'reward', 'KL'].map(name => el('th', { scope: 'col' }, name)))),
      el('tbody', {}, ...state.list.map(run => el('tr', {},
        el('td', {}, el('input', { type: 'checkbox', checked: state.ids.includes(run.id), 'aria-label': `show ${run.name}`, onchange: event => {
          const ids = event.target.checked ? [...state.ids, run.id] : state.ids.filter(id => id !== run.id);
          go(state.tab, { runs: ids.join('|'), iteration: undefined, index: undefined, offset: undefined });
        } })),
        el('td', {}, el('button', { type: 'button', className: 'link', onclick: () => go(state.tab, { runs: run.id, iteration: undefined, index: undefined, offset: undefined }) }, run.name)),
        ...[run.objective, run.seed, run.status, `${run.iterations}/${run.planned}`, figure(run.reward), figure(run.kl)].map(cell => el('td', {}, String(cell ?? '')))))))));
  };

  // What is shown follows from the address alone, so that a link shows the same.
  let turn = 0;
  const follow = async () => {
    const mine = ++turn;
    const [tab, text] = location.hash.slice(1).split('?');
    state.tab = views[tab] ? tab : data.live || state.list.length === 1 ? 'run' : 'study';
    state.parameters = Object.fromEntries(new URLSearchParams(text ?? ''));
    const wanted = (state.parameters.runs ?? '').split('|').filter(id => state.list.some(run => run.id === id));
    const first = state.list.find(run => run.id === data.focus) ?? state.list[0];
    state.ids = wanted.length ? wanted : first ? [first.id] : [];
    delete state.parameters.runs;
    for (const [name] of Object.entries(views)) {
      document.getElementById(`tab-${name}`).hidden = name !== state.tab;
      const button = document.getElementById(`to-${name}`);
      button.setAttribute('aria-selected', name === state.tab);
      button.tabIndex = name === state.tab ? 0 : -1;
    }
    choose();
    try {
      await Promise.all(state.ids.map(load));
      if (mine !== turn) return;
      listen();
      await views[state.tab].show();
      standing.textContent = data.live ? '' : `Frozen at its making.${data.left ? ` It has views of ${state.list.length} runs; ${data.left} more are in the study alone.` : ''}`;
      document.body.dataset.shown = location.hash.slice(1) || state.tab;
    } catch (error) {
      standing.textContent = error.message;
    }
  };

  let [source, heard, waiting] = [null, '', false];
  const listen = () => {
    if (!data.live || heard === state.ids.join('|')) return;
    heard = state.ids.join('|');
    source?.close();
    source = new EventSource(`/api/events?${state.ids.map(id => `from=${encodeURIComponent(`${runs.get(id).offset}:${id}`)}`).join('&')}`);
    source.addEventListener('lines', event => {
      const { id, offset, lines } = JSON.parse(event.data);
      const run = runs.get(id);
      if (!run) return;
      run.offset = offset;
      lines.forEach(line => take(run, line));
      if (waiting) return;
      waiting = true;
      setTimeout(() => { waiting = false; if (state.tab === 'run') views.run.lines(); }, 150);
    });
    source.addEventListener('changed', async event => {
      const { id, what } = JSON.parse(event.data);
      if (what === 'cluster') return views.cluster.changed('cluster');
      runs.delete(id);
      state.list = await ask('runs');
      await follow();
    });
    source.addEventListener('alive', () => { if (standing.dataset.lost) { delete standing.dataset.lost; standing.textContent = ''; } });
    source.onerror = () => {
      standing.dataset.lost = 'yes';
      standing.textContent = 'The process that serves this page is gone; what is shown is the last that it told. "dfpo dashboard" serves the runs again.';
    };
  };

  try {
    state.list = await ask('runs');
  } catch (error) {
    standing.textContent = error.message;
  }
  addEventListener('hashchange', follow);
  await follow();
})();
