'use strict';
// A chart of lines that can be zoomed by wheel, dragged, and read with the keyboard.
page.curves = (() => {
  const { el, figure, alpha } = page;
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;

  // The mean of what came so far, older values counting less; unbiased at the beginning, as TensorBoard has it.
  const smooth = (points, weight) => {
    if (!(weight > 0)) return points;
    let [last, count] = [0, 0];
    return points.map(point => {
      last = last * weight + (1 - weight) * point.y;
      return { ...point, y: last / (1 - weight ** ++count) };
    });
  };

  const zoom = (chart, range, shared) => {
    for (const other of shared(chart)) {
      Object.assign(other.options.scales.x, range ?? { min: undefined, max: undefined });
      other.update('none');
    }
  };
  const bounds = chart => ({ min: chart.scales.x.min, max: chart.scales.x.max });
  const scaled = (chart, factor, share) => {
    const { min, max } = bounds(chart);
    const middle = min + (max - min) * share;
    return { min: middle - (middle - min) * factor, max: middle + (max - middle) * factor };
  };
  const shifted = (chart, share) => {
    const { min, max } = bounds(chart);
    return { min: min - (max - min) * share, max: max - (max - min) * share };
  };

  // options: title, label of the y axis, pick(iteration) on click or Enter, shared(chart) for charts that zoom together.
  const make = options => {
    const spoken = el('p', { className: 'spoken', 'aria-live': 'polite' });
    const canvas = el('canvas', { tabIndex: 0, role: 'img', 'aria-label': `${options.title}. Arrow keys read it, plus and minus zoom, Enter opens the texts.` });
    const box = el('div', { className: 'chart' }, canvas, spoken);
    const shared = options.shared ?? (chart => [chart]);
    const chart = new Chart(canvas, {
      type: 'line',
      data: { datasets: [] },
      options: {
        parsing: false,
        interaction: { mode: 'nearest', axis: 'x', intersect: false },
        scales: {
          x: { type: 'linear', title: { display: true, text: 'iteration' }, ticks: { precision: 0 } },
          y: { type: 'linear', title: { display: true, text: options.label ?? '' } },
        },
        plugins: {
          title: { display: true, text: options.title },
          legend: { position: 'bottom', labels: { boxWidth: 14, filter: (item, all) => !all.datasets[item.datasetIndex].band } },
          tooltip: {
            filter: item => !item.dataset.band,
            callbacks: { label: item => `${item.dataset.label}: ${figure(item.raw.raw ?? item.raw.y)}` + (item.raw.low === undefined ? '' : ` [${figure(item.raw.low)}, ${figure(item.raw.high)}]`) },
          },
        },
        onClick: event => {
          if (moved) return;
          const [hit] = chart.getElementsAtEventForMode(event, 'nearest', { axis: 'x', intersect: false }, true);
          if (hit) options.pick?.(chart.data.datasets[hit.datasetIndex].data[hit.index].x);
        },
      },
    });

    let [drag, moved, cursor] = [null, false, -1];
    canvas.addEventListener('wheel', event => {
      if (!event.ctrlKey && !event.shiftKey && document.activeElement !== canvas) return;
      event.preventDefault();
      const area = chart.chartArea;
      zoom(chart, scaled(chart, event.deltaY > 0 ? 1.25 : 0.8, (event.offsetX - area.left) / (area.right - area.left)), shared);
    }, { passive: false });
    canvas.addEventListener('pointerdown', event => { [drag, moved] = [event.clientX, false]; });
    canvas.addEventListener('pointermove', event => {
      if (drag === null || Math.abs(event.clientX - drag) < 4 && !moved) return;
      moved = true;
      zoom(chart, shifted(chart, (event.clientX - drag) / (chart.chartArea.right - chart.chartArea.left)), shared);
      drag = event.clientX;
    });
    for (const end of ['pointerup', 'pointerleave']) canvas.addEventListener(end, () => { drag = null; });
    canvas.addEventListener('dblclick', () => zoom(chart, null, shared));

    const read = step => {
      const lines = chart.data.datasets.filter(set => !set.band && set.data.length);
      if (!lines.length) return;
      const points = lines[0].data;
      cursor = Math.min(Math.max(cursor + step, 0), points.length - 1);
      const at = points[cursor].x;
      chart.setActiveElements([{ datasetIndex: chart.data.datasets.indexOf(lines[0]), index: cursor }]);
      chart.tooltip.setActiveElements([{ datasetIndex: chart.data.datasets.indexOf(lines[0]), index: cursor }], { x: 0, y: 0 });
      chart.update('none');
      spoken.textContent = `iteration ${at}: ` + lines.map(set => set.data.filter(point => point.x === at).map(point => `${set.label} ${figure(point.raw ?? point.y)}`)).flat().join(', ');
    };
    const keys = {
      ArrowRight: () => read(1), ArrowLeft: () => read(-1), Home: () => read(-1e9), End: () => read(1e9),
      '+': () => zoom(chart, scaled(chart, 0.8, 0.5), shared), '-': () => zoom(chart, scaled(chart, 1.25, 0.5), shared), '0': () => zoom(chart, null, shared),
      Enter: () => { const line = chart.data.datasets.find(set => !set.band && set.data[cursor]); if (line) options.pick?.(line.data[cursor].x); },
    };
    canvas.addEventListener('keydown', event => {
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });

    // series: label, color, dash, points of x, y, and where they are known low and high.
    const draw = (series, { smoothing = 0, logarithmic = false } = {}) => {
      chart.options.scales.y.type = logarithmic ? 'logarithmic' : 'linear';
      const old = new Map(chart.data.datasets.map(set => [set.key, set]));
      chart.data.datasets = series.flatMap(one => {
        const color = one.color;
        const banded = one.points.filter(point => point.low !== undefined && point.low !== null);
        const sets = [];
        if (banded.length) {
          sets.push({ key: `${one.label} low`, band: true, data: banded.map(point => ({ x: point.x, y: point.low })), pointRadius: 0, borderWidth: 0, fill: false });
          sets.push({ key: `${one.label} high`, band: true, data: banded.map(point => ({ x: point.x, y: point.high })), pointRadius: 0, borderWidth: 0, fill: '-1', backgroundColor: alpha(color, .15) });
        }
        const smoothed = smooth(one.points, one.sparse ? 0 : smoothing);
        sets.push({ key: one.label, label: one.label, data: smoothed.map((point, i) => ({ ...point, raw: one.points[i].y })), borderColor: color, backgroundColor: color, borderWidth: 2, borderDash: one.dash ?? [], pointRadius: one.points.length < 60 ? 2 : 0, fill: false });
        return sets;
      }).map(set => Object.assign(old.get(set.key) ?? {}, set));
      canvas.dataset.points = Math.max(0, ...series.map(one => one.points.length));
      chart.update('none');
    };
    return { box, chart, draw, reset: () => zoom(chart, null, shared) };
  };
  return { make };
})();
