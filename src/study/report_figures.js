// Figures of a report: line charts (by uPlot), heat maps on a canvas, and what they share: colours
// of both schemes, numbers, the tooltip. All text goes through textContent: names come from files.
'use strict';

const dark = matchMedia('(prefers-color-scheme: dark)');
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Figures draw themselves again when the colour scheme or their width changes.
const redraws = [];
dark.addEventListener('change', () => redraws.forEach((draw) => draw()));

// Eight colours that stay apart, also for colour-blind readers; what comes after repeats them.
const kLightColours = ['#2a78d6', '#1baf7a', '#eda100', '#008300', '#4a3aa7', '#e34948', '#e87ba4', '#eb6834'];
const kDarkColours = ['#3987e5', '#199e70', '#c98500', '#008300', '#9085e9', '#e66767', '#d55181', '#d95926'];
const categoryColour = (i) => (dark.matches ? kDarkColours : kLightColours)[i % 8];
const categoryDash = (i) => (i < 8 ? undefined : [6, 4]);

// Experts: the same eight, or as many hues as there are.
function expertColour(expert, numExperts) {
  if (numExperts <= 8) return categoryColour(expert);
  return `hsl(${(expert * 137.508) % 360} 60% ${dark.matches ? 58 : 50}%)`;
}

function mix(from, to, t) {
  const part = (hex, i) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16);
  return '#' + [0, 1, 2].map((i) => Math.round(part(from, i) + (part(to, i) - part(from, i)) * t)
    .toString(16).padStart(2, '0')).join('');
}
// An ordered ramp for layers: the deeper, the further from the background.
function layerColour(i, count) {
  const t = count < 2 ? 1 : i / (count - 1);
  return dark.matches ? mix('#1f5aa6', '#cfe3fb', t) : mix('#8dbbf0', '#0c2f5e', t);
}
// A ratio on a scale that is even in both directions: a quarter (blue) … 1 … four times (red).
function ratioColour(ratio) {
  if (ratio === null || ratio === undefined || Number.isNaN(ratio)) return null;
  const t = Math.max(-1, Math.min(1, Math.log2(Math.max(ratio, 1e-9)) / 2));
  const middle = dark.matches ? '#35363a' : '#f1f0ed';
  return t < 0 ? mix(middle, dark.matches ? '#3f8ff0' : '#1f69c4', -t) : mix(middle, dark.matches ? '#ef6464' : '#d23a3a', t);
}
function textOn(hex) {
  const [r, g, b] = [0, 1, 2].map((i) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? '#16171a' : '#ffffff';
}

// Three significant digits, thousands apart.
function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  if (size < 1e-3) return value.toExponential(Math.max(0, digits - 2));
  return String(Number(value.toPrecision(digits)));
}
const percent = (share) => (share === null || share === undefined ? '–'
  : `${share >= 0.0995 ? Math.round(100 * share) : Number((100 * share).toFixed(1))} %`);
function short(value) {
  for (const [unit, name] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e4, 'k']]) {
    if (Math.abs(value) >= unit) return `${number(value / (unit === 1e4 ? 1e3 : unit))} ${name}`;
  }
  return number(value);
}
// Distinct labels for the ticks of an axis.
function tickLabels(values) {
  const steps = values.slice(1).map((v, i) => Math.abs(v - values[i])).filter((d) => d > 0);
  const step = Math.min(...steps);
  const most = Math.max(...values.map(Math.abs));
  const whole = (d) => Math.abs(step * 10 ** d - Math.round(step * 10 ** d)) < 1e-6 * 10 ** d;
  const digits = [0, 1, 2, 3, 4, 5].find(whole) ?? 6;
  return values.map((v) => {
    if (v === null) return '';
    if (v === 0) return '0';
    if (most >= 1e6) return `${Number((v / 1e6).toPrecision(4))} M`;
    if (most >= 1e5) return `${Number((v / 1e3).toPrecision(4))} k`;
    if (most < 1e-2) return v.toExponential(Number.isFinite(step) && step < Math.abs(v) / 9.99 ? 1 : 0);
    return Number.isFinite(step) ? v.toLocaleString('en-US', {maximumFractionDigits: digits}) : number(v);
  });
}

