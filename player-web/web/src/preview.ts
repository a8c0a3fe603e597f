// What the time line shows of a moment that is pointed at: its time, and its picture where there is one. Above the time line,
// within the player. Decoration: what assistive technology is told stands at the time line itself.

import type { Tile } from "./thumbnails";

export interface PreviewElements {
  root: HTMLElement;
  bar: HTMLElement;
  pointed: HTMLElement;
  tile: HTMLElement;
  sprite: HTMLImageElement;
  pointedText: HTMLElement;
}

/** A pointer that sweeps over the time line does not have everything fetched that it passes. */
const REST_MS = 120;

/** One that could not be had is not asked for again sooner. */
const FAILED_MS = 5000;

/** The largest picture, in CSS pixels, and in parts of the player's width. */
const MOST_WIDTH = 256;
const MOST_SHARE = 0.5;

/** Of a smaller one nothing is to be seen. */
const LEAST_WIDTH = 48;

/** Between the time line's drawing and what is above it. */
const GAP = 2;

export class Preview {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private hiding: ReturnType<typeof setTimeout> | undefined;
  /** The address of the JPEG that is shown, or on its way. */
  private wanted: string | undefined;
  private failed: { sprite: string; at: number } | undefined;

  constructor(private readonly elements: PreviewElements) {
    const { sprite, tile } = elements;
    sprite.addEventListener("error", () => {
      if (sprite.src !== this.wanted) return;
      this.failed = { sprite: sprite.src, at: performance.now() };
      this.wanted = undefined;
      tile.hidden = true;
    });
    sprite.addEventListener("load", () => {
      sprite.hidden = sprite.src !== this.wanted;
    });
  }

  /** Shows a moment above a place of the time line, `x` CSS pixels from its left. */
  show(x: number, text: string, tile: Tile | undefined): void {
    clearTimeout(this.hiding);
    const { pointed, pointedText, root, bar } = this.elements;
    pointedText.textContent = text;
    pointed.hidden = false;
    const [within, line] = [root.getBoundingClientRect(), bar.getBoundingClientRect()];
    const left = within.left + root.clientLeft;
    const bottom = within.bottom - root.clientTop - line.top - GAP;
    pointed.style.setProperty("bottom", `${bottom.toFixed(0)}px`);
    this.draw(tile, root.clientWidth * MOST_SHARE, within.height - bottom - pointedText.offsetHeight);
    const half = pointed.getBoundingClientRect().width / 2;
    const middle = Math.min(root.clientWidth - half, Math.max(half, line.left - left + x));
    pointed.style.setProperty("left", `${middle.toFixed(2)}px`);
  }

  hide(): void {
    clearTimeout(this.hiding);
    this.forget();
    this.elements.pointed.hidden = true;
  }

  hideAfter(ms: number): void {
    clearTimeout(this.hiding);
    this.hiding = setTimeout(() => this.hide(), ms);
  }

  /** Cuts a tile out of its JPEG, as large as there is room. */
  private draw(tile: Tile | undefined, room: number, height: number): void {
    const { elements, failed } = this;
    const lost = failed && failed.sprite === tile?.sprite && performance.now() - failed.at < FAILED_MS;
    const scale = tile ? Math.min(MOST_WIDTH, room, (height * tile.width) / tile.height) / tile.width : 0;
    elements.tile.hidden = !tile || lost === true || scale * tile.width < LEAST_WIDTH;
    if (!tile || elements.tile.hidden) return this.forget();
    elements.tile.style.setProperty("width", `${(scale * tile.width).toFixed(2)}px`);
    elements.tile.style.setProperty("height", `${(scale * tile.height).toFixed(2)}px`);
    elements.sprite.style.setProperty("transform", `scale(${scale}) translate(${-tile.x}px, ${-tile.y}px)`);
    this.want(tile.sprite);
  }

  private want(sprite: string): void {
    if (sprite === this.wanted) return;
    this.wanted = sprite;
    this.elements.sprite.hidden = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.elements.sprite.src = sprite;
    }, REST_MS);
  }

  /** What is not here yet is not fetched for nobody. */
  private forget(): void {
    const { sprite } = this.elements;
    clearTimeout(this.timer);
    if (sprite.src === this.wanted && sprite.complete) return;
    sprite.removeAttribute("src");
    this.wanted = undefined;
  }
}
