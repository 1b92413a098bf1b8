// What the user does with the picture: wheel, drag, pinch, keys, buttons, clicks.

const SHORTEST = 1000, STEP = 0.15, ZOOM = 1.4, CLICK = 4, NEAR = 20;

/** How far two places are from each other, in pixels. */
const apart = (one, other) => Math.hypot(one.x - other.x, one.y - other.y);

class Hands {
  constructor(root, picture, strips) {
    this.canvas = root.querySelector("canvas");
    this.box = root.querySelector("#detail");
    this.shown = root.querySelector("output");
    this.shares = root.querySelector("#shown");
    this.drawing = new Drawing(this.canvas, picture, strips);
    this.picture = picture;
    this.strips = strips;
    this.end = Number(BigInt(picture.to_ps) - BigInt(picture.from_ps));
    this.view = { from: 0, to: this.end };
    this.row = 0;
    this.chosen = null;
    this.pointers = new Map();
    this.waiting = false;
    this.listen(root);
    this.redraw();
  }

  listen(root) {
    const { canvas } = this;
    const resized = () => { this.drawing.resize(); this.redraw(); };
    const recoloured = () => { this.drawing.recolour(); this.redraw(); };
    new ResizeObserver(resized).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recoloured);
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(); });
    for (const button of root.querySelectorAll("button[data-key]"))
      button.addEventListener("click", () => this.act(button.dataset.key));
  }

  /** See from one instant to another, as far as there is something; draw it with the next frame. */
  look(from, to) {
    const span = Math.min(Math.max(to - from, SHORTEST), this.end);
    const begin = Math.max(0, Math.min(from, this.end - span));
    this.view = { from: begin, to: begin + span };
    this.redraw();
  }

  zoom(factor, at = 0.5) {
    const span = this.view.to - this.view.from, next = Math.min(Math.max(span / factor, SHORTEST), this.end);
    const from = this.view.from + at * (span - next);
    this.look(from, from + next);
  }

  pan(part) {
    const by = part * (this.view.to - this.view.from);
    this.look(this.view.from + by, this.view.to + by);
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      const taken = this.drawing.draw(this.view, this.chosen);
      showShares(this.shares, this.drawing, taken);
      const { from, to } = this.view;
      this.shown.textContent = `${this.said(from)} to ${this.said(to)}: ${shortTime(to - from)}`;
      Object.assign(this.canvas.dataset, { from, to, rectangles: this.drawing.rectangles });
    });
  }

  /** An instant, rounded to a thousandth of what is seen. */
  said(offset) {
    const exact = BigInt(this.picture.from_ps) + BigInt(Math.round(offset));
    const digit = BigInt(10 ** Math.max(0, Math.floor(Math.log10(this.view.to - this.view.from)) - 3));
    return instant((exact + digit / 2n) / digit * digit, 3);
  }

  // ---- pointers

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: event.clientY - box.top };
  }

  wheel(event) {
    // Where all is seen already, who scrolls on wants to go on down the page.
    if (event.deltaY > 0 && !event.shiftKey && this.view.to - this.view.from === this.end) return;
    event.preventDefault();
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.deltaY) || event.shiftKey) this.pan(Math.sign(sideways) * STEP);
    else this.zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM, this.place(event).x);
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.x, y: event.y });
    this.moved = this.pointers.size > 1 ? CLICK : 0;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    this.moved += apart(event, before);
    if (this.pointers.size === 1) this.pan((before.x - event.x) / this.canvas.clientWidth);
    else {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, each]) => each);
      const box = this.canvas.getBoundingClientRect();
      const factor = Math.max(NEAR, apart(event, other)) / Math.max(NEAR, apart(before, other));
      this.zoom(factor, (other.x - box.left) / box.width);
    }
    this.pointers.set(event.pointerId, { x: event.x, y: event.y });
  }

  release(event) {
    if (this.pointers.delete(event.pointerId) && this.moved < CLICK) {
      const { x, y } = this.place(event);
      this.row = this.drawing.rowAt(y);
      this.choose(sliceAt(this.strips[this.row], this.view.from + x * (this.view.to - this.view.from)));
    }
  }

  // ---- keys

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (this.act(event.key)) event.preventDefault();
  }

  /** Do what a key stands for; return whether it stands for anything. */
  act(key) {
    switch (key) {
      case "ArrowLeft": this.pan(-STEP); break;
      case "ArrowRight": this.pan(STEP); break;
      case "ArrowUp": this.other(-1); break;
      case "ArrowDown": this.other(1); break;
      case "+": case "=": this.zoom(ZOOM); break;
      case "-": case "_": this.zoom(1 / ZOOM); break;
      case "Home": this.look(0, this.end); break;
      case "Enter": this.choose(sliceAt(this.strips[this.row], (this.view.from + this.view.to) / 2)); break;
      case ",": this.step(-1); break;
      case ".": this.step(1); break;
      case "Escape": this.close(); break;
      default: return false;
    }
    return true;
  }

  // ---- the slice that is looked at

  choose(slice) {
    this.chosen = { row: this.row, slice };
    showSlice(this.box, this.picture, this.strips[this.row], slice);
    this.redraw();
  }

  /** Look at the same instant on another coproc. */
  other(by) {
    const row = Math.max(0, Math.min(this.strips.length - 1, this.row + by));
    if (row === this.row) return;
    const at = this.chosen ? this.strips[this.row].bounds.drawn[this.chosen.slice] : (this.view.from + this.view.to) / 2;
    this.row = row;
    this.choose(sliceAt(this.strips[row], at));
  }

  /** Look at the slice before or after, and bring it into view. */
  step(by) {
    if (!this.chosen) return this.act("Enter");
    const { drawn } = this.strips[this.row].bounds;
    const slice = Math.max(0, Math.min(drawn.length - 2, this.chosen.slice + by));
    const middle = (drawn[slice] + drawn[slice + 1]) / 2, half = (this.view.to - this.view.from) / 2;
    if (middle < this.view.from || middle > this.view.to) this.look(middle - half, middle + half);
    this.choose(slice);
  }

  close() {
    this.box.hidden = true;
    this.chosen = null;
    this.redraw();
  }
}

async function begin() {
  const root = document.getElementById("schedule");
  const picture = JSON.parse(document.getElementById("picture").textContent);
  new Hands(root, picture, await Promise.all(picture.strips.map(strip)));
}

begin();
