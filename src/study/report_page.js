// The page of a report: what is in its document (training_report.h, expert_report.h) as figures.
'use strict';

const report = JSON.parse(document.getElementById('report').textContent);
const page = document.getElementById('page');
document.body.append(tip);

const tile = (what, value, more, bad) => element('div', {class: bad ? 'tile bad' : 'tile'}, element('div', {class: 'what'}, what),
  element('div', {class: 'value'}, value), element('div', {class: 'more'}, more ?? ''));
const section = (id, title, lead) => element('section', {id}, element('h2', {}, title), element('p', {class: 'lead'}, lead));
const anyNumber = (values) => values.some((v) => v !== null);
const muted = () => css('--muted');
const plural = (count, word) => `${count.toLocaleString('en-US')} ${word}${count === 1 ? '' : 's'}`;
const sum = (values) => values.reduce((a, b) => a + b, 0);

function addHead() {
  const parts = [];
  if (report.training) parts.push(['training', 'Training'], ['routers', 'Routers over time']);
  if (report.experts) parts.push(['experts', 'What experts do'], ['passages', 'Text by expert']);
  if (report.training && report.training.layers.length === 0) parts.splice(1, 1);
  page.append(element('header', {}, element('h1', {}, report.name),
    element('p', {class: 'lead'}, `A report of moiety ${report.moiety}. In a chart: drag to zoom in, double-click to zoom out; point at anything for its numbers.`),
    element('nav', {'aria-label': 'Sections'}, ...parts.map(([id, name]) => element('a', {href: `#${id}`}, name)))));
}

