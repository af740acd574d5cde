// The curves: every coordinate over time, left against right, with the band that holds 90 %.

const WIDTH = 1000, HEIGHT = 100;          // units of a plot, stretched over its place on the page
const LEAST_RANGE = { "\u00b0": 10, m: 0.1 };  // of a plot: stillness is shown as stillness
const LABELLED = 46;                       // units from the middle: nearer the edge a number meets the title
const MOST_POINTS = 1500;                  // in a curve: more than there are pixels

class Curves {
  constructor(place, seek) {
    this.place = place;
    this.seek = seek;
  }

  load(clip) {
    this.clip = clip;
    this.start = clip.time[0];
    this.length = clip.time[clip.time.length - 1] - this.start || 1;
    this.cursors = [];
    this.values = [];
    this.place.replaceChildren();
    if (clip.stances.length) this.addSteps();
    for (const group of clip.groups) this.addGroup(group);
  }

  x(time) { return (time - this.start) / this.length * WIDTH; }

  element(parent, name, className, text = "") {
    const element = document.createElement(name);
    element.className = className;
    element.textContent = text;
    parent.append(element);
    return element;
  }

  addGroup(group) {
    let place = this.place;
    if (group.measured) this.element(place, "h3", "", group.title);
    else {
      place = this.element(place, "details", "prior");
      this.element(place, "summary", "", `${group.title}: taken from what is usual (${group.plots.length})`);
    }
    const plots = this.element(place, "div", "plots");
    for (const plot of group.plots) this.addPlot(plots, plot);
  }

