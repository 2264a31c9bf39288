'use strict';
// The view of texts: what an iteration learnt from, a page at a time; the lens on the tokens of one; held-out prompts before and after.
page.views.texts = (() => {
  const { el, fill, figure, ask, state, runs, go } = page;
  const root = document.getElementById('tab-texts');
  const size = 50;
  const words = { o: 'open: the push was let through', x: 'shut: the push was held back', s: 'skipped: drawn without the mask', '.': 'not asked' };
  let parts, asked = 0;

  const build = () => {
    const change = (name, value) => go('texts', { [name]: value, offset: undefined, index: undefined });
    parts = {
      of: el('select', { id: 'texts-of', onchange: event => change('of', event.target.value) }, el('option', { value: '' }, 'what an iteration learnt from'), el('option', { value: 'test' }, 'held-out prompts, before and after')),
      iteration: el('select', { id: 'texts-iteration', onchange: event => change('iteration', event.target.value) }),
      sort: el('select', { id: 'texts-sort', onchange: event => change('sort', event.target.value) }, ...['index', '-reward', 'reward', '-kl', 'kl', '-length', 'length', '-repetition', 'repetition'].map(order =>
        el('option', { value: order }, order === 'index' ? 'as drawn' : `${order.replace('-', '')}, ${order.startsWith('-') ? 'greatest' : 'least'} first`))),
      search: el('input', { id: 'texts-search', type: 'search', placeholder: 'search', 'aria-label': 'Search in prompts and texts', onchange: event => change('search', event.target.value) }),
      lens: el('div', { id: 'lens' }),
      list: el('div', { id: 'texts-list' }),
    };
    fill(root, el('div', { className: 'controls' }, el('label', {}, 'texts ', parts.of), el('label', { id: 'texts-iteration-label' }, 'iteration ', parts.iteration), el('label', {}, 'sorted by ', parts.sort), parts.search), parts.lens, parts.list);
  };

  const pager = (answer, offset) => el('p', { className: 'pager' },
    el('button', { type: 'button', disabled: offset === 0, onclick: () => go('texts', { offset: Math.max(0, offset - size) || undefined, index: undefined }) }, 'previous'),
    ` ${answer.found ? offset + 1 : 0} to ${Math.min(offset + size, answer.found)} of ${answer.found}${answer.found === answer.all ? '' : ` found in ${answer.all}`} `,
    el('button', { type: 'button', id: 'texts-next', disabled: offset + size >= answer.found, onclick: () => go('texts', { offset: offset + size, index: undefined }) }, 'next'));

  const row = one => {
    const open = () => go('texts', { index: one.index, iteration: parts.iteration.value });
    return el('tr', { tabIndex: 0, className: 'pick', onclick: open, onkeydown: event => { if (event.key === 'Enter') open(); } },
      ...[one.index, figure(one.reward), figure(one.kl), one.length, figure(one.repetition), one.behaviour].map(cell => el('td', {}, String(cell))),
      el('td', {}, el('span', { className: 'prompt' }, one.prompt), one.continuation));
  };

  const rollouts = async (id, p, offset) => {
    const answer = await ask('rollouts', { id, iteration: p.iteration, sort: p.sort, search: p.search, offset, count: size });
    const run = runs.get(id);
    if (run) run.rollouts = answer.iterations;
    return () => {
      fill(parts.iteration, ...answer.iterations.map(iteration => el('option', { value: iteration, selected: iteration === answer.iteration }, String(iteration))));
      fill(parts.list, answer.iterations.length
        ? el('div', {}, pager(answer, offset), el('div', { className: 'table' }, el('table', { id: 'texts-table' },
          el('thead', {}, el('tr', {}, ...['', 'reward', 'KL', 'tokens', 'repetition', 'policy', 'prompt and continuation'].map(name => el('th', { scope: 'col' }, name)))),
          el('tbody', {}, ...answer.rows.map(row)))))
        : el('p', {}, 'Nothing is kept of this run\'s training: it rolls nothing out, has not finished an iteration, or has record.rollouts = false.'));
    };
  };

  const heldOut = async (id, p, offset) => {
    const answer = await ask('samples', { id, search: p.search, offset, count: size });
    const policies = [...new Set(answer.rows.flatMap(one => Object.keys(one.after)))];
    const cell = text => text ? el('td', {}, el('b', {}, figure(text.reward)), ` ${text.continuation}`) : el('td', {});
    return () => fill(parts.list, answer.all
      ? el('div', {}, pager(answer, offset), el('div', { className: 'table' }, el('table', { id: 'samples-table' },
        el('thead', {}, el('tr', {}, ...['prompt', 'before', ...policies.map(name => `after, ${name}`)].map(name => el('th', { scope: 'col' }, name)))),
        el('tbody', {}, ...answer.rows.map(one => el('tr', {}, el('td', { className: 'prompt' }, one.prompt), cell(one.before), ...policies.map(name => cell(one.after[name]))))))))
      : el('p', {}, 'Held-out prompts are continued before training and at its end; there are none yet.'));
  };

  // Orange where the policy likes a token more than the reference does, blue where less.
  const tint = ratio => ratio > 0 ? `rgba(213, 94, 0, ${Math.min(1, ratio / 2) * .7})` : `rgba(0, 114, 178, ${Math.min(1, -ratio / 2) * .7})`;

  const lens = (id, one, iteration) => {
    const numbers = el('div', { id: 'token', 'aria-live': 'polite' }, el('p', { className: 'hint' }, 'Choose a token; arrow keys move.'));
    const trace = one.trace && page.data.traceUrl ? el('a', { id: 'trace', href: page.data.traceUrl.replace('{trace}', encodeURIComponent(one.trace)), target: '_blank', rel: 'noreferrer' }, `trace ${one.trace}`)
      : el('span', {}, one.trace ? `trace ${one.trace}; start the page with --trace-url for a link` : 'no trace: the run had no telemetry (OTEL_EXPORTER_OTLP_ENDPOINT)');
    const greatest = Math.max(1e-9, ...(one.advantage ?? []).map(value => Math.abs(value ?? 0)));
    const tokens = one.pieces.map((piece, t) => {
      const advantage = one.advantage?.[t] ?? 0;
      const bar = sign => {
        const mark = el('i', { className: sign > 0 ? 'up' : 'down' }, el('b'));
        mark.firstChild.style.height = `${Math.round(18 * Math.max(0, sign * advantage) / greatest)}px`;
        return mark;
      };
      const text = el('span', { className: one.mask?.[t] === 'x' ? 'shut' : '' }, piece.replace(/\n/g, '⏎\n'));
      text.style.backgroundColor = tint(one.log_ratio?.[t] ?? 0);
      return el('button', { type: 'button', className: 'token', tabIndex: t ? -1 : 0, onclick: () => choose(t) }, bar(1), text, bar(-1));
    });
    const choose = t => {
      tokens.forEach((token, other) => { token.tabIndex = other === t ? 0 : -1; token.classList.toggle('chosen', other === t); });
      tokens[t].focus();
      fill(numbers, el('dl', {}, ...[
        ['token', `${JSON.stringify(one.pieces[t])}, id ${one.tokens[t]}, place ${t + 1} of ${one.tokens.length}`],
        ['log-ratio to the reference', `${figure(one.log_ratio?.[t])} nats`],
        ['KL at its state', `${figure(one.state_kl?.[t])} nats`],
        ['advantage', figure(one.advantage?.[t])],
        ['mask', one.mask ? words[one.mask[t]] : 'not known'],
      ].flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]), el('dt', {}, 'trace of its unit'), el('dd', {}, trace)));
    };
    const strip = el('div', { className: 'tokens', role: 'group', 'aria-label': 'Tokens', onkeydown: event => {
      const now = tokens.findIndex(token => token.tabIndex === 0);
      const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: tokens.length - 1 }[event.key];
      if (next === undefined || !tokens[next]) return;
      event.preventDefault();
      choose(next);
    } }, ...tokens);
    const parted = one.parts ? `; parts: ${Object.entries(one.parts).map(([name, score]) => `${name} ${figure(score)}`).join(', ')}` : '';
    fill(parts.lens, el('article', {},
      el('h2', {}, `Iteration ${iteration}, continuation ${one.index}`),
      el('p', {}, `reward ${figure(one.reward)}${parted}; KL ${figure(one.kl)} nats a token; drawn by ${one.behaviour} with weights ${one.version ?? '?'}, unit ${one.unit}; ${one.finished ? 'ended by itself' : 'cut at its greatest length'}`),
      el('p', { className: 'prompt' }, one.prompt),
      strip, numbers,
      el('p', { className: 'hint' }, 'Orange: the policy likes the token more than the reference does; blue: less. The bar is the advantage: above where the token is to be made likelier, below where unlikelier. Struck through: a mask held its push back.'),
      el('button', { type: 'button', onclick: () => go('texts', { index: undefined }) }, 'close')));
  };

  const show = async () => {
    if (!parts) build();
    const [turn, id, p] = [++asked, state.ids[0], state.parameters];
    const [offset, test] = [Number(p.offset ?? 0), p.of === 'test'];
    parts.of.value = p.of ?? '';
    parts.sort.value = p.sort ?? 'index';
    parts.search.value = p.search ?? '';
    parts.sort.disabled = test;
    document.getElementById('texts-iteration-label').hidden = test;
    if (!id) return fill(parts.list, el('p', {}, 'There is no run yet.'));
    const draw = await (test ? heldOut : rollouts)(id, p, offset);
    if (turn !== asked) return;
    draw();
    if (test || p.index === undefined) fill(parts.lens);
    else {
      const iteration = Number(p.iteration ?? parts.iteration.value);
      const one = await ask('rollout', { id, iteration, index: Number(p.index) });
      if (turn === asked) lens(id, one, iteration);
    }
  };
  return { title: 'Texts', show };
})();
