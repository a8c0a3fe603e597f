// The time line below the video: what is here, what other nodes have, and gaps; hours; where the player is. It can be
// pointed at, dragged and moved by keys.

import { clock } from "./moment";
import { makeSvg, refill } from "./player-dom";
import { Preview, type PreviewElements } from "./preview";
import type { Texts } from "./texts";
import type { Thumbnails, Tile } from "./thumbnails";
import type { Course } from "./timeline";

/** Where the player is. */
export interface Position {
  at: number;
  /** The end of what can be sought: the live edge, or the end of the broadcast. */
  end: number;
  live: boolean;
}

interface BarElements extends PreviewElements {
  drawing: SVGSVGElement;
}

/** Seconds of an arrow key and of a page key. */
const STEP_S = 5;
const PAGE_S = 60;

/** How long what a key sought is shown. */
const SOUGHT_MS = 2000;

/** More marks than these would be a grey bar. */
const MOST_MARKS = 100;

export class TimelineBar {
  private course: Course | undefined;
  private position: Position = { at: 0, end: 0, live: false };
  /** The part of the broadcast that is drawn. */
  private from = 0;
  private to = 0;
  /** Where a finger drags to. */
  private dragged: number | undefined;
  /** The moment that is pointed at. */
  private previewed: number | undefined;
  private readonly preview: Preview;
  private thumbnails: Thumbnails | undefined;
  private readonly spans = makeSvg("g", {});
  /** Lines above what is not here, played or not. */
  private readonly lines = makeSvg("g", {});
  private readonly marks = makeSvg("g", { class: "marks" });
  private readonly played = makeSvg("rect", { class: "played", y: "0", height: "100%", x: "0", width: "0" });
  private readonly knob = makeSvg("circle", { class: "knob", cy: "50%", r: "7", cx: "0" });

  constructor(
    private readonly elements: BarElements,
    private readonly t: () => Texts | undefined,
    private readonly seek: (seconds: number) => void,
  ) {
    const { bar, drawing } = elements;
    this.preview = new Preview(elements);
    const inner = makeSvg("svg", { class: "track", y: "35%", height: "30%", width: "100%" });
    inner.append(this.hatching(), this.spans, this.played, this.lines, this.marks);
    refill(drawing, inner, this.knob);
    bar.addEventListener("pointerdown", (event) => this.down(event));
    bar.addEventListener("pointermove", (event) => this.move(event));
    bar.addEventListener("pointerup", (event) => this.up(event));
    bar.addEventListener("pointercancel", () => this.leave());
    bar.addEventListener("pointerleave", () => {
      if (this.dragged === undefined) this.leave();
    });
    bar.addEventListener("keydown", (event) => this.press(event));
    bar.addEventListener("blur", () => this.leave());
  }

  /** Pictures of what is drawn. */
  setThumbnails(thumbnails: Thumbnails): void {
    this.thumbnails = thumbnails;
    thumbnails.changed = () => {
      if (this.previewed !== undefined) this.showMoment(this.previewed);
    };
  }

