// The captions that the stream carries, as a menu: text tracks, whoever found them, hls.js or the browser.

import { setOptions } from "./player-dom";
import type { Texts } from "./texts";

/** As much of a text track as is looked at. */
export interface CaptionTrack {
  kind: string;
  label: string;
  language: string;
  mode: TextTrackMode;
}

/** The tracks with something to read. */
export function readable<T extends CaptionTrack>(tracks: ArrayLike<T>): T[] {
  return Array.from(tracks).filter(({ kind }) => kind === "captions" || kind === "subtitles");
}

/** Shows one of the tracks, or none. */
export function showOnly(tracks: readonly CaptionTrack[], index: number): void {
  tracks.forEach((track, position) => {
    const mode = position === index ? "showing" : "disabled";
    if (track.mode !== mode) track.mode = mode;
  });
}

/** The value of the menu's entry for none. */
const OFF = "-1";

export class CaptionMenu {
  /** What is shown again when captions are turned on. */
  private last = 0;

  constructor(
    private readonly select: HTMLSelectElement,
    private readonly video: HTMLVideoElement,
    private readonly t: () => Texts | undefined,
  ) {
    select.addEventListener("change", () => this.choose(Number(select.value)));
    for (const event of ["addtrack", "removetrack", "change"]) {
      video.textTracks.addEventListener(event, () => this.update());
    }
  }

  private tracks(): TextTrack[] {
    return readable(this.video.textTracks);
  }

  private shown(): number {
    return this.tracks().findIndex(({ mode }) => mode === "showing");
  }

  private choose(index: number): void {
    if (index >= 0) this.last = index;
    showOnly(this.tracks(), index);
  }

  toggle(): void {
    this.choose(this.shown() < 0 ? Math.min(this.last, this.tracks().length - 1) : -1);
    this.update();
  }

  update(): void {
    const t = this.t();
    if (!t) return;
    const tracks = this.tracks();
    this.select.hidden = tracks.length === 0;
    const named = tracks.map((track, index) => ({
      value: String(index),
      text: track.label || track.language || t.get("player-captions-number", { number: index + 1 }),
    }));
    setOptions(this.select, [{ value: OFF, text: t.get("player-captions-off") }, ...named], String(this.shown()));
  }
}
