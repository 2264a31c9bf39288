'use strict';
// The view of studies: tables as HTML from the host, which has escaped every text in it, and the charts in their places.
page.views.study = (() => {
  const { el, fill, ask, state, palette, alpha, figure } = page;
  const root = document.getElementById('tab-study');
  const charts = [];
  const made = (canvas, options) => { const chart = new Chart(canvas, options); charts.push(chart); return chart; };

  const draw = data => {
    charts.splice(0).forEach(chart => chart.destroy());
    // One colour a setting, the same in all charts.
    const names = [...new Set(data.curves.flatMap(curve => curve.series.map(series => series.label)))];
    const colorOf = label => palette[names.indexOf(label) % palette.length];
    const dashOf = label => names.indexOf(label) < palette.length ? [] : [6, 3];

    // A setting is three lines: the ends of its band, which the legend does not name, and its mean.
    const lines = series => {
      const color = colorOf(series.label);
      const line = (column, more) => ({ label: series.label, data: series.points.map(p => ({ x: p[0], y: p[column], count: p[4], low: p[2], high: p[3] })), pointRadius: 0, borderWidth: 0, ...more });
      return [
        line(2, { band: true, fill: false }),
        line(3, { band: true, fill: '-1', backgroundColor: alpha(color, .15) }),
        line(1, { borderColor: color, backgroundColor: color, borderWidth: 2, borderDash: dashOf(series.label), pointRadius: series.points.length < 8 ? 3 : 1, fill: false }),
      ];
    };
    const toggle = (event, item, legend) => {
      const visible = legend.chart.isDatasetVisible(item.datasetIndex);
      for (let i = item.datasetIndex - 2; i <= item.datasetIndex; i++)
        legend.chart.setDatasetVisibility(i, !visible);
      legend.chart.update();
    };

    for (const curve of data.curves) {
      const box = document.createElement('div');
      box.className = 'chart';
      const canvas = box.appendChild(document.createElement('canvas'));
      document.getElementById('curves').appendChild(box);
      made(canvas, {
        type: 'line',
        data: { datasets: curve.series.flatMap(lines) },
        options: {
          parsing: false,
          interaction: { mode: 'nearest', intersect: false },
          scales: { x: { type: 'linear', title: { display: true, text: 'iteration' }, ticks: { precision: 0 } }, y: { title: { display: true, text: curve.metric } } },
          plugins: {
            title: { display: true, text: curve.title },
            legend: { position: 'bottom', labels: { boxWidth: 14, filter: (item, all) => !all.datasets[item.datasetIndex].band }, onClick: toggle },
            tooltip: {
              filter: item => !item.dataset.band,
              callbacks: { label: item => `${item.dataset.label}: ${figure(item.raw.y)}` + (item.raw.count > 1 ? ` [${figure(item.raw.low)}, ${figure(item.raw.high)}], ${item.raw.count} runs` : ', 1 run') },
            },
          },
        },
      });
    }

    // A point's own name beside it, where a chart asks for it.
    const pointNames = {
      id: 'pointNames',
      afterDatasetsDraw: chart => {
        const pen = chart.ctx;
        pen.save();
        pen.font = '11px sans-serif';
        pen.fillStyle = '#444';
        chart.data.datasets.forEach((dataset, i) => {
          if (dataset.seeds || !chart.isDatasetVisible(i))
            return;
          chart.getDatasetMeta(i).data.forEach((point, j) => pen.fillText(dataset.data[j].name, point.x + 8, point.y - 6));
        });
        pen.restore();
      },
    };

    const scatter = (id, families, x, plugins) => made(document.getElementById(id), {
      type: 'scatter',
      plugins,
      data: {
        datasets: families.flatMap((family, i) => {
          const color = palette[i % palette.length];
          return [
            { label: family.label, data: family.means, showLine: true, borderColor: alpha(color, .5), backgroundColor: color, borderWidth: 1, pointRadius: 6, pointStyle: family.label.endsWith('before') ? 'star' : 'circle', pointBorderColor: color },
            { label: family.label, data: family.seeds, seeds: true, backgroundColor: alpha(color, .35), pointRadius: 3 },
          ];
        }),
      },
      options: {
        scales: { x, y: { title: { display: true, text: 'reward on held-out prompts' } } },
        plugins: {
          legend: {
            position: 'bottom',
            labels: { boxWidth: 14, usePointStyle: true, filter: (item, all) => !all.datasets[item.datasetIndex].seeds },
            onClick: (event, item, legend) => {
              const visible = legend.chart.isDatasetVisible(item.datasetIndex);
              legend.chart.setDatasetVisibility(item.datasetIndex, !visible);
              legend.chart.setDatasetVisibility(item.datasetIndex + 1, !visible);
              legend.chart.update();
            },
          },
          tooltip: { callbacks: { label: item => `${item.raw.group}, ${item.raw.name}: ${x.title.text} ${figure(item.raw.x)}, reward ${figure(item.raw.y)}` } },
        },
      },
    });

    const xs = data.frontier.flatMap(family => family.means.map(point => point.x)).filter(x => x > 0);
    scatter('frontier', data.frontier, { type: Math.max(...xs) > 10 * Math.min(...xs) ? 'logarithmic' : 'linear', title: { display: true, text: 'perplexity under the reference' } }, []);
    scatter('divergence', data.divergence, { type: 'linear', min: 0, title: { display: true, text: 'KL to the untrained model, nats a token' } }, [pointNames]);
  };

  let [controls, content, drawn] = [null, null, ''];
  const show = async () => {
    if (!page.data.live) {
      if (!charts.length) draw(await ask('study'));
      return;
    }
    if (!controls) {
      const studies = await ask('studies');
      const select = el('select', { id: 'study-path', onchange: event => page.go('study', { study: event.target.value }) }, el('option', { value: '' }, 'the chosen runs'), ...studies.map(path => el('option', { value: path }, path)));
      [controls, content] = [select, el('div')];
      fill(root, el('div', { className: 'controls' }, el('label', {}, 'study ', select)), content);
    }
    controls.value = state.parameters.study ?? '';
    const parameters = state.parameters.study ? { path: state.parameters.study } : { id: state.ids.join('|') };
    if (!state.parameters.study && !state.ids.length) return fill(content, el('p', {}, 'There is no run yet.'));
    const wanted = JSON.stringify(parameters);
    const answer = await ask('study', parameters);
    drawn = wanted;
    content.innerHTML = answer.html;
    draw(answer.charts);
  };
  return { title: 'Study', show };
})();
