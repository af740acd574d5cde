"use strict";
// The skeleton in 3D, as SVG: few enough lines that the page stays sharp, small and readable.

const SVG = "http://www.w3.org/2000/svg";
const FLOOR_STEP_M = 0.5;
const NEAR = 0.1;              // metres before the eye: nothing nearer is drawn
const STEADY_S = 0.5;          // the view follows the person's mean over this time to each side
const EYE_DISTANCE = 3;        // times the person's size
const PICTURE = 82;            // of 100 units, what the person fills
const STEEPEST = 1.5;          // rad, of the view: just short of straight down

function svgElement(parent, name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

class Skeleton {
  constructor(svg) {
    this.svg = svg;
    this.zoom = 1;
    this.yaw = 0;
    this.pitch = 0.12;
    this.fingers = new Map();
    this.listen();
  }

  load(clip) {
    this.clip = clip;
    this.index = 0;
    this.svg.replaceChildren();
    this.floor = svgElement(this.svg, "path", { class: "floor", fill: "none" });
    this.shadow = svgElement(this.svg, "path", { class: "shadow" });
    this.lines = clip.bones.map(() => svgElement(this.svg, "line", { class: "bone" }));
    this.measure();
    this.look("filmed");
  }

  point(index, which) {
    const start = 3 * (index * this.clip.pointCount + which);
    return this.clip.points.subarray(start, start + 3);
  }

  // How large the person is, at most, and where the view looks in each frame.
  measure() {
    const { time, pointCount } = this.clip;
    const middles = [], heights = [];
    let size = 0;
    for (let index = 0; index < time.length; index++) {
      const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
      for (let which = 0; which < pointCount; which++) {
        const point = this.point(index, which);
        for (let axis = 0; axis < 3; axis++) {
          low[axis] = Math.min(low[axis], point[axis]);
          high[axis] = Math.max(high[axis], point[axis]);
        }
      }
      const known = Number.isFinite(low[0]) && Number.isFinite(high[0]);
      middles.push(known ? [(low[0] + high[0]) / 2, (low[2] + high[2]) / 2] : null);
      if (known) {
        size = Math.max(size, ...high.map((top, axis) => top - low[axis]));
        heights.push((low[1] + high[1]) / 2);
      }
    }
    heights.sort((a, b) => a - b);
    this.size = size || 1;
    this.height = heights.length ? heights[heights.length >> 1] : 0.9;
    this.centres = this.smoothed(middles, time);
  }

  smoothed(middles, time) {
    const centres = [];
    let first = 0, after = 0, last = middles.find((middle) => middle) || [0, 0];
    for (let index = 0; index < time.length; index++) {
      while (time[first] < time[index] - STEADY_S) first++;
      while (after < time.length && time[after] <= time[index] + STEADY_S) after++;
      const known = middles.slice(first, after).filter((middle) => middle);
      if (known.length) last = [0, 1].map((axis) => known.reduce((sum, m) => sum + m[axis], 0) / known.length);
      centres.push(last);
    }
    return centres;
  }

  look(from) {
    const degrees = { filmed: this.clip.seen_from_deg, front: 0, right: 90, left: -90, top: 90 }[from];
    this.yaw = degrees * Math.PI / 180;
    this.pitch = from === "top" ? STEEPEST : 0.12;
    this.zoom = 1;
    this.draw(this.index);
  }

  // Ground (x forward, y up, z right) as the eye sees it: across, up, away.
  seen([x, y, z]) {
    const [middleX, middleZ] = this.centres[this.index];
    const dx = x - middleX, dy = y - this.height, dz = z - middleZ;
    const towards = dx * Math.cos(this.yaw) + dz * Math.sin(this.yaw);
    const across = dx * Math.sin(this.yaw) - dz * Math.cos(this.yaw);
    const up = dy * Math.cos(this.pitch) - towards * Math.sin(this.pitch);
    const near = dy * Math.sin(this.pitch) + towards * Math.cos(this.pitch);
    return [across, up, EYE_DISTANCE * this.size / this.zoom - near];
  }

  onPicture([across, up, away]) {
    const scale = PICTURE * EYE_DISTANCE / away;
    return [across * scale, -up * scale];
  }

  draw(index) {
    this.index = index;
    this.drawFloor();
    const bones = this.clip.bones.map((bone) => {
      const ends = [this.point(index, bone.start), this.point(index, bone.end)];
      return { bone, ends, seen: ends.map((end) => this.seen(end)) };
    }).filter(({ seen }) => seen.every((end) => end[2] > NEAR));  // NaN is left out, too
    bones.sort((a, b) => b.seen[0][2] + b.seen[1][2] - a.seen[0][2] - a.seen[1][2]);
    this.lines.forEach((line, rank) => this.drawBone(line, bones[rank]));
    this.shadow.setAttribute("d", bones.map(({ ends }) => this.segment(...ends.map(([x, , z]) => [x, 0, z]))).join(""));
  }

  drawBone(line, found) {
    line.style.display = found ? "" : "none";
    if (!found) return;
    const [[x1, y1], [x2, y2]] = found.seen.map((end) => this.onPicture(end));
    const away = (found.seen[0][2] + found.seen[1][2]) / 2;
    const width = 1.9 * EYE_DISTANCE * this.size / away;
    const attributes = { x1, y1, x2, y2, "stroke-width": width, class: `bone ${found.bone.side}`, "data-name": found.bone.name };
    for (const [key, value] of Object.entries(attributes)) line.setAttribute(key, value);
  }

  // Lines every half metre that stay where they are while the view follows the person.
  drawFloor() {
    const reach = Math.ceil(1.6 * this.size / FLOOR_STEP_M) * FLOOR_STEP_M;
    const [x, z] = this.centres[this.index].map((middle) => Math.round(middle / FLOOR_STEP_M) * FLOOR_STEP_M);
    const parts = [];
    for (let step = -reach; step <= reach + 1e-9; step += FLOOR_STEP_M) {
      parts.push(this.segment([x + step, 0, z - reach], [x + step, 0, z + reach]));
      parts.push(this.segment([x - reach, 0, z + step], [x + reach, 0, z + step]));
    }
    this.floor.setAttribute("d", parts.join(""));
  }

  // A straight line in ground as part of a path, cut off where it would pass the eye.
  segment(start, end) {
    let a = this.seen(start), b = this.seen(end);
    if (!(Math.max(a[2], b[2]) > NEAR)) return "";
    const cut = (inside, outside) => {
      const part = (inside[2] - NEAR) / (inside[2] - outside[2]);
      return inside.map((value, axis) => value + part * (outside[axis] - value));
    };
    if (a[2] < NEAR) a = cut(b, a);
    if (b[2] < NEAR) b = cut(a, b);
    const [from, to] = [a, b].map((end) => this.onPicture(end).map((value) => value.toFixed(2)).join(" "));
    return `M${from}L${to}`;
  }

  turn(across, up) {
    this.yaw += across;
    this.pitch = Math.max(-0.3, Math.min(STEEPEST, this.pitch + up));
    this.draw(this.index);
  }

  approach(factor) {
    this.zoom = Math.max(0.4, Math.min(2.5, this.zoom * factor));
    this.draw(this.index);
  }

  listen() {
    const { svg, fingers } = this;
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    svg.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, (event) => fingers.delete(event.pointerId));
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;  // a plain wheel scrolls the page
      event.preventDefault();
      this.approach(Math.exp(-event.deltaY / 300));
    }, { passive: false });
    svg.addEventListener("keydown", (event) => {
      const step = Math.PI / 24;
      const turns = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
      const zooms = { "+": 1.15, "=": 1.15, "-": 1 / 1.15 };
      if (event.key in turns) this.turn(...turns[event.key]);
      else if (event.key in zooms) this.approach(zooms[event.key]);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  // One finger or the mouse turns; two fingers that part come nearer.
  drag(event) {
    const { fingers } = this;
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const spread = () => {
      const [a, b] = [...fingers.values()];
      return Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
    };
    const now = [event.clientX, event.clientY];
    if (fingers.size === 1) {
      fingers.set(event.pointerId, now);
      this.turn((now[0] - before[0]) / 120, (now[1] - before[1]) / 120);
    } else if (fingers.size === 2) {
      const was = spread();
      fingers.set(event.pointerId, now);
      this.approach(spread() / was);
    }
  }
}
