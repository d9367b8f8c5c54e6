// Draws the charts of a report from their definitions and from the CSV that each links to, and
// ties charts over time together: a brush or a choice of days changes what all of them show.
"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const views = new Map();
  const kept = new Map(); // choices of a chart that outlive its being drawn again
  const DAY_MS = 86400000;
  const DAYS_MAX = 31; // of a list; longer windows are offered by months
  const LEGEND_WIDTH = 860; // below it a legend is broken into rows
  const LETTER_WIDTH = 6.5; // of a legend's words, on average, and what stands beside them
  const SYMBOL_WIDTH = 34;
  const PART_MS = DAY_MS / 4; // of windows of less than three days

  // RFC 4180; Vega's own reader compiles code, which the page's policy forbids.
  function parsed(text) {
    const rows = [[]];
    const cell = /("(?:[^"]|"")*"|[^",\n]*)(,|\n|$)/g;
    while (cell.lastIndex < text.length) {
      const [, field, end] = cell.exec(text);
      rows[rows.length - 1].push(
        field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field);
      if (end === "\n" && cell.lastIndex < text.length) rows.push([]);
    }
    const [head, ...body] = rows;
    return body.map((row) => Object.fromEntries(head.map((name, i) => [name, row[i]])));
  }

  function data(name) {
    const href = document.getElementById(`csv-${name}`).getAttribute("href");
    return parsed(decodeURIComponent(href.slice(href.indexOf(",") + 1)));
  }

  // The longest word of any legend: names are given as the domain of a colour or a dash.
  function longest(part) {
    if (part === null || typeof part !== "object") return 0;
    const own = Array.isArray(part.domain) ? part.domain : [];
    return Math.max(0, ...own.map((name) => (typeof name === "string" ? name.length : 0)),
      ...Object.values(part).map(longest));
  }

  function fitted(spec, width) {
    const narrow = width < 640;
    spec.config = structuredClone(spec.config);
    spec.config.axis.labelLimit = Math.min(spec.config.axis.labelLimit, width * 0.42);
    if (width < LEGEND_WIDTH) {
      spec.config.legend = {...spec.config.legend, 
        columns: Math.max(1, Math.floor(width / (longest(spec) * LETTER_WIDTH + SYMBOL_WIDTH))),
        layout: {top: {direction: "vertical", anchor: "start"}}};
    }
    if (spec.spec) {
      spec.columns = narrow ? 1 : 2;
      spec.spec.width = Math.max(120, width / spec.columns - 95);
    } else {
      spec.width = width;
      spec.autosize = {type: "fit-x", contains: "padding"};
    }
    return spec;
  }

  async function draw(name) {
    const plot = document.getElementById(`plot-${name}`);
    const spec = fitted(structuredClone(charts[name].spec), plot.clientWidth);
    const values = kept.get(name) ?? {};
    for (const param of spec.params ?? []) {
      if (param.name in values) param.value = values[param.name];
    }
    spec.data = {values: data(name), format: {type: "json", parse: charts[name].parse}};
    const controls = document.getElementById(`controls-${name}`);
    controls.querySelectorAll(".vega-bindings").forEach((old) => old.remove());
    views.get(name)?.finalize();
    const made = await vegaEmbed(plot, spec, {
      ast: true, actions: false, renderer: "svg", defaultStyle: false, bind: controls,
      tooltip: {disableDefaultStyle: true},
    });
    // The plot has one label in words; a reader of screens is spared marks by the thousand.
    plot.querySelector("svg").setAttribute("aria-hidden", "true");
    views.set(name, made);
    for (const param of spec.params ?? []) {
      if (param.bind) made.view.addSignalListener(param.name, (_, value) => keep(name, param.name, value));
    }
    if (name === "pareto") made.view.addEventListener("click", (_, item) => open(item?.datum?.point));
    if (name === "overview") made.view.addSignalListener("brush", brushed);
  }

  function keep(name, param, value) {
    kept.set(name, {...kept.get(name), [param]: value});
  }

  function bounds() {
    const value = (name) => charts.overview.spec.params.find((p) => p.name === name).value;
    return [value("from_ms"), value("to_ms")];
  }

  function show(from, to) {
    for (const [name, {view}] of views) {
      if (name === "overview" || !charts[name].overTime) continue;
      keep(name, "from_ms", from);
      keep(name, "to_ms", to);
      view.signal("from_ms", from).signal("to_ms", to).runAsync();
    }
  }

  function brushed(_, value) {
    const range = value.time_local;
    const days = document.getElementById("days");
    if (range && range[1] > range[0]) {
      days.value = "brush";
      show(+range[0], +range[1]);
    } else {
      days.value = "all";
      show(...bounds());
    }
  }

  function offerDays() {
    const days = document.getElementById("days");
    if (!days) return;
    const [first, last] = bounds();
    const length = last - first;
    const byMonth = length > DAYS_MAX * DAY_MS;
    const byHours = length < 3 * DAY_MS;
    const form = byMonth ? {month: "long", year: "numeric"} :
      {weekday: "short", day: "numeric", month: "short",
        ...(byHours ? {hour: "2-digit", minute: "2-digit"} : {})};
    const words = new Intl.DateTimeFormat("en-GB", {...form, timeZone: "UTC"});
    const next = (ms) => {
      const day = new Date(ms);
      const [year, month, date] = [day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate()];
      if (byMonth) return Date.UTC(year, month + 1, 1);
      return byHours ? ms + PART_MS : Date.UTC(year, month, date + 1);
    };
    for (let from = first; from < last; from = next(from)) {
      const option = document.createElement("option");
      option.value = `${from},${Math.min(next(from), last)}`;
      option.textContent = words.format(from);
      days.append(option);
    }
    days.addEventListener("change", () => {
      if (days.value === "brush") return;
      const range = days.value === "all" ? bounds() : days.value.split(",").map(Number);
      show(...range);
    });
    days.closest(".choice").hidden = false;
  }

  async function drawAll() {
    for (const name of Object.keys(charts)) {
      await draw(name);
      await new Promise((done) => setTimeout(done)); // input is answered between two charts
    }
    document.documentElement.dataset.drawn = "yes";
  }

  // A point of a sweep was chosen: its scenario is opened below.
  function open(point) {
    const folded = document.getElementById(`point-${point}`);
    if (!folded) return;
    folded.open = true;
    folded.querySelector("summary").focus();
    folded.scrollIntoView({block: "center"});
  }

  for (const button of document.querySelectorAll("button[data-copies]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(
        document.getElementById(button.dataset.copies).textContent);
      button.textContent = "Copied";
    });
  }

  function redrawn() {
    let timer;
    let drawing = Promise.resolve(); // one after the other: a window may change while they draw
    let width = window.innerWidth;
    window.addEventListener("resize", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (window.innerWidth === width) return;
        width = window.innerWidth;
        drawing = drawing.then(drawAll);
      }, 200);
    });
  }

  // Words and tables are painted first: two frames pass before the first chart.
  requestAnimationFrame(() => setTimeout(() => {
    offerDays();
    drawAll().then(redrawn);
  }));
})();