  // A plot's frame: title, values of this moment, and an SVG whose x is time.
  addFrame(place, title, label) {
    const figure = this.element(place, "figure", "plot");
    const caption = this.element(figure, "figcaption", "");
    this.element(caption, "b", "", title);
    const chart = this.element(figure, "div", "chart");
    const svg = svgElement(chart, "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
    this.listen(svg);
    return { caption, chart, svg };
  }

  addCursor(svg) {
    this.cursors.push(svgElement(svg, "line", { class: "cursor", y1: 0, y2: HEIGHT }));
  }

  addSteps() {
    this.element(this.place, "h3", "", "Feet on the floor");
    const said = this.clip.stances.map((s) => `${s.side === "r" ? "right" : "left"} ${s.start_s.toFixed(2)} to ${s.end_s.toFixed(2)} s`);
    const { chart, svg } = this.addFrame(this.place, "", `Feet on the floor: ${said.join(", ")}`);
    chart.classList.add("steps");
    for (const { side, start_s: start, end_s: end } of this.clip.stances) {
      svgElement(svg, "rect", { class: `stance ${side}`, x: this.x(start), width: this.x(end) - this.x(start), y: side === "r" ? 8 : 56, height: 36 });
    }
    for (const [name, top] of [["right", "26%"], ["left", "74%"]]) this.element(chart, "span", "tick", name).style.top = top;
    this.addCursor(svg);
  }

  addPlot(place, plot) {
    const range = this.rangeOf(plot);
    const digits = plot.unit === "m" ? 2 : 0;
    const said = `${plot.title} over time, from ${range.least.toFixed(digits)} to ${range.most.toFixed(digits)} ${plot.unit === "m" ? "m" : "degrees"}`;
    const { caption, chart, svg } = this.addFrame(place, plot.title, said);
    const y = (value) => (range.high - value) / (range.high - range.low) * HEIGHT;
    for (const tick of range.ticks) {
      svgElement(svg, "line", { class: "grid", x1: 0, x2: WIDTH, y1: y(tick), y2: y(tick) });
      if (Math.abs(y(tick) - HEIGHT / 2) > LABELLED) continue;
      this.element(chart, "span", "tick", `${tick.toFixed(range.digits)}${plot.unit === "m" ? "" : plot.unit}`).style.top = `${y(tick)}%`;
    }
    for (const { side, column } of plot.lines) {
      if (this.clip.spread) svgElement(svg, "path", { class: `band ${side}`, d: this.band(column, y) });
      if (this.clip.reference) svgElement(svg, "path", { class: `beside ${side}`, d: this.path(this.clip.reference, column, y) });
      svgElement(svg, "path", { class: `curve ${side}`, d: this.path(this.clip.values, column, y) });
      const value = this.element(caption, "span", `value ${side}`);
      this.values.push({ value, column, unit: plot.unit, side });
    }
    this.addCursor(svg);
  }

  at(table, index, column) { return table[index * this.clip.columns + column]; }

  // What a plot spans: its curves, their bands, and round numbers between.
  rangeOf(plot) {
    const { time, values, spread, reference } = this.clip;
    let least = Infinity, most = -Infinity, low = Infinity, high = -Infinity;
    for (const { column } of plot.lines) {
      for (let index = 0; index < time.length; index++) {
        const value = this.at(values, index, column);
        if (!Number.isFinite(value)) continue;
        const beside = reference ? this.at(reference, index, column) : NaN;
        const half = spread ? this.at(spread, index, column) || 0 : 0;
        least = Math.min(least, value);
        most = Math.max(most, value);
        low = Math.min(low, value - half, Number.isFinite(beside) ? beside : value);
        high = Math.max(high, value + half, Number.isFinite(beside) ? beside : value);
      }
    }
    if (low > high) [least, most, low, high] = [0, 0, 0, 0];
    const missing = Math.max(LEAST_RANGE[plot.unit] - (high - low), 0.1 * (high - low));
    low -= missing / 2;
    high += missing / 2;
    const power = 10 ** Math.floor(Math.log10((high - low) / 5));
    const step = [1, 2, 5, 10].map((times) => times * power).find((one) => (high - low) / one <= 5);
    const ticks = [];
    for (let n = Math.ceil(low / step); n * step <= high; n++) ticks.push(n * step);
    return { least, most, low, high, ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }

  // The frames that are drawn: all, or so many that no pixel lacks one.
  *frames() {
    const count = this.clip.time.length, step = Math.max(1, Math.ceil(count / MOST_POINTS));
    for (let index = 0; index < count; index += step) yield index;
  }

  path(table, column, y) {
    let path = "", pen = "M";
    for (const index of this.frames()) {
      const value = this.at(table, index, column);
      if (Number.isFinite(value)) path += `${pen}${this.x(this.clip.time[index]).toFixed(1)} ${y(value).toFixed(2)}`;
      pen = Number.isFinite(value) ? "L" : "M";
    }
    return path;
  }

  // One closed outline for each stretch where the spread is known.
  band(column, y) {
    const { time, values, spread } = this.clip;
    const outlines = [];
    let above = [], below = [];
    const close = () => {
      if (above.length > 1) outlines.push(`M${above.join("L")}L${below.reverse().join("L")}Z`);
      [above, below] = [[], []];
    };
    for (const index of this.frames()) {
      const value = this.at(values, index, column), half = this.at(spread, index, column);
      if (!Number.isFinite(value + half)) close();
      else {
        const x = this.x(time[index]).toFixed(1);
        above.push(`${x} ${y(value + half).toFixed(2)}`);
        below.push(`${x} ${y(value - half).toFixed(2)}`);
      }
    }
    close();
    return outlines.join("");
  }

  draw(index) {
    const x = this.x(this.clip.time[index]).toFixed(1);
    for (const cursor of this.cursors) {
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
    }
    for (const { value, column, unit, side } of this.values) {
      const here = this.at(this.clip.values, index, column);
      const half = this.clip.spread ? this.at(this.clip.spread, index, column) : NaN;
      const digits = unit === "m" ? 3 : 1, after = unit === "m" ? " m" : unit;
      const band = Number.isFinite(half) ? ` \u00b1 ${half.toFixed(digits)}` : "";
      value.textContent = Number.isFinite(here) ? `${side === "m" ? "" : side.toUpperCase() + " "}${here.toFixed(digits)}${band}${after}` : "";
    }
  }

  listen(svg) {
    const go = (event) => {
      const place = svg.getBoundingClientRect();
      const part = Math.max(0, Math.min(1, (event.clientX - place.left) / place.width));
      this.seek(this.start + part * this.length);
    };
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      go(event);
    });
    svg.addEventListener("pointermove", (event) => { if (event.buttons) go(event); });
  }
}
