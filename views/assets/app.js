// Behaviour of the console that HTML and htmx do not have. Delegated listeners only, so that swapped-in content works;
// every page works without this file, less comfortably.
(() => {
  'use strict';
  const root = document.documentElement;
  const $$ = (selector, from = document) => from.querySelectorAll(selector);

  // --- Menus and dialogs -------------------------------------------------------------------------------------------
  document.addEventListener('click', (event) => {
    for (const menu of $$('details.menu[open]')) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    const opener = event.target.closest('[commandfor]');
    if (opener && !('command' in HTMLButtonElement.prototype)) { // browsers without invoker commands
      const dialog = document.getElementById(opener.getAttribute('commandfor'));
      if (opener.getAttribute('command') === 'show-modal') dialog?.showModal();
    }
    const copy = event.target.closest('[data-copy]');
    if (copy) copyFrom(copy);
    if (event.target.closest('[data-print]')) print();
    const row = event.target.closest('tr[data-href]');
    if (row && !event.target.closest('a, button, input, label, summary') && !String(getSelection())) {
      row.querySelector('a')?.click();
    }
  });

  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    for (const menu of $$('details.menu[open]')) {
      menu.open = false;
      menu.querySelector('summary').focus();
    }
  });

  // --- Copy --------------------------------------------------------------------------------------------------------
  async function copyFrom(button) {
    const source = document.getElementById(button.dataset.copy);
    const text = source.value ?? source.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // no permission, or plain http
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      if (!document.execCommand('copy')) return;
    }
    button.dataset.copied = '';
    setTimeout(() => delete button.dataset.copied, 2000);
  }

  // --- Filters: submit when a choice changes -----------------------------------------------------------------------
  document.addEventListener('change', (event) => {
    const form = event.target.closest('form[data-autosubmit]');
    if (form && event.target.matches('select, input[type=checkbox], input[type=date]')) form.requestSubmit();
  });

  // --- Times in the reader's zone and language ---------------------------------------------------------------------
  const lang = () => root.lang || 'en';
  const cached = new Map();
  function format(kind, options) {
    const key = kind + lang();
    if (!cached.has(key)) cached.set(key, new Intl.DateTimeFormat(lang(), options));
    return cached.get(key);
  }
  const exact = () => format('exact', { dateStyle: 'medium', timeStyle: 'medium' });
  const short = () => format('short', { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

  function ago(date) {
    const seconds = Math.round((date - Date.now()) / 1000);
    const relative = new Intl.RelativeTimeFormat(lang(), { numeric: 'auto' });
    for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
      if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
    }
    return relative.format(seconds > -5 && seconds < 5 ? 0 : seconds, 'second');
  }

  function localise(node) {
    for (const el of node.matches?.('time[data-format]') ? [node] : $$('time[data-format]', node)) {
      const date = new Date(el.dateTime);
      if (Number.isNaN(date.valueOf())) continue;
      el.title = exact().format(date);
      const text = el.dataset.format === 'ago' ? ago(date) : (el.dataset.format === 'short' ? short() : exact()).format(date);
      if (el.textContent !== text) el.textContent = text;
    }
  }
  setInterval(() => $$('time[data-format=ago]').forEach(localise), 30_000);

  // --- Charts: drawn from the table beside them, which is also the accessible form of the same data -----------------
  const charts = new Map();
  const units = {
    count: (v) => new Intl.NumberFormat(lang(), { notation: v >= 10000 ? 'compact' : 'standard', maximumFractionDigits: 2 }).format(v),
    money: (v) => new Intl.NumberFormat(lang(), { maximumSignificantDigits: 4 }).format(v),
    ms: (v) => v === 0 ? '0' : v >= 1000 ? (v / 1000).toFixed(v >= 10000 ? 0 : 1) + ' s' : (v < 10 ? Math.round(v * 10) / 10 : Math.round(v)) + ' ms',
  };

  function read(figure) {
    const columns = [[]];
    for (const tr of $$('.chart-table tbody tr', figure)) {
      const at = Date.parse(tr.querySelector('time').dateTime) / 1000;
      if (at <= columns[0].at(-1)) continue; // said again after a reconnect
      columns[0].push(at);
      $$('td', tr).forEach((td, i) => (columns[i + 1] ??= []).push(td.dataset.v === '' ? null : Number(td.dataset.v)));
    }
    return columns;
  }

  function draw(figure) {
    const plot = figure.querySelector('.chart-plot');
    if (!plot || !window.uPlot) return;
    const data = read(figure);
    const known = charts.get(figure);
    if (known) return known.setData(data);
    if (!data[0].length) return;
    const style = getComputedStyle(figure);
    const colour = (name) => style.getPropertyValue(name).trim();
    const unit = units[figure.dataset.unit] ?? units.count;
    const line = { stroke: colour('--color-base-300'), width: 1 };
    const axis = { stroke: colour('--muted'), font: '12px ' + style.fontFamily, grid: line, ticks: { show: false } };
    const series = [...$$('.chart-table thead th[data-series]', figure)].map((th, i) => ({
      label: th.textContent.trim(),
      stroke: colour('--chart-' + (i % 4 + 1)),
      fill: figure.dataset.fill === undefined || i > 0 ? undefined : fade(colour('--chart-1')),
      width: 1.5,
      points: { show: false },
      spanGaps: true,
      value: (_, v) => v == null ? '–' : unit(v),
    }));
    const legend = series.length > 1;
    const size = () => ({ width: Math.max(plot.clientWidth, 120), height: plot.clientHeight - (legend ? 30 : 0) });
    const chart = new uPlot({
      ...size(),
      cursor: { y: false },
      legend: { show: legend },
      scales: { x: { range: span(figure) }, y: { range: (_, min, max) => [0, max > 0 ? max * 1.15 : 1] } },
      axes: [
        { ...axis, size: 30, grid: { show: false }, space: 80, values: (_, ticks, __, ___, step) => ticks.map((s) => tick(step).format(s * 1000)) },
        { ...axis, size: 56, values: (_, ticks) => ticks.map(unit) },
      ],
      series: [{}, ...series],
    }, data, plot);
    const resize = new ResizeObserver(() => figure.isConnected && chart.setSize(size()));
    resize.observe(plot);
    chart.forget = () => { resize.disconnect(); chart.destroy(); charts.delete(figure); };
    charts.set(figure, chart);
  }

  // tick writes a moment as exactly as the distance between ticks, in seconds, asks for.
  function tick(step) {
    if (step >= 86400) return format('day', { month: 'short', day: 'numeric' });
    const seconds = step < 60 ? { second: '2-digit' } : {};
    return format('tick' + (step < 60), { hour: '2-digit', minute: '2-digit', hour12: false, ...seconds });
  }

  // A live chart shows a fixed span that ends now; another one what it has.
  function span(figure) {
    const seconds = Number(figure.dataset.span);
    return (_, min, max) => seconds ? [max - seconds, max] : min === max ? [min - 60, max + 60] : [min, max];
  }

  function fade(colour) {
    return `color-mix(in oklab, ${colour} 10%, transparent)`;
  }

  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const [figure, chart] of [...charts]) {
      chart.forget();
      draw(figure);
    }
  });

  // --- New content, from wherever it came: localise, redraw, keep live tables short --------------------------------
  function trim(body) {
    const max = Number(body.dataset.maxRows);
    const oldestFirst = body.dataset.order === 'oldest-first';
    while (body.rows.length > max) body.deleteRow(oldestFirst ? 0 : -1);
  }

  function refresh(records) {
    const figures = new Set();
    const bodies = new Set();
    for (const record of records) {
      if (record.target.closest?.('.chart-plot, time')) continue;
      for (const node of record.addedNodes) if (node.nodeType === Node.ELEMENT_NODE) arrive(node, figures, bodies);
      const figure = record.target.closest?.('figure[data-chart]');
      if (figure) figures.add(figure);
      const body = record.target.closest?.('tbody[data-max-rows]');
      if (body) bodies.add(body);
    }
    bodies.forEach(trim);
    for (const [figure, chart] of [...charts]) if (!figure.isConnected) chart.forget();
    figures.forEach((figure) => figure.isConnected && draw(figure));
  }

  function arrive(node, figures, bodies) {
    localise(node);
    for (const figure of $$('figure[data-chart]', node)) figures.add(figure);
    for (const body of $$('tbody[data-max-rows]', node)) bodies.add(body);
  }

  // --- Live streams say whether they are connected -----------------------------------------------------------------
  const stream = (state) => (event) => {
    const live = event.target.closest?.('[data-live]');
    if (live) live.dataset.live = state;
  };
  document.addEventListener('htmx:sse:after:connection', stream('on'));
  document.addEventListener('htmx:sse:error', stream('off'));
  document.addEventListener('htmx:sse:close', stream('off'));
  document.addEventListener('htmx:response:error', stream('off'));
  document.addEventListener('signed-out', () => {
    location.assign('/login?next=' + encodeURIComponent(location.pathname + location.search));
  });

  // --- What is on its way is said, too: the line on top is for the eye alone ----------------------------------------
  const progress = (on) => (event) => {
    const line = document.getElementById('progress');
    if (line && event.target.matches?.('a, form, button')) line.textContent = on ? line.dataset.text : '';
  };
  document.addEventListener('htmx:before:request', progress(true));
  document.addEventListener('htmx:finally:request', progress(false));

  // After a boosted navigation the keyboard starts at the content, as it would after a page load.
  document.addEventListener('htmx:after:history:push', () => requestAnimationFrame(() => {
    if (document.activeElement === document.body) document.getElementById('main')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }));

  function start() {
    new MutationObserver(refresh).observe(document.body, { childList: true, subtree: true });
    localise(document.body);
    $$('figure[data-chart]').forEach(draw);
  }
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();
})();
