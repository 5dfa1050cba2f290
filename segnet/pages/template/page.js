"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const charts = JSON.parse(document.getElementById("charts").textContent);

  // Sorting: by the number behind a cell where there is one, else by its text.
  const sortKey = (cell) => {
    const number = cell.querySelector("data");
    const text = (number ? number.value : cell.textContent).trim().replace("\u2212", "-");
    const value = parseFloat(text);
    return Number.isNaN(value) ? text.toLowerCase() : value;
  };
  const compare = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
  for (const head of all("table.sortable thead th")) {
    const button = head.querySelector("button");
    if (!button) continue;
    button.addEventListener("click", () => {
      // Numbers begin with the largest, names with the first of the alphabet; a second click turns it round.
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const second = first === "descending" ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
      for (const title of all("thead th", table)) title.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const rows = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
      rows.sort(([a], [b]) => (order === "ascending" ? 1 : -1) * compare(a, b));
      body.append(...rows.map(([, row]) => row));
    });
  }

  // Charts: colours come from the style sheet, so that they follow light and dark.
  const styles = () => getComputedStyle(document.documentElement);
  const paint = (value, style) => {
    if (typeof value === "string" && value.startsWith("var(")) {
      const [, name, opacity] = value.match(/^var\((--[\w-]+)\)(?:\/([\d.]+))?$/);
      const colour = style.getPropertyValue(name).trim();
      if (!opacity) return colour;
      const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
      return `rgba(${r},${g},${b},${opacity})`;
    }
    if (Array.isArray(value)) return value.map((item) => paint(item, style));
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, paint(v, style)]));
    return value;
  };
  const fine = matchMedia("(pointer: fine)").matches;
  const axis = (own, style) => ({
    gridcolor: style.getPropertyValue("--rule").trim(), zerolinecolor: style.getPropertyValue("--faint").trim(),
    zeroline: false, automargin: true, tickfont: { size: 12 }, ...own, title: { font: { size: 13 }, standoff: 10, ...own?.title },
  });
  const layoutOf = (chart, view, style, width) => ({
    ...view.layout,
    height: chart.height, autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: style.getPropertyValue("--sans").trim(), color: style.getPropertyValue("--muted").trim(), size: 12 },
    margin: { l: 8, r: chart.key === "pareto" && width >= 520 ? 130 : 16, t: 12, b: 8 },
    dragmode: fine ? "zoom" : false, showlegend: view.layout.showlegend || false,
    legend: { orientation: "h", x: 0, y: -70 / chart.height, yanchor: "top", ...view.layout.legend },
    xaxis: axis(view.layout.xaxis, style), yaxis: axis(view.layout.yaxis, style),
    hoverlabel: { bgcolor: style.getPropertyValue("--surface").trim(), bordercolor: style.getPropertyValue("--faint").trim(), font: { color: style.getPropertyValue("--text").trim(), family: style.getPropertyValue("--sans").trim() } },
  });
  const chosenArms = new Set();
  const drawn = new Set();
  const draw = (figure) => {
    const chart = charts[figure.dataset.chart], plot = figure.querySelector(".plot"), style = styles();
    const picked = figure.querySelector("input[type=radio]:checked");
    const view = chart.views[picked ? Number(picked.value) : 0];
    const data = paint(view.data, style).map((trace) => ({
      type: "scatter", ...trace, showlegend: Boolean(trace.name),
      // On a phone the names stand in the bar above, and would stand on each other here.
      mode: plot.clientWidth < 520 ? trace.mode?.replace("+text", "") : trace.mode,
      opacity: chosenArms.size && trace.meta && !chosenArms.has(trace.meta) ? 0.12 : 1,
    }));
    if (!drawn.has(figure)) plot.replaceChildren();
    drawn.add(figure);
    return Plotly.react(plot, data, layoutOf(chart, view, style, plot.clientWidth), { displayModeBar: false, responsive: true });
  };
  const redraw = () => drawn.forEach(draw);
  const figures = all("figure.chart");
  const start = async () => {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    document.head.append(script);
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); draw(entry.target); }
    }, { rootMargin: "400px" });
    for (const figure of figures) {
      watcher.observe(figure);
      for (const input of all("input[type=radio]", figure)) input.addEventListener("change", () => draw(figure));
    }
    addEventListener("beforeprint", () => figures.forEach(draw));
    document.documentElement.dataset.charts = "ready";
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // One arm, or several, brought out everywhere.
  const chips = all(".chip");
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      const arm = chip.dataset.arm, on = !chosenArms.has(arm);
      if (on) chosenArms.add(arm); else chosenArms.delete(arm);
      chip.setAttribute("aria-pressed", on);
      for (const element of all("tr[data-arm], li[data-arm]")) {
        element.classList.toggle("dimmed", chosenArms.size > 0 && !chosenArms.has(element.dataset.arm));
      }
      redraw();
    });
  }

  // Pictures: two of a crop in one frame, with a divider that mouse, touch and keys move.
  const viewer = document.getElementById("viewer");
  if (viewer) {
    const stage = viewer.querySelector(".stage"), range = stage.querySelector("input");
    const left = document.getElementById("viewer-left"), right = document.getElementById("viewer-right");
    const rows = all("table.crops tbody tr");
    const names = all("button", rows[0]).map((button) => button.dataset.show);
    for (const select of [left, right]) select.append(...names.map((name) => new Option(name, name)));
    left.value = names[2] ?? names[0];
    right.value = names[names.length > 3 ? 3 : 1];
    let crop = 0;
    const show = () => {
      const source = (name) => all("button", rows[crop]).find((button) => button.dataset.show === name).querySelector("img");
      for (const [side, select] of [["left", left], ["right", right]]) {
        const picture = stage.querySelector(`img.${side}`), from = source(select.value);
        picture.src = from.src;
        picture.alt = from.alt;
        picture.classList.toggle("photo", select.value === "image");
        stage.querySelector(`.${side}-name`).textContent = select.value;
        stage.style.aspectRatio = `${from.getAttribute("width")} / ${from.getAttribute("height")}`;
      }
      viewer.querySelector(".crop-name").textContent = rows[crop].querySelector(".detail").textContent;
      rows.forEach((row, at) => row.classList.toggle("chosen", at === crop));
      move();
    };
    const move = () => {
      stage.style.setProperty("--at", `${range.value}%`);
      range.setAttribute("aria-valuetext", `${range.value}% ${left.value}, ${100 - range.value}% ${right.value}`);
    };
    range.addEventListener("input", move);
    for (const select of [left, right]) select.addEventListener("change", show);
    for (const input of all("input[name=show]", viewer)) {
      input.addEventListener("change", () => {
        for (const picture of all("table.crops img[data-errors]")) picture.src = picture.dataset[input.value];
        show();
      });
    }
    for (const button of all("table.crops button")) {
      button.addEventListener("click", () => {
        crop = Number(button.closest("tr").dataset.crop);
        if (button.dataset.show !== left.value) right.value = button.dataset.show;
        show();
      });
    }
    show();
  }

  if (figures.length) start();
})();