function addTraining(training) {
  const curves = training.curves;
  const perPoint = curves.steps_per_point;
  const thinned = perPoint > 1 ? ` ${training.num_steps.toLocaleString('en-US')} steps were thinned out: a point is ${perPoint} steps.` : '';
  const part = section('training', 'Training', training.num_steps === 0 ? 'The log has no steps yet.'
    : `Steps ${number(training.first_step)} to ${number(training.last_step)} of the log.${thinned}`);
  page.append(part);
  if (training.num_steps === 0) return;

  const best = training.best_validation;
  const tiles = [
    tile('Training loss', number(training.final_loss, 4), `nats per token, mean of the last ${training.smoothing_steps} steps`),
    best ? tile('Best validation loss', number(best.loss, 4), `at step ${number(best.step)} (perplexity ${number(Math.exp(best.loss))})`) : null,
    training.tokens > 0 ? tile('Tokens', short(training.tokens), 'in the steps of the log') : null,
    training.tokens_per_s !== null ? tile('Speed', short(training.tokens_per_s), 'tokens per second, median') : null,
    tile('Skipped steps', number(training.num_skipped), `of ${number(training.num_steps)}`, training.num_skipped > 0),
    training.resumes.length > 0 ? tile('Resumed', plural(training.resumes.length, 'time'), `${plural(training.num_superseded, 'step')} computed again`) : null,
    training.num_cut_lines > 0 ? tile('Cut lines', number(training.num_cut_lines), 'left out: the run was killed while writing') : null,
  ];
  part.append(element('div', {class: 'tiles'}, ...tiles.filter((t) => t !== null)));

  const skippedAt = curves.step.filter((_, i) => curves.skipped[i] > 0);
  const marks = [{at: training.resumes, colour: muted, dash: [4, 4]}, {at: skippedAt, colour: () => css('--bad')}];
  const marked = [skippedAt.length > 0 ? 'red marks are skipped steps' : '', training.resumes.length > 0 ? 'dashed lines are resumes' : '']
    .filter((text) => text !== '').join(', ');
  const also = marked ? ` ${marked[0].toUpperCase()}${marked.slice(1)}.` : '';
  const accent = () => categoryColour(0);
  const faint = () => mix(css('--surface'), categoryColour(0), 0.45);
  const hidden = () => 'transparent';
  const figures = element('div', {class: 'figures'});
  part.append(figures);

  const raw = perPoint > 1
    ? [{label: 'mean', values: curves.loss, colour: faint, width: 1}, {label: 'smallest', values: curves.loss_min, colour: hidden, width: 0},
      {label: 'largest', values: curves.loss_max, colour: hidden, width: 0}]
    : [{label: 'loss', values: curves.loss, colour: faint, width: 1}];
  figures.append(wide(figure('Training loss', `How surprised the model is by the next token of what it trains on; lower is better. The strong line is the mean of up to ${training.smoothing_steps} steps around each, ${perPoint > 1 ? 'the band the smallest and largest of the steps behind each point' : 'the faint one each step'}. Skipped steps are left out.${also}`,
    lineChart({x: curves.step, yLabel: 'loss (nats per token)', series: [...raw, {label: 'smoothed', values: curves.loss_smoothed, colour: accent, width: 2.2}],
      band: perPoint > 1 ? [1, 2] : undefined, marks, sync: 'training', height: 300}))));

  const validation = training.validation;
  if (validation.step.length > 0) {
    const names = Object.keys(validation.domains);
    figures.append(wide(figure('Validation loss', `On texts the model never trains on${names.length > 0 ? ', for each domain and for all together' : ''}; where it rises while the training loss falls, the model learns by heart. ${plural(validation.step.length, 'validation')}.`,
      lineChart({x: validation.step, yLabel: 'loss (nats per token)', points: true, sync: 'training', height: 300, series: [
        ...names.map((name, i) => ({label: name, values: validation.domains[name], colour: () => categoryColour(i), dash: categoryDash(i), points: validation.step.length < 60})),
        {label: 'all', values: validation.loss, colour: () => css('--text'), width: 2.4, points: validation.step.length < 60}]}))));
  }
  const single = (title, label, name, caption, more = {}) => {
    if (!curves[name] || !anyNumber(curves[name])) return;
    figures.append(figure(title, caption, lineChart({x: curves.step, yLabel: label, sync: 'training', marks,
      series: [{label: title.toLowerCase(), values: curves[name], colour: accent}], ...more})));
  };
  single('Learning rate', 'learning rate', 'learning_rate', 'How far a step may move the weights: warmup, then the schedule.', {zero: true, marks: []});
  if (anyNumber(curves.gradient_norm)) {
    figures.append(figure('Gradient norm', `Length of the gradient before clipping. Spikes tell of bad batches or of a learning rate that is too high.${also}`,
      lineChart({x: curves.step, yLabel: 'norm', sync: 'training', marks, mayBeLog: true, series: [
        ...(perPoint > 1 ? [{label: 'largest', values: curves.gradient_norm_max, colour: faint, width: 1}] : []),
        {label: 'gradient norm', values: curves.gradient_norm, colour: accent}]})));
  }
  single('Speed', 'tokens per second', 'tokens_per_s', 'Tokens trained per second. Dips are other work of the machine, validation or saving.', {zero: true, marks: []});
  single('Balancing loss', 'balancing loss', 'balance_loss', 'What pushes routers to use all experts alike, before its weight. In the form of Switch and GShard an even load is the least it can be.');
  single('Router z-loss', 'z-loss', 'z_loss', 'What keeps router logits small (ST-MoE), before its weight: the mean of the squared log-sum-exp.');
  single('Importance loss', 'squared CV', 'importance_loss', 'How unevenly the weights of choices add up over experts (Shazeer et al. 2017), before its weight: the squared coefficient of variation, 0 when even.');
  single('Load loss', 'squared CV', 'load_loss', 'The same of the chances of being chosen, noise considered (Shazeer et al. 2017), before its weight.');
  single('Entropy loss', 'entropy (nats)', 'entropy_loss', 'How undecided routers are about a token, before its weight: 0 for sure gates.');
  single('Mutual information loss', 'nats', 'mutual_information_loss', 'Minus what a token says about its expert, before its weight: small when gates are sure and experts evenly used.');
  single('Similarity loss', 'similarity loss', 'similarity_loss', 'Small when tokens that are alike go to the same experts and others elsewhere (Krishnamurthy et al. 2023), before its weight; 0 when gates say nothing.');

  if (training.skipped.length > 0) {
    const more = training.num_skipped - training.skipped.length;
    figures.append(wide(figure('Skipped steps', `The gradients of these steps were not a number, or a spike: the weights stayed as they were.${more > 0 ? ` ${plural(more, 'later one')} not listed.` : ''}`,
      table(['step', 'why'], training.skipped.slice(0, 200).map((skip) => [number(skip.step), skip.why])))));
    figures.lastChild.querySelectorAll('td:last-child, th:last-child').forEach((cell) => cell.classList.add('left'));
    figures.lastChild.querySelector('.scroll').style.maxHeight = '260px';
  }
}