  /** Lines from corner to corner for what is not here. */
  private hatching(): SVGElement {
    const pattern = makeSvg("pattern", { id: "hatching", width: "6", height: "6", patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    pattern.append(makeSvg("rect", { class: "hatch", width: "2.5", height: "6" }));
    const definitions = makeSvg("defs", {});
    definitions.append(pattern);
    return definitions;
  }

  /** Draws a course between two moments of it. */
  show(course: Course, from: number, to: number): void {
    this.course = course;
    [this.from, this.to] = [from, Math.max(to, from + 1)];
    const spans = course.spans.filter((span) => span.to > this.from && span.from < this.to);
    const extents = spans.map((span) => ({ span, place: { y: "0", height: "100%", ...this.extent(span.from, span.to) } }));
    refill(this.spans, ...extents.map(({ span, place }) => makeSvg("rect", { class: `span ${span.state}`, ...place })));
    const away = extents.filter(({ span }) => span.state !== "held");
    refill(this.lines, ...away.map(({ place }) => makeSvg("rect", { fill: "url(#hatching)", ...place })));
    const hours = course.hours.filter(({ from }) => from > this.from && from < this.to).slice(0, MOST_MARKS);
    refill(this.marks, ...hours.map(({ from }) => makeSvg("rect", { y: "0", width: "2", height: "100%", x: this.percent(from) })));
    this.elements.bar.hidden = false;
    this.place();
  }

  update(position: Position): void {
    this.position = position;
    if (this.course) this.place();
  }

  private place(): void {
    const { bar } = this.elements;
    const at = this.dragged ?? this.position.at;
    this.played.setAttribute("width", this.percent(at));
    this.knob.setAttribute("cx", this.percent(at));
    const t = this.t();
    if (!t) return;
    bar.setAttribute("aria-valuemin", String(Math.floor(this.from)));
    bar.setAttribute("aria-valuemax", String(Math.ceil(this.end())));
    bar.setAttribute("aria-valuenow", String(Math.floor(at)));
    const text = this.describe(at, t);
    // Written only when it differs, or a screen reader would repeat it.
    if (bar.getAttribute("aria-valuetext") !== text) bar.setAttribute("aria-valuetext", text);
  }

  /** What there is at a moment, in words. */
  private describe(at: number, t: Texts): string {
    const time = clock(at, this.course?.dateAt(at) ?? null);
    switch (this.course?.spanAt(at)?.state) {
      case "gap":
        return t.get("player-at-gap", { time });
      case "elsewhere":
        return t.get("player-at-elsewhere", { time });
      default:
        return t.get("player-at", { time, end: clock(this.position.end, this.course?.dateAt(this.position.end) ?? null) });
    }
  }

  /** The end of what is drawn; of what runs, of what there is by now. */
  private end(): number {
    return this.to < (this.course?.duration ?? 0) ? this.to : Math.max(this.to, this.position.end);
  }

  private percent(at: number): string {
    const share = (at - this.from) / (this.to - this.from);
    return `${(100 * Math.min(1, Math.max(0, share))).toFixed(3)}%`;
  }

  private extent(from: number, to: number): Record<string, string> {
    const share = (Math.min(to, this.to) - Math.max(from, this.from)) / (this.to - this.from);
    return { x: this.percent(from), width: `${(100 * share).toFixed(3)}%` };
  }

  /** The moment below a pointer. */
  private moment(event: PointerEvent): number {
    const { left, width } = this.elements.bar.getBoundingClientRect();
    const share = width > 0 ? (event.clientX - left) / width : 0;
    return this.from + Math.min(1, Math.max(0, share)) * (this.to - this.from);
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.elements.bar.setPointerCapture(event.pointerId);
    this.dragged = this.moment(event);
    this.point(event);
    this.place();
  }

  private move(event: PointerEvent): void {
    this.point(event);
    if (this.dragged === undefined) return;
    this.dragged = this.moment(event);
    this.place();
  }

  private up(event: PointerEvent): void {
    if (this.dragged === undefined) return;
    this.dragged = undefined;
    if (event.pointerType !== "mouse") this.leave();
    this.seek(this.moment(event));
  }

  private leave(): void {
    this.dragged = undefined;
    this.previewed = undefined;
    this.preview.hide();
    this.place();
  }

  /** Says and shows which moment the pointer is at. */
  private point(event: PointerEvent): void {
    this.showMoment(this.moment(event));
  }

  private showMoment(at: number): void {
    const t = this.t();
    if (!t) return;
    this.previewed = at;
    const x = ((at - this.from) / (this.to - this.from)) * this.elements.bar.offsetWidth;
    this.preview.show(x, this.describe(at, t), this.tile(at));
  }

  private tile(at: number): Tile | undefined {
    return this.thumbnails?.at(at, this.course?.ended ?? false);
  }

  private press(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { at } = this.position;
    const to = {
      ArrowLeft: at - STEP_S,
      ArrowDown: at - STEP_S,
      ArrowRight: at + STEP_S,
      ArrowUp: at + STEP_S,
      PageDown: at - PAGE_S,
      PageUp: at + PAGE_S,
      Home: this.from,
      End: this.to,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const moment = Math.min(Math.max(to, this.from), this.end());
    this.seek(moment);
    // The time is said by the player; only a picture says more.
    if (!this.tile(moment)) return;
    this.showMoment(moment);
    this.previewed = undefined;
    this.preview.hideAfter(SOUGHT_MS);
  }
}
