'use strict';
// The view of who works for a run: a row a worker, and a lane a worker for what it did last.
page.views.cluster = (() => {
  const { el, fill, figure, table, ask, state } = page;
  const root = document.getElementById('tab-cluster');
  const svg = (tag, attributes, ...children) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const colors = { rollout: '#0072b2', reward: '#009e73', learner: '#d55e00' };
  // Who it is among several of a machine; what else is in the name tells apart only those that came one after the other.
  const short = name => name.replace(/\/([0-9a-f]{6})[0-9a-f]{26}$/, '/$1');
  const seconds = milliseconds => `${(milliseconds / 1000).toFixed(milliseconds < 10000 ? 2 : 1)} s`;

  const timeline = (workers, spans) => {
    if (!spans.length) return el('p', {}, 'Nothing has been done yet.');
    const recent = spans.slice(-240);
    const [from, to] = [Math.min(...recent.map(span => span[3])), Math.max(...recent.map(span => span[3] + span[4]))];
    const lanes = workers.filter(worker => recent.some(span => span[0] === worker.role && span[1] === worker.worker));
    const [left, width, height] = [180, 1000, 26];
    const x = at => left + (width - left) * (at - from) / Math.max(1, to - from);
    return el('div', { className: 'table' }, svg('svg', { viewBox: `0 0 ${width} ${lanes.length * height + 24}`, class: 'timeline', role: 'img', 'aria-label': `Who worked in the last ${seconds(to - from)}` },
      ...lanes.flatMap((worker, lane) => [
        svg('text', { x: 0, y: lane * height + 17 }, short(worker.worker).length > 28 ? `${short(worker.worker).slice(0, 27)}…` : short(worker.worker)),
        svg('rect', { x: left, y: lane * height + 3, width: width - left, height: height - 6, fill: '#f1f3f6' }),
        ...recent.filter(span => span[0] === worker.role && span[1] === worker.worker).map(span =>
          svg('rect', { x: x(span[3]).toFixed(1), y: lane * height + 3, width: Math.max(1, x(span[3] + span[4]) - x(span[3])).toFixed(1), height: height - 6, fill: colors[span[0]] ?? '#777', 'fill-opacity': .75 },
            svg('title', {}, `${span[2]}: ${seconds(span[4])}, ${span[5]} ${span[0] === 'reward' ? 'texts' : 'tokens'}`))),
      ]),
      svg('text', { x: left, y: lanes.length * height + 18 }, `${seconds(to - from)} in all; a gap is waiting`)));
  };

  let asked = 0;
  const show = async () => {
    const turn = ++asked;
    const parts = await Promise.all(state.ids.slice(0, 1).map(async id => {
      const { workers, spans } = await ask('cluster', { id });
      const rate = worker => worker.busy > 0 ? figure(worker.count / worker.busy * 1000) : '';
      return [
        workers.length ? table(['worker', 'role', 'device', 'state', 'unit in hand', 'weights', 'done', 'refused', 'failed', 'tokens or texts/s', 'why'],
          workers.map(w => [short(w.worker), w.role, w.device, w.state, w.unit, w.version ?? '', w.done, w.refused, w.failed, rate(w), w.reason])) : el('p', {}, 'Nobody has worked for this run yet, or it was made before workers were noted down.'),
        el('h2', {}, 'What they did last'),
        el('p', { className: 'keys' }, ...Object.entries(colors).map(([role, color]) => { const mark = el('span', { className: 'swatch' }); mark.style.backgroundColor = color; return el('span', {}, mark, ` ${role} `); })),
        timeline(workers, spans),
      ];
    }));
    if (turn === asked) fill(root, ...parts.flat());
  };
  return { title: 'Cluster', show, changed: what => { if (what === 'cluster' && state.tab === 'cluster') show(); } };
})();