// element('div', {class: 'x', onclick: f}, 'text', child, …)
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'style') Object.assign(node.style, value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const tip = element('div', {id: 'tip', role: 'tooltip'});
function showTip(event, ...lines) {
  tip.replaceChildren(...lines.map((line) => (typeof line === 'string' ? element('div', {}, line) : line)));
  tip.style.display = 'block';
  const box = tip.getBoundingClientRect();
  const right = event.clientX + 14 + box.width < innerWidth;
  tip.style.left = `${Math.max(4, right ? event.clientX + 14 : event.clientX - box.width - 14)}px`;
  const below = event.clientY + 16 + box.height < innerHeight;
  tip.style.top = `${Math.max(4, below ? event.clientY + 16 : event.clientY - box.height - 12)}px`;
}
const hideTip = () => { tip.style.display = 'none'; };
addEventListener('scroll', hideTip, {passive: true, capture: true});

// One of several: buttons, or a list where there are many.
function chooser(label, options, choose) {
  const node = element('div', {class: 'chooser', role: 'group', 'aria-label': label}, label);
  if (options.length > 14) {
    node.append(element('select', {'aria-label': label, onchange: (e) => choose(Number(e.target.value))},
      ...options.map((name, i) => element('option', {value: i}, name))));
    return node;
  }
  const buttons = options.map((name, i) => element('button', {type: 'button', 'aria-pressed': i === 0,
    onclick: () => {
      buttons.forEach((button, j) => button.setAttribute('aria-pressed', i === j));
      choose(i);
    }}, name));
  node.append(...buttons);
  return node;
}

// Calls draw(width) now and whenever the width of `node` changes.
function onWidth(node, draw) {
  let last = 0;
  const again = () => {
    const width = Math.floor(node.clientWidth);
    if (width > 0) { last = width; draw(width); }
  };
  // In the next frame: what is drawn may change the height, and with it the width of the page.
  new ResizeObserver(() => requestAnimationFrame(() => { if (Math.floor(node.clientWidth) !== last) again(); })).observe(node);
  redraws.push(again);
}

// A line chart. series: [{label, values, colour(), width, dash, points}]; band: [low, high] indices
// of series with a filled area between. marks: [{at: [x], colour(), dash}] are vertical lines.
// The y axis is logarithmic where the values span more than two decades and `mayBeLog`.
function lineChart({x, xLabel = 'step', yLabel, series, band, marks = [], mayBeLog = false, zero = false, sync, height = 240}) {
  const node = element('div', {class: 'chart', role: 'img', 'aria-label': `${yLabel} by ${xLabel}`});
  const all = series.flatMap((s) => s.values).filter((v) => v !== null && Number.isFinite(v));
  const low = all.reduce((a, b) => Math.min(a, b), Infinity);
  const high = all.reduce((a, b) => Math.max(a, b), -Infinity);
  const log = mayBeLog && low > 0 && high / low > 100;
  const muted = () => css('--muted');
  const axis = {stroke: muted, grid: {stroke: () => css('--grid'), width: 1}, ticks: {stroke: () => css('--line'), size: 4, width: 1},
    font: '11.5px system-ui, sans-serif', labelFont: '12px system-ui, sans-serif', labelSize: 22};
  const options = {
    width: 400, height, legend: {live: true, markers: {width: 0, fill: (u, i) => series[i - 1].colour()}},
    cursor: {y: false, points: {size: 6}, sync: sync ? {key: sync} : undefined},
    scales: {x: {time: false}, y: log ? {distr: 3} : {range: (u, min, max) => {
      if (min === null || !Number.isFinite(min)) return [0, 1];
      if (zero) min = Math.min(0, min);
      const pad = (max - min || Math.abs(max) || 1) * 0.06;
      return [min === 0 ? 0 : min - pad, max + pad];
    }}},
    axes: [
      {...axis, label: xLabel, size: 30, values: (u, v) => tickLabels(v)},
      {...axis, label: log ? `${yLabel} (log scale)` : yLabel, size: 54,
        values: (u, v) => (log ? v.map((n) => (n === null || !/^1e/.test(n.toExponential()) ? '' : number(n))) : tickLabels(v))},
    ],
    series: [{label: xLabel, value: (u, v) => (v === null ? '–' : v.toLocaleString('en-US'))}, ...series.map((s) => ({
      label: s.label, stroke: () => s.colour(), width: s.width ?? 1.6, dash: s.dash, spanGaps: true,
      points: {show: s.points === true || x.length < 3, size: 5, fill: () => s.colour()}, value: (u, v) => number(v, 4),
      fill: undefined,
    }))],
    bands: band ? [{series: [band[1] + 1, band[0] + 1], fill: () => mix(css('--surface'), categoryColour(0), 0.2)}] : [],
    hooks: {draw: [(u) => {
      const {ctx, bbox} = u;
      ctx.save();
      for (const mark of marks) {
        ctx.strokeStyle = ctx.fillStyle = mark.colour();
        ctx.lineWidth = devicePixelRatio;
        ctx.setLineDash((mark.dash ?? []).map((d) => d * devicePixelRatio));
        for (const at of mark.at) {
          const place = u.valToPos(at, 'x', true);
          if (place < bbox.left || place > bbox.left + bbox.width) continue;
          ctx.globalAlpha = 0.55;
          ctx.beginPath();
          ctx.moveTo(place, bbox.top);
          ctx.lineTo(place, bbox.top + bbox.height);
          ctx.stroke();
          ctx.globalAlpha = 1;
          if (mark.dash) continue;
          const size = 4.5 * devicePixelRatio;
          ctx.beginPath();
          ctx.moveTo(place, bbox.top + size * 1.6);
          ctx.lineTo(place - size, bbox.top);
          ctx.lineTo(place + size, bbox.top);
          ctx.fill();
        }
      }
      ctx.restore();
    }]},
  };
  // uPlot has no numbers that are not there but null.
  const data = [x, ...series.map((s) => s.values.map((v) => (log && v <= 0 ? null : v)))];
  let chart = null;
  onWidth(node, (width) => {
    if (chart !== null && chart.width === width) { chart.redraw(false, true); return; }
    if (chart !== null) { chart.setSize({width, height}); return; }
    chart = new uPlot({...options, width}, data, node);
  });
  return node;
}

// A heat map. rows, cols: labels; value(r, c): what is coloured by colour(value); text(r, c): in the
// cell where it fits; tips(r, c): lines of the tooltip. bars: {values, even, label} above the
// columns. xTicks: [{at: column (fractions are places between), label}] instead of a label a column.
function heatMap({rows, cols, value, colour, text, tips, xLabel, yLabel, bars, xTicks, cellHeight = 22, maxCell = 64, title}) {
  const canvas = element('canvas', {role: 'img', 'aria-label': `${title ?? ''} ${yLabel} by ${xLabel}`});
  const node = element('div', {class: 'map'}, title ? element('h4', {}, title) : null, canvas);
  const barsHeight = bars ? 46 : 0;
  let place = null;
  const font = '11px system-ui, sans-serif';
  onWidth(node, (width) => {
    const ratio = devicePixelRatio || 1;
    const ctx = canvas.getContext('2d');
    ctx.font = font;
    const left = Math.ceil(Math.min(110, Math.max(...rows.map((row) => ctx.measureText(row).width), bars ? ctx.measureText(bars.label).width : 0))) + 24;
    const cell = Math.min(maxCell, (width - left - 4) / cols.length);
    const high = cellHeight;
    const top = barsHeight + 2;
    const bottom = top + rows.length * high;
    const total = bottom + 34;
    canvas.width = width * ratio;
    canvas.height = total * ratio;
    canvas.style.height = `${total}px`;
    ctx.scale(ratio, ratio);
    ctx.font = font;
    ctx.textBaseline = 'middle';
    const gap = cell > 10 && high > 10 ? 1 : 0;
    for (let r = 0; r < rows.length; ++r) {
      for (let c = 0; c < cols.length; ++c) {
        const fill = colour(value(r, c));
        if (fill === null) continue;
        ctx.fillStyle = fill;
        const from = left + c * cell;
        ctx.fillRect(from, top + r * high, gap ? cell - gap : Math.max(cell, 0.5) + 0.4, high - gap);
        const label = text && cell >= 30 && high >= 15 ? text(r, c) : null;
        if (!label) continue;
        ctx.fillStyle = textOn(fill);
        ctx.textAlign = 'center';
        ctx.fillText(label, from + (cell - gap) / 2, top + (r + 0.5) * high);
      }
    }
    ctx.fillStyle = css('--text');
    ctx.textAlign = 'right';
    // Not every row of many has room for its label.
    const every = Math.ceil(13 / high);
    rows.forEach((row, r) => {
      if (r % every === 0) ctx.fillText(row, left - 6, top + (r + 0.5) * high, left - 24);
    });
    ctx.fillStyle = css('--muted');
    ctx.textAlign = 'center';
    if (xTicks) {
      let free = -Infinity;
      for (const tick of xTicks) {
        const half = ctx.measureText(tick.label).width / 2;
        const at = Math.min(left + tick.at * cell, left + cols.length * cell - half);
        if (at - half < free) continue;
        ctx.fillText(tick.label, at, bottom + 9);
        free = at + half + 10;
      }
    } else {
      const widest = Math.max(...cols.map((col) => ctx.measureText(col).width)) + 6;
      const step = Math.ceil(widest / cell);
      cols.forEach((col, c) => {
        if (c % step === 0) ctx.fillText(col, left + (c + 0.5) * cell, bottom + 9);
      });
    }
    ctx.fillText(xLabel, left + (cols.length * cell) / 2, bottom + 25);
    ctx.save();
    ctx.translate(8, top + (rows.length * high) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.fillText(yLabel, 0, 0);
    ctx.restore();
    if (bars) {
      const most = Math.max(bars.even, ...bars.values);
      bars.values.forEach((share, c) => {
        const tall = (share / most) * (barsHeight - 12);
        ctx.fillStyle = mix(css('--surface'), css('--muted'), 0.55);
        ctx.fillRect(left + c * cell, barsHeight - 4 - tall, Math.max(cell - gap, 0.5), tall);
      });
      const even = barsHeight - 4 - (bars.even / most) * (barsHeight - 12);
      ctx.strokeStyle = css('--text');
      ctx.setLineDash([3, 3]);
      ctx.beginPath();
      ctx.moveTo(left, even);
      ctx.lineTo(left + cols.length * cell, even);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.fillStyle = css('--muted');
      ctx.textAlign = 'right';
      ctx.fillText(bars.label, left - 6, barsHeight - 20);
    }
    place = {left, cell, high, top};
  });
  const move = (event) => {
    const box = canvas.getBoundingClientRect();
    const c = Math.floor((event.clientX - box.left - place.left) / place.cell);
    const down = event.clientY - box.top - place.top;
    const r = down < 0 && bars ? -1 : Math.floor(down / place.high);
    if (c < 0 || c >= cols.length || r >= rows.length || (r < 0 && !bars)) hideTip();
    else showTip(event, ...(r < 0 ? bars.tips(c) : tips(r, c)));
  };
  canvas.addEventListener('pointermove', move);
  canvas.addEventListener('pointerdown', move);
  canvas.addEventListener('pointerleave', hideTip);
  return node;
}

// The scale of ratioColour().
function ratioScale(less, more) {
  const bar = element('div', {class: 'bar'});
  const paint = () => {
    const stops = [0.25, 0.5, 1, 2, 4].map((ratio) => ratioColour(ratio));
    bar.style.background = `linear-gradient(to right, ${stops.join(', ')})`;
  };
  paint();
  redraws.push(paint);
  return element('div', {class: 'scale'}, `¼ or less: ${less}`, bar, `4 times or more: ${more}`);
}

const figure = (title, caption, ...content) => element('figure', {class: 'figure'}, element('h3', {}, title), ...content,
  element('figcaption', {class: 'caption'}, caption));
const wide = (node) => { node.classList.add('wide'); return node; };

// Small multiples whose maps are at least so wide.
const mapGrid = (width, maps) => element('div', {class: 'maps',
  style: {gridTemplateColumns: `repeat(auto-fill, minmax(min(100%, ${width}px), 1fr))`}}, ...maps);

function table(heads, rows) {
  const cell = (tag, content) => (content instanceof Node ? element(tag, {}, content) : element(tag, {}, String(content)));
  return element('div', {class: 'scroll'}, element('table', {},
    element('thead', {}, element('tr', {}, ...heads.map((head) => cell('th', head)))),
    element('tbody', {}, ...rows.map((row) => element('tr', {}, ...row.map((content) => cell('td', content)))))));
}
const meter = (text, share) => element('span', {}, text, element('span', {class: 'meter'},
  element('i', {style: {width: `${100 * Math.max(0, Math.min(1, share ?? 0))}%`}})));
