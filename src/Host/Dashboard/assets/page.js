'use strict';
// What every view needs: elements, answers, runs and their lines. Texts of models are only ever set as text.
const page = (() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const palette = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#b8860b', '#7b4fb5', '#333333', '#8c1d40', '#5b8c2a', '#1b7f8c', '#c23b22'];
  const alpha = (color, share) => color + Math.round(255 * share).toString(16).padStart(2, '0');
  const figure = value => value === null || value === undefined || Number.isNaN(value) ? '' : Number(Number(value).toPrecision(4)).toString();

  const el = (tag, properties, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties ?? {}))
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else if (name in element && !name.includes('-')) element[name] = value;
      else element.setAttribute(name, value);
    element.append(...children.filter(child => child !== null && child !== undefined));
    return element;
  };
  const fill = (element, ...children) => { element.replaceChildren(...children.filter(child => child !== null && child !== undefined)); return element; };
  const table = (head, rows) => el('div', { className: 'table' }, el('table', {},
    el('thead', {}, el('tr', {}, ...head.map(name => el('th', { scope: 'col' }, name)))),
    el('tbody', {}, ...rows.map(cells => el('tr', {}, ...cells.map(cell => el('td', {}, cell ?? '')))))));

  const query = parameters => Object.keys(parameters).filter(name => parameters[name] !== undefined && parameters[name] !== '')
    .map(name => `${name}=${encodeURIComponent(parameters[name])}`).join('&');

  // A frozen page has the answers; it sorts and searches the texts that it has by itself.
  const frozen = (name, p) => {
    const known = data.answers[p.id === undefined ? name : `${name}?id=${p.id}`];
    if (!known) throw new Error(`This page has no ${name} of ${p.id}.`);
    const has = text => (text ?? '').toLowerCase().includes((p.search ?? '').toLowerCase());
    const cut = rows => ({ ...known, found: rows.length, rows: rows.slice(p.offset ?? 0, (p.offset ?? 0) + (p.count ?? 50)) });
    if (name === 'samples')
      return cut(known.rows.filter(row => has(row.prompt) || has(row.before.continuation) || Object.values(row.after).some(after => has(after.continuation))));
    if (name !== 'rollouts') return known;
    const [by, sign] = (p.sort ?? 'index').startsWith('-') ? [p.sort.slice(1), -1] : [p.sort ?? 'index', 1];
    const rows = known.rows.filter(row => has(row.prompt) || has(row.continuation));
    return cut(rows.sort((a, b) => (a[by] === null) - (b[by] === null) || sign * (a[by] - b[by]) || a.index - b.index));
  };
  const ask = async (name, parameters = {}) => {
    if (!data.live)
      return name === 'rollout' ? data.answers[`rollouts?id=${parameters.id}`].rows.find(row => row.index === parameters.index) : frozen(name, parameters);
    const response = await fetch(`/api/${name}?${query(parameters)}`);
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  };

  // The runs that are shown, by id: series by metric, and what the run's answer says.
  const runs = new Map();
  const take = (run, line) => {
    const at = line.iteration;
    if (line.type === 'warning') {
      if (!run.warnings.some(one => one.iteration === at && one.code === line.code && one.message === line.message)) run.warnings.push(line);
      return;
    }
    if (line.type === 'iteration') run.iterations = Math.max(run.iterations, at);
    for (const [name, value] of Object.entries(line)) {
      if (name === 'iteration' || typeof value !== 'number') continue;
      const ends = line.type === 'evaluation' ? line.intervals?.[name.split('/').pop()] : undefined;
      if (!run.series.has(name)) run.series.set(name, []);
      const series = run.series.get(name);
      const point = { x: at, y: value, low: ends?.[0], high: ends?.[1] };
      // A line that is told twice counts once.
      const last = series.findLastIndex(other => other.x <= at);
      if (last >= 0 && series[last].x === at) series[last] = point;
      else series.splice(last + 1, 0, point);
    }
  };
  const load = async id => {
    if (runs.has(id)) return runs.get(id);
    const answer = await ask('run', { id });
    const run = { ...answer, warnings: [], series: new Map() };
    answer.lines.forEach(line => take(run, line));
    delete run.lines;
    runs.set(id, run);
    return run;
  };

  const state = { tab: 'run', ids: [], list: [], parameters: {} };
  const go = (tab, changes = {}) => {
    const parameters = { ...state.parameters, runs: state.ids.join('|'), ...changes };
    location.hash = `${tab}?${query(parameters)}`;
  };
  return { data, palette, alpha, figure, el, fill, table, ask, runs, take, load, state, go, views: {} };
})();
