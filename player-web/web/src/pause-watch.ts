// Whether it is the viewer or the browser that paused: browsers do it when a page is hidden or frozen, and leave it to the
// page to go on once it is seen again.

/** So soon after the page was hidden it is the browser that pauses, not the viewer. */
const HIDDEN_PAUSE_MS = 2000;

/** As much of a page and its video as is looked at. */
export interface Watched {
  document: Pick<Document, "addEventListener" | "visibilityState">;
  video: Pick<HTMLVideoElement, "addEventListener" | "ended" | "muted">;
  now(): number;
}

export class PauseWatch {
  private hiddenAt = Number.NEGATIVE_INFINITY;
  /** No pause was heard of. */
  private playing = false;
  private byBrowser = false;
  /** It played when the page was frozen; that this is a pause is told late. */
  private playedWhenFrozen = false;

  constructor({ document, video, now }: Watched, signal: AbortSignal) {
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.hiddenAt = now();
    }, { signal });
    document.addEventListener("freeze", () => {
      this.playedWhenFrozen = this.playing;
    }, { signal });
    video.addEventListener("play", () => {
      this.playing = true;
    }, { signal });
    video.addEventListener("pause", () => {
      this.playing = false;
      // What cannot be heard has no button on a locked screen either.
      const unseen = document.visibilityState === "hidden" && video.muted;
      this.byBrowser = (unseen || now() - this.hiddenAt < HIDDEN_PAUSE_MS) && !video.ended;
    }, { signal });
  }

  /** The page is seen again: whether it was the browser that paused. Told once. */
  takePausedByBrowser(): boolean {
    const paused = this.byBrowser || this.playedWhenFrozen;
    this.byBrowser = this.playedWhenFrozen = false;
    return paused;
  }
}
