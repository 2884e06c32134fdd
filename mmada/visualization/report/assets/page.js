'use strict';
(() => {
  // Colours of the page's text follow its scheme; plotly needs them resolved.
  const ink = () =>
    getComputedStyle(document.documentElement)
      .getPropertyValue('--ink').trim();
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const touch = matchMedia('(pointer: coarse)');

  function draw(chart) {
    const text = chart.querySelector('script').textContent;
    const figure = JSON.parse(text.replaceAll('var(--ink)', ink()));
    // A finger that scrolls past a plot should not zoom it.
    if (touch.matches) figure.layout.dragmode = false;
    const plot = chart.querySelector('.plot');
    // Plotly takes its height from here when the window changes.
    plot.style.height = `${figure.layout.height}px`;
    Plotly.react(plot, figure.data, figure.layout, {
      responsive: true,
      displayModeBar: false,
    });
    chart.querySelector('.key').replaceChildren(
      ...figure.data
        .filter((trace) => trace.showlegend && figure.data.length > 1)
        .map((trace) => keyButton(plot, figure.data, trace)));
  }

  // A legend of the page's own: it wraps, where plotly's would run over.
  function keyButton(plot, traces, trace) {
    const button = document.createElement('button');
    const line = trace.mode?.includes('lines');
    const color = (line ? trace.line : trace.marker).color;
    const dash = { dash: '6 4', dot: '2 3', dashdot: '6 3 2 3' };
    const stroke = dash[trace.line?.dash] ?? 'none';
    button.type = 'button';
    button.innerHTML =
      '<svg width="28" height="10" aria-hidden="true">' +
      (line ? `<path d="M0 5H28" stroke="${color}" stroke-width="2.5" ` +
        `stroke-dasharray="${stroke}"/>` : '') +
      (trace.mode === 'lines' ? '' :
        `<circle cx="14" cy="5" r="4" fill="${color}"/>`) + '</svg>';
    button.append(trace.name);
    button.setAttribute('aria-pressed', 'true');
    button.addEventListener('click', () => {
      const visible = button.getAttribute('aria-pressed') !== 'true';
      const group = traces.flatMap((other, i) =>
        other.legendgroup === trace.legendgroup ? [i] : []);
      button.setAttribute('aria-pressed', String(visible));
      Plotly.restyle(plot, { visible }, group);
    });
    return button;
  }

  const charts = [...document.querySelectorAll('.chart')];
  const drawAll = () => charts.forEach(draw);
  drawAll();
  dark.addEventListener('change', drawAll);

  const viewer = document.getElementById('viewer');
  const rows = [...document.querySelectorAll('.gallery .row')].map((row) => ({
    title: row.querySelector('h3').textContent,
    views: [...row.querySelectorAll('figure')].map((figure) => ({
      source: figure.querySelector('img').src,
      title: figure.querySelector('figcaption span').textContent,
      caption: figure.querySelector('figcaption b').textContent,
      button: figure.querySelector('button'),
    })),
  }));
  let row = 0;
  let view = 0;

  function show() {
    const current = rows[row];
    const shown = current.views[view];
    const image = document.getElementById('viewer-image');
    image.src = shown.source;
    image.alt = `${shown.title}, ${current.title}`;
    document.getElementById('viewer-title').textContent =
      `${row + 1} of ${rows.length}: ${current.title}, ` +
      `${shown.title} ${shown.caption}`;
    document.querySelectorAll('#viewer-views button').forEach((button, i) =>
      button.setAttribute('aria-pressed', String(i === view)));
  }

  function step(rowStep, viewStep) {
    const turn = (value, by, size) => (value + by + size) % size;
    row = turn(row, rowStep, rows.length);
    view = turn(view, viewStep, rows[row].views.length);
    show();
  }

  rows.forEach((found, i) => found.views.forEach((picture, k) =>
    picture.button.addEventListener('click', () => {
      row = i;
      view = k;
      show();
      viewer.showModal();
    })));

  if (rows.length) {
    const bar = document.getElementById('viewer-views');
    rows[0].views.forEach((picture, i) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = picture.title;
      button.addEventListener('click', () => step(0, i - view));
      bar.append(button);
    });
  }

  const steps = {
    previous: () => step(-1, 0),
    next: () => step(1, 0),
    close: () => viewer.close(),
  };
  viewer.querySelectorAll('[data-step]').forEach((button) =>
    button.addEventListener('click', () => steps[button.dataset.step]()));
  const keys = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
  };
  viewer.addEventListener('keydown', (event) => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    step(...keys[event.key]);
  });
  viewer.addEventListener('click', (event) => {
    if (event.target === viewer) viewer.close();
  });

  const seconds = Number(document.body.dataset.refresh);
  if (seconds) {
    setInterval(() => {
      if (!viewer.open && !document.hidden) location.reload();
    }, 1000 * seconds);
  }
})();
