// The picture: an axis, and for each coproc its slices, a line with its switches, and one with what went wrong.

const AXIS = 26, LABEL = 20, SLICES = 44, SWITCHES = 5, TROUBLE = 5, GAP = 12;
const ROW = LABEL + SLICES + SWITCHES + TROUBLE + GAP;
const RUNS = new Set(["run", "deny"]), BROKEN = new Set(["reset", "failed"]);
const ALARMING = new Set(["late", "given up", "lost", "dropped", "refused", "timeout"]);

/** The colours of the style, as they are now: another scheme has others. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(`--${name}`).trim();
  const of = (look) => RUNS.has(look.what) ? named(`domain-${look.domain_id % 10}`)
    : look.what === "switch" ? named("switch") : BROKEN.has(look.what) ? named("alarm")
    : look.what === "share" ? named("bar") : look.what === "unknown" ? named("line") : named("idle");
  return { named, of };
}

class Drawing {
  constructor(canvas, picture, strips) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.picture = picture;
    this.strips = strips;
    this.height = AXIS + ROW * strips.length;
    canvas.style.height = `${this.height}px`;
    this.recolour();
    this.resize();
  }

  recolour() {
    this.colours = colours();
    this.looks = this.strips.map((strip) => strip.looks.map((look) => this.colours.of(look)));
  }

  resize() {
    this.scale = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.canvas.width = Math.round(this.width * this.scale);
    this.canvas.height = Math.round(this.height * this.scale);
  }

  rectangle(colour, x, y, width, height) {
    this.context.fillStyle = colour;
    this.context.fillRect(x, y, width, height);
    this.rectangles++;
  }

  /** Draw from `view.from` to `view.to`; return for each strip how much of that each kind of slice took. */
  draw(view, chosen) {
    const { context, canvas } = this;
    this.rectangles = 0;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.axis(view);
    const taken = this.strips.map((strip, row) => this.row(strip, row, view));
    if (chosen) this.frame(view, chosen);
    return taken;
  }

  axis(view) {
    const { context, scale } = this, span = view.to - view.from, base = BigInt(this.picture.from_ps);
    const wanted = span / Math.max(2, this.width / 130), power = 10 ** Math.floor(Math.log10(wanted));
    const step = Math.max(1, power * [1, 2, 5, 10].find((factor) => factor * power >= wanted));
    const decimals = Math.max(0, Math.min(12, Math.ceil(12 - Math.log10(step) - 1e-9)));
    const exact = BigInt(Math.round(step)), first = base + BigInt(Math.ceil(view.from));
    context.font = `${12 * scale}px system-ui, sans-serif`;
    context.textBaseline = "alphabetic";
    for (let tick = (first + exact - 1n) / exact * exact; Number(tick - base) <= view.to; tick += exact) {
      const x = Math.round((Number(tick - base) - view.from) / span * this.canvas.width);
      this.rectangle(this.colours.named("line"), x, AXIS * 0.6 * scale, 1, this.canvas.height);
      context.fillStyle = this.colours.named("faint");
      const text = instant(tick, decimals), room = this.canvas.width - context.measureText(text).width;
      context.fillText(text, Math.max(0, Math.min(x + 4 * scale, room)), 13 * scale);
    }
  }

  row(strip, row, view) {
    const { context, scale, canvas } = this, columns = canvas.width, perColumn = (view.to - view.from) / columns;
    const top = (AXIS + row * ROW + LABEL) * scale, tall = SLICES * scale, below = top + tall + scale;
    const looks = this.looks[row], taken = new Float64Array(strip.looks.length);
    const marks = { switch: new Marks(this, this.colours.named("switch"), below, SWITCHES * scale),
                    trouble: new Marks(this, this.colours.named("alarm"), below + SWITCHES * scale, TROUBLE * scale) };
    context.font = `600 ${13 * scale}px system-ui, sans-serif`;
    context.fillStyle = this.colours.named("ink");
    context.fillText(strip.coproc, 0, top - 6 * scale);

    const mark = (kind, first, end) => {
      const { what } = strip.looks[kind];
      if (what === "switch") marks.switch.add(first, end);
      if (what === "deny" || BROKEN.has(what)) marks.trouble.add(first, end);
    };
    forColumns(strip, view.from, perColumn, columns, (first, end, kind) => {
      taken[kind] += end - first;
      mark(kind, first, end);
      this.rectangle(looks[kind], first, top, end - first, tall);
      if (strip.looks[kind].what === "deny") this.denial(first, top, end - first, tall);
      if (RUNS.has(strip.looks[kind].what)) this.name(strip.looks[kind].domain, first, top, end - first, tall);
    }, (column, kinds, parts) => {
      let y = top;
      for (const kind of kinds) {
        taken[kind] += parts[kind];
        mark(kind, column, column + 1);
        this.rectangle(looks[kind], column, y, 1, parts[kind] * tall);
        y += parts[kind] * tall;
      }
    });
    let marked = -1;
    for (const place of happenedBetween(strip, view.from, view.to)) {
      const column = Math.floor((strip.happened[place] - view.from) / perColumn);
      if (column === marked || !ALARMING.has(this.picture.happenings[strip.happenings[place]])) continue;
      marks.trouble.add(column, column + Math.ceil(scale));
      marked = column;
    }
    marks.switch.draw();
    marks.trouble.draw();
    return taken.map((pixels) => pixels / columns);
  }

  /** A denial is a red edge on the colour of who denies. */
  denial(x, y, width, height) {
    this.rectangle(this.colours.named("alarm"), x, y, width, height / 5);
  }

  /** Who it is, where there is room to say it. */
  name(text, x, y, width, height) {
    const { context, scale } = this, room = width - 12 * scale;
    if (room < 14 * scale) return;
    context.font = `${12 * scale}px system-ui, sans-serif`;
    if (context.measureText(text).width > room) return;
    context.fillStyle = this.colours.named("on-colour");
    context.fillText(text, x + 6 * scale, y + height / 2 + 5 * scale);
  }

  /** A frame around the slice that is looked at. */
  frame(view, { row, slice }) {
    const { context, scale, canvas } = this, { drawn } = this.strips[row].bounds;
    const x = (offset) => (offset - view.from) / (view.to - view.from) * canvas.width;
    const left = Math.max(x(drawn[slice]), -5 * scale), right = Math.min(x(drawn[slice + 1]), canvas.width + 5 * scale);
    context.strokeStyle = this.colours.named("ink");
    context.lineWidth = 2 * scale;
    context.strokeRect(left, (AXIS + row * ROW + LABEL) * scale, Math.max(right - left, 2 * scale), SLICES * scale);
  }

  rowAt(y) {
    return Math.max(0, Math.min(this.strips.length - 1, Math.floor((y - AXIS) / ROW)));
  }
}

/** Marks in a line below the slices: those that touch are one. */
class Marks {
  constructor(drawing, colour, y, height) {
    this.columns = new Uint8Array(drawing.canvas.width);
    Object.assign(this, { drawing, colour, y, height });
  }

  add(first, end) {
    this.columns.fill(1, first, end);
  }

  draw() {
    for (let first = 0; (first = this.columns.indexOf(1, first)) >= 0;) {
      const gap = this.columns.indexOf(0, first), end = gap < 0 ? this.columns.length : gap;
      this.drawing.rectangle(this.colour, first, this.y, end - first, this.height - this.drawing.scale);
      first = end;
    }
  }
}