// Ticks for columns that are ranges of steps.
function stepTicks(steps) {
  const count = Math.min(6, steps.length);
  return Array.from({length: count}, (_, i) => {
    const column = Math.round((i * (steps.length - 1)) / Math.max(1, count - 1));
    return {at: column + 0.5, label: steps[column].toLocaleString('en-US')};
  });
}

function addRouters(layers) {
  if (layers.length === 0) return;
  const perPoint = Math.max(...layers.map((layer) => layer.steps_per_point));
  const part = section('routers', 'Routers over time', `The health of the router of each MoE layer while it trains.${perPoint > 1 ? ` Points and columns are means of ${perPoint} logged steps.` : ''} Healthy routers keep all experts at work; when one collapses, few experts get everything and the rest learns nothing.`);
  page.append(part);
  const maps = layers.map((layer) => {
    const rows = Array.from({length: layer.num_experts}, (_, e) => String(e));
    return heatMap({title: `Layer ${layer.layer}`, rows, cols: layer.step.map(String), xLabel: 'step', yLabel: 'expert',
      xTicks: stepTicks(layer.step), maxCell: Infinity, cellHeight: Math.max(3, Math.min(18, 220 / layer.num_experts)),
      value: (r, c) => (layer.load_share[c][r] === null ? null : layer.load_share[c][r] * layer.num_experts), colour: ratioColour,
      tips: (r, c) => [`Layer ${layer.layer}, expert ${r}`, `step ${layer.step[c].toLocaleString('en-US')}`,
        `${percent(layer.load_share[c][r])} of the load, ${number(layer.load_share[c][r] * layer.num_experts)} × an even share`]});
  });
  part.append(figure('Load of each expert', 'A row is an expert, a column a time; the colour is its share of the tokens against an even share. Perfect balance is a map of the middle colour; a blue row is an expert that starves, a red one that is overrun.',
    mapGrid(layers.length === 1 ? 900 : 420, maps), ratioScale('starved', 'overrun')));

  const figures = element('div', {class: 'figures'});
  part.append(figures);
  // Layers may have been logged at different steps: a common axis.
  const steps = [...new Set(layers.flatMap((layer) => layer.step))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  const experts = Math.max(...layers.map((layer) => layer.num_experts));
  const byLayer = (title, label, name, caption, more = {}) => {
    if (!layers.some((layer) => anyNumber(layer[name]))) return;
    const series = layers.map((layer, i) => {
      const values = Array(steps.length).fill(null);
      layer.step.forEach((step, j) => { values[place.get(step)] = layer[name][j]; });
      return {label: `layer ${layer.layer}`, values, colour: () => layerColour(i, layers.length), width: 1.5};
    });
    figures.append(figure(title, caption, lineChart({x: steps, yLabel: label, series, sync: 'training', ...more})));
  };
  const ramp = layers.length > 1 ? ' Deeper layers stand out more.' : '';
  byLayer('Load CV', 'CV of load', 'cv', `Standard deviation of the load over its mean: 0 when all experts have the same, ${number(Math.sqrt(experts - 1))} when one has everything.${ramp}`, {zero: true});
  byLayer('MaxVio', 'MaxVio', 'max_violation', `How much more than an even share the busiest expert has: 0 is balance, 1 twice its share.${ramp}`, {zero: true});
  byLayer('Gate entropy', 'entropy (nats)', 'gate_entropy', `How undecided the router is about a token, on average: ${number(Math.log(experts))} when all experts are equally likely, 0 when it is sure.${ramp}`, {zero: true});
  byLayer('Expert entropy', 'entropy (nats)', 'expert_entropy', `Of the load: ${number(Math.log(experts))} when it is even, 0 when one expert has everything.${ramp}`);
  if (layers.some((layer) => layer.dropped_share.some((v) => v > 0))) {
    byLayer('Dropped tokens', 'share of tokens', 'dropped_share', `Tokens over the capacity of their experts: they pass the layer by its residual alone.${ramp}`, {zero: true});
  } else if (layers.some((layer) => anyNumber(layer.dropped_share))) {
    part.append(element('p', {class: 'note', style: {marginTop: '12px'}}, 'No tokens were dropped.'));
  }
}

// Shares of fewer tokens say nothing.
const kFewTokens = 50;

// A map of experts × what they were chosen for, for each layer.
function specialityMaps(layers, names, loadName, totals, what) {
  const used = names.map((_, i) => i).filter((i) => totals[i] >= kFewTokens);
  const cellWidth = layers[0].num_experts <= 16 ? 34 : 12;
  return mapGrid(110 + cellWidth * layers[0].num_experts, layers.map((layer) => {
    const all = sum(layer.load);
    const rowSums = used.map((i) => sum(layer[loadName][i]));
    const share = (r, e) => (rowSums[r] === 0 ? null : layer[loadName][used[r]][e] / rowSums[r]);
    const ofAll = (e) => (all === 0 ? 0 : layer.load[e] / all);
    return heatMap({title: `Layer ${layer.layer}`, rows: used.map((i) => names[i]), cols: layer.load.map((_, e) => String(e)),
      xLabel: 'expert', yLabel: what, maxCell: 58,
      bars: {values: layer.load.map((_, e) => ofAll(e)), even: 1 / layer.num_experts, label: 'load', tips: (e) => [`Layer ${layer.layer}, expert ${e}`,
        `${percent(ofAll(e))} of all choices (${number(ofAll(e) * layer.num_experts)} × an even share)`]},
      value: (r, e) => (share(r, e) === null || ofAll(e) === 0 ? null : share(r, e) / ofAll(e)), colour: ratioColour,
      text: (r, e) => (share(r, e) === null ? null : String(Math.round(100 * share(r, e)))),
      tips: (r, e) => [`Layer ${layer.layer}, expert ${e}, ${names[used[r]]}`,
        `gets ${percent(share(r, e))} of the choices of ${names[used[r]]}`,
        ofAll(e) === 0 ? 'never chosen' : `${number(share(r, e) / ofAll(e))} × its share of all choices (${percent(ofAll(e))})`,
        `${plural(layer[loadName][used[r]][e], 'choice')}`]});
  }));
}

function addPairs(part, layers) {
  if (layers.every((layer) => layer.strongest_pairs.length === 0)) return;
  const caption = 'How often a token chose both experts, against what their loads alone would give: red pairs work together, blue ones keep apart. Blank: an expert that was never chosen.';
  if (layers.every((layer) => layer.pairs !== null)) {
    const n = layers[0].num_experts;
    part.append(figure('Experts that are chosen together', caption, mapGrid(n <= 16 ? 110 + 34 * n : 520, layers.map((layer) => {
      const names = layer.load.map((_, e) => String(e));
      return heatMap({title: `Layer ${layer.layer}`, rows: names, cols: names, xLabel: 'expert', yLabel: 'expert', maxCell: 58, cellHeight: n <= 16 ? 22 : 9,
        value: (r, c) => layer.pairs.lift[r][c], colour: ratioColour,
        text: (r, c) => (layer.pairs.lift[r][c] === null ? null : layer.pairs.lift[r][c].toFixed(layer.pairs.lift[r][c] < 9.95 ? 1 : 0)),
        tips: (r, c) => (r === c ? [`Layer ${layer.layer}, expert ${r}`] : [`Layer ${layer.layer}, experts ${r} and ${c}`,
          `${plural(layer.pairs.count[r][c], 'token')} chose both`, `${number(layer.pairs.lift[r][c])} × as often as by chance`])});
    })), ratioScale('apart', 'together')));
    return;
  }
  const body = element('div');
  const show = (i) => body.replaceChildren(table(['experts', 'tokens', '× chance'], layers[i].strongest_pairs.map((pair) => [
    `${pair.experts[0]} and ${pair.experts[1]}`, number(pair.count), number(pair.lift)])));
  show(0);
  part.append(figure('Experts that are chosen together', `The most frequent pairs of a layer. ${caption.replace(/: red.*/, '.')}`,
    chooser('Layer', layers.map((layer) => String(layer.layer)), show), body));
}

function addExperts(experts) {
  const {texts, layers, classes, model} = experts;
  const read = sum(texts.map((text) => text.num_read));
  const part = section('experts', 'What experts do', `The model read ${plural(texts.length, 'text')}, ${short(read)} tokens, and every choice of its routers was counted.`);
  page.append(part);
  part.append(element('div', {class: 'tiles'},
    tile('Model', model.architecture, `${model.num_layers} layers, ${layers.length} of them with experts`),
    tile('Experts', `${model.num_experts}, top ${model.top_k}`, `per layer; router ${model.router}`),
    tile('Parameters', short(model.parameters), `${short(model.active_parameters)} active for a token`)));

  const figures = element('div', {class: 'figures'});
  part.append(figures);
  const classTotals = classes.map((_, c) => sum(texts.map((text) => text.class_counts[c])));
  const shown = classes.map((_, c) => c).filter((c) => classTotals[c] > 0);
  figures.append(wide(figure('Texts', 'What was read, and what kinds of tokens it has: a token belongs to the class that most of its characters have; white space counts only where there is nothing else.',
    table(['text', 'tokens', 'read', ...shown.map((c) => classes[c])], texts.map((text) => [text.name, number(text.num_tokens), number(text.num_read),
      ...shown.map((c) => percent(text.class_counts[c] / text.num_read))])))));

  const information = (layer, name) => (layer[`${name}_information_share`] === null ? '–'
    : meter(`${number(layer[`${name}_information`])} (${percent(layer[`${name}_information_share`])})`, layer[`${name}_information_share`]));
  figures.append(wide(figure('Layers', `Load CV and MaxVio are 0 for an even load. Entropies are in nats, at most ${number(Math.log(layers[0].num_experts))}: of the load (how many experts are at work) and of the gate (how undecided it is about a token). Information is what the choice of an expert says about the text or the token class, in nats, with its share of what is possible; numbers of about ${number(Math.max(...layers.map((l) => l.text_information_by_chance)), 2)} (text) and ${number(Math.max(...layers.map((l) => l.class_information_by_chance)), 2)} (class) would come from chance alone.`,
    table(['layer', 'load CV', 'MaxVio', 'load entropy', 'gate entropy', 'dropped', 'information on text', 'information on token class'], layers.map((layer) => [
      number(layer.layer), number(layer.cv), number(layer.max_violation), number(layer.expert_entropy), number(layer.gate_entropy),
      percent(layer.num_tokens === 0 ? 0 : layer.num_dropped / layer.num_tokens), information(layer, 'text'), information(layer, 'class')])))));

  const scaleOf = () => ratioScale('less than the expert’s share', 'more');
  const how = 'Bars: the expert’s share of all choices, dashed where it would be even. Below, a row shows where its choices go (in %); red is more than the expert gets overall, blue less, blank an expert that was never chosen.';
  const rare = shown.filter((c) => classTotals[c] < kFewTokens).map((c) => classes[c]);
  part.append(figure('Experts and texts', `${how} Experts of a language or of code stand out as red cells.`,
    specialityMaps(layers, texts.map((text) => text.name), 'text_load', texts.map(() => kFewTokens), 'text'), scaleOf()));
  part.append(figure('Experts and token classes', `${how} Early layers often sort by form, such as digits and punctuation, more than by meaning.${rare.length > 0 ? ` Left out, with fewer than ${kFewTokens} tokens: ${rare.join(', ')}.` : ''}`,
    specialityMaps(layers, classes, 'class_load', classTotals, 'token class'), scaleOf()));
  addPairs(part, layers);
}

function addPassages(experts) {
  const {texts, layers, classes} = experts;
  const part = section('passages', 'Text by expert', 'Each token in the colour of the expert that weighed most for it: the beginning of each text.');
  page.append(part);
  // At first the layer whose experts tell most about the texts.
  const telling = layers.reduce((best, layer, i) => (layer.text_information > layers[best].text_information ? i : best), 0);
  let [text, at, chosen] = [0, telling, null];
  const chips = element('div', {class: 'chips'});
  const body = element('div', {class: 'passage'});
  const show = () => {
    const {passage} = texts[text];
    const {experts: ids, weights} = passage.layers[at];
    const layer = layers[at];
    const first = ids.map((of, i) => (of.length === 0 ? null : of[weights[i].indexOf(Math.max(...weights[i]))]));
    const counts = Array(layer.num_experts).fill(0);
    first.forEach((e) => { if (e !== null) ++counts[e]; });
    const order = counts.map((_, e) => e).filter((e) => counts[e] > 0);
    if (layer.num_experts > 16) order.sort((a, b) => counts[b] - counts[a]);
    chips.replaceChildren(...order.slice(0, 32).map((e) => element('button', {class: 'chip', type: 'button', 'aria-pressed': chosen === e,
      onclick: () => { chosen = chosen === e ? null : e; show(); }}, element('i', {style: {background: expertColour(e, layer.num_experts)}}),
    `expert ${e}: ${percent(counts[e] / first.length)}`)), order.length > 32 ? element('span', {class: 'note'}, `and ${order.length - 32} more`) : '');
    body.replaceChildren(...passage.tokens.map((token, i) => {
      const e = first[i];
      const span = element('span', {'data-i': i});
      // Line ends and other tokens that nobody would see.
      for (const piece of token.split(/(\n)/)) {
        if (piece === '\n') span.append(element('span', {class: 'mark'}, '↵'), '\n');
        else if (piece !== '') span.append(piece);
      }
      if (token === '') span.append(element('span', {class: 'mark'}, '·'));
      if (e === null) span.className = 'none';
      else if (chosen !== null && chosen !== e) span.className = 'faded';
      else {
        const strength = 28 + 42 * Math.min(1, Math.max(...weights[i]));
        span.style.background = `color-mix(in srgb, ${expertColour(e, layer.num_experts)} ${strength.toFixed(0)}%, transparent)`;
      }
      return span;
    }));
  };
  const point = (event) => {
    const span = event.target.closest('[data-i]');
    if (span === null) { hideTip(); return; }
    const i = Number(span.dataset.i);
    const {passage} = texts[text];
    const {experts: ids, weights} = passage.layers[at];
    const most = Math.max(1e-9, ...weights[i]);
    showTip(event, element('b', {}, JSON.stringify(passage.tokens[i])), `${classes[passage.classes[i]]}, token ${i}, layer ${layers[at].layer}`,
      ...(ids[i].length === 0 ? ['dropped: no expert'] : ids[i].map((e, k) => {
        const colour = expertColour(e, layers[at].num_experts);
        return element('div', {class: 'row'}, element('i', {style: {background: colour}}), `expert ${e}`, element('span', {class: 'meter'},
          element('i', {style: {width: `${(100 * weights[i][k]) / most}%`, background: colour}})), number(weights[i][k]));
      })));
  };
  body.addEventListener('pointermove', point);
  body.addEventListener('pointerdown', point);
  body.addEventListener('pointerleave', hideTip);
  show();
  redraws.push(show);
  const layerChooser = chooser('Layer', layers.map((layer) => String(layer.layer)), (i) => { at = i; show(); });
  if (layerChooser.querySelector('select')) layerChooser.querySelector('select').value = at;
  layerChooser.querySelectorAll('button').forEach((button, i) => button.setAttribute('aria-pressed', i === at));
  part.append(figure('The beginning of each text', 'The stronger the colour, the more the first expert weighs. Point at a token for all of its experts and their weights; click an expert above to see its tokens alone. Tokens that are part of a character show as ·.',
    element('div', {class: 'controls'}, chooser('Text', texts.map((t) => t.name), (i) => { text = i; chosen = null; show(); }), layerChooser), chips, body));
}

addHead();
if (report.training) {
  addTraining(report.training);
  addRouters(report.training.layers);
}
if (report.experts) {
  addExperts(report.experts);
  addPassages(report.experts);
}
