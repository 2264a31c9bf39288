'use strict';
// The view of runs: their curves over each other, what they were told, and where they ran.
page.views.run = (() => {
  const { el, fill, figure, table, runs, state } = page;
  const root = document.getElementById('tab-run');
  const groups = [
    ['Reward', /^(rollout\/reward|eval\/validation\/[^/]+\/reward)$/, 'reward'],
    ['KL to the reference', /^(objective\/kl_full|eval\/validation\/[^/]+\/kl)$/, 'nats a token'],
    ['Entropy', /^(objective\/entropy|eval\/validation\/[^/]+\/entropy)$/, 'nats a token'],
    ['Perplexity under the reference', /^(rollout\/perplexity|eval\/validation\/[^/]+\/perplexity)$/, 'perplexity'],
    ['Masks', /^dfpo\/mask_(positive|negative|skipped)$/, 'share of tokens'],
    ['Speed', /^tokens_per_second$/, 'tokens/s'],
  ];
  const charts = [];
  const controls = { smoothing: 0, logarithmic: false, added: '' };
  let grid, about, summary, picker;

  const colorOf = n => page.palette[n % page.palette.length];
  const dashes = [[], [6, 3], [2, 2], [8, 3, 2, 3], [1, 4]];
  const seriesOf = pattern => {
    const shown = state.ids.map(id => runs.get(id)).filter(Boolean);
    return shown.flatMap((run, r) => [...run.series.keys()].filter(name => pattern.test(name)).sort((a, b) => a.startsWith('eval') - b.startsWith('eval')).map((name, m) => ({
      label: shown.length > 1 ? `${run.name}: ${name}` : name,
      color: shown.length > 1 ? colorOf(r) : colorOf(m),
      dash: shown.length > 1 ? dashes[m % dashes.length] : [],
      sparse: name.startsWith('eval'),
      points: run.series.get(name),
    })));
  };
  const pick = iteration => {
    const kept = runs.get(state.ids[0])?.rollouts ?? [];
    page.go('texts', { iteration: kept.length ? kept.reduce((a, b) => Math.abs(b - iteration) < Math.abs(a - iteration) ? b : a) : undefined, index: undefined, of: undefined });
  };

  const build = () => {
    summary = el('p', { id: 'run-summary' });
    grid = el('div', { className: 'grid', id: 'run-charts' });
    about = el('div');
    picker = el('select', { id: 'run-metric', onchange: event => { controls.added = event.target.value; draw(); } });
    fill(root, summary,
      el('div', { className: 'controls' },
        el('label', {}, 'smoothing ', el('input', { id: 'run-smoothing', type: 'range', min: 0, max: 0.95, step: 0.05, value: 0, oninput: event => { controls.smoothing = Number(event.target.value); draw(); } })),
        el('label', {}, el('input', { id: 'run-log', type: 'checkbox', onchange: event => { controls.logarithmic = event.target.checked; draw(); } }), ' logarithmic'),
        el('label', {}, 'one more curve ', picker),
        el('button', { type: 'button', onclick: () => charts.forEach(one => one.reset()) }, 'whole range')),
      el('p', { className: 'hint' }, 'A click on a curve opens the texts of its iteration. Drag to move; the wheel zooms a chart that has the focus, or with Ctrl.'),
      grid, about);
  };
  const draw = () => {
    const known = [...new Set(state.ids.flatMap(id => [...(runs.get(id)?.series.keys() ?? [])]))].sort();
    const wanted = groups.filter(([, pattern]) => known.some(name => pattern.test(name)));
    if (controls.added) wanted.push([controls.added, new RegExp(`^${controls.added.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`), '']);
    fill(picker, el('option', { value: '' }, '...'), ...known.map(name => el('option', { value: name, selected: name === controls.added }, name)));
    wanted.forEach(([title, pattern, label], i) => {
      if (charts[i]?.title !== title) {
        charts[i]?.chart.destroy();
        const made = page.curves.make({ title, label, pick, shared: () => charts.map(one => one.chart) });
        if (charts[i]) charts[i].box.replaceWith(made.box);
        else grid.append(made.box);
        charts[i] = { ...made, title };
      }
      charts[i].draw(seriesOf(pattern), controls);
    });
    for (const old of charts.splice(wanted.length)) {
      old.chart.destroy();
      old.box.remove();
    }
    tell();
  };
  const tell = () => {
    const shown = state.ids.map(id => runs.get(id)).filter(Boolean);
    fill(summary, ...shown.map(run => {
      const last = name => run.series.get(name)?.at(-1)?.y;
      const times = run.series.get('time/elapsed') ?? [];
      const pace = times.length > 1 ? (times.at(-1).y - times[Math.max(0, times.length - 11)].y) / Math.min(10, times.length - 1) : NaN;
      const rest = run.planned - run.iterations;
      const eta = run.status === 'unfinished' && rest > 0 && pace > 0 ? `, about ${Math.round(pace * rest)} s to go` : '';
      return el('span', { className: 'line' }, el('b', {}, run.name), ` ${run.status}, iteration ${run.iterations} of ${run.planned}${eta}; reward ${figure(last('rollout/reward'))}, KL ${figure(last('objective/kl_full') ?? last('objective/kl'))}, ${figure(last('tokens_per_second'))} tokens/s, `,
        run.warnings.length ? el('b', { className: 'bad' }, `${run.warnings.length} warnings of guards`) : 'no warning of a guard', run.note ? `; ${run.note}` : '');
    }));
    document.getElementById('standing').dataset.iterations = Math.max(0, ...shown.map(run => run.iterations));
  };
  const describe = () => {
    const shown = state.ids.map(id => runs.get(id)).filter(Boolean);
    fill(about, ...shown.flatMap(run => {
      const differs = run.config.filter(key => key.preset !== undefined && key.preset !== null && key.preset !== key.value && key.key !== 'name' && key.key !== 'seed');
      return [
        el('h2', {}, shown.length > 1 ? `Configuration of ${run.name}` : 'Configuration'),
        el('p', {}, run.preset ? `Keys that differ from the preset ${run.preset} with all other keys at their defaults:` : 'Keys that differ from the defaults:'),
        table(['key', 'value', run.preset || 'default'], differs.map(key => [key.key, key.value, key.preset])),
        el('details', {}, el('summary', {}, `All ${run.config.length} keys`), el('pre', {}, run.config.map(key => `${key.key} = ${key.value}`).join('\n'))),
        run.warnings.length ? el('details', { open: true }, el('summary', {}, 'Warnings of guards'), table(['iteration', 'code', 'warning'], run.warnings.map(one => [one.iteration, one.code, one.message]))) : null,
        el('details', {}, el('summary', {}, 'Environment'), table(['', ''], Object.entries(run.versions).map(([name, value]) => [name, String(value)]))),
      ];
    }));
  };
  return {
    title: 'Run',
    show: () => { if (!grid) build(); draw(); describe(); },
    lines: draw,
    changed: describe,
  };
})();
