// Plays with the browser's own HLS: iPhones, and whatever has no Media Source Extensions.

import { Backoff } from "./backoff";
import { type Engine, type EngineEvents, type Source, retryAfterMs } from "./engine";
import type { Level } from "./levels";
import type { Part } from "./missing";

/** WebKit knows the date of the time line's beginning, from EXT-X-PROGRAM-DATE-TIME. */
type Dated = HTMLVideoElement & { getStartDate?(): Date };

export class NativeEngine implements Engine {
  readonly tellsParts = false;
  private readonly backoff = new Backoff(1000, 10_000);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private destroyed = false;
  private readonly onError = () => this.later(this.backoff.next());
  private readonly onDuration = () => this.events.playlist(Number.isFinite(this.video.duration));
  private readonly onProgress = () => this.backoff.reset();
  private readonly onMetadata = () => {
    if (this.source.startAt !== undefined) this.video.currentTime = this.source.startAt;
    this.events.choices();
  };

  static isSupported(video: HTMLVideoElement): boolean {
    return video.canPlayType("application/vnd.apple.mpegurl") !== "";
  }

  constructor(
    private readonly video: HTMLVideoElement,
    private source: Source,
    private readonly events: EngineEvents,
  ) {
    video.addEventListener("error", this.onError);
    video.addEventListener("durationchange", this.onDuration);
    video.addEventListener("timeupdate", this.onProgress);
    video.addEventListener("loadedmetadata", this.onMetadata);
    void this.load();
  }

  /** Asks for the playlist first: a video element does not tell "not yet" from "broken". */
  private async load(): Promise<void> {
    let delay: number | undefined;
    try {
      const response = await fetch(this.source.url);
      if (this.destroyed) return;
      if (response.ok) {
        this.video.src = this.source.url;
        void this.video.play().catch(() => undefined);
        return;
      }
      if (response.status === 503) {
        this.events.notYet();
        delay = retryAfterMs(response.headers.get("Retry-After"));
      } else {
        this.events.unreachable();
      }
    } catch {
      if (this.destroyed) return;
      this.events.unreachable();
    }
    this.later(delay ?? this.backoff.next());
  }

  private later(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.load();
    }, delayMs);
  }

  restart(): void {
    const { currentTime } = this.video;
    if (this.source.startAt !== undefined && currentTime > 0) this.source = { ...this.source, startAt: currentTime };
    void this.load();
  }

  refresh(): void {
    // The browser reloads playlists by its own clock; only a try of ours can be brought forward.
    if (this.timer !== undefined) this.later(0);
  }

  behind(): number | null {
    const { seekable } = this.video;
    return Number.isFinite(this.video.duration) || seekable.length === 0 ? null : this.ahead();
  }

  ahead(): number {
    const { seekable, currentTime } = this.video;
    return seekable.length === 0 ? 0 : seekable.end(seekable.length - 1) - currentTime;
  }

  segment(): null {
    return null;
  }

  date(): number | null {
    const start = (this.video as Dated).getStartDate?.().getTime() ?? Number.NaN;
    return Number.isFinite(start) ? start + this.video.currentTime * 1000 : null;
  }

  levels(): readonly Level[] {
    return [];
  }

  level(): undefined {
    return undefined;
  }

  chooseLevel(): void {
    // The browser follows the link's speed by itself.
  }

  skip(part: Part): void {
    this.video.currentTime = part.start + part.duration;
  }

  reserve(): number {
    return 0;
  }

  silent(): boolean {
    return false;
  }

  destroy(): void {
    this.destroyed = true;
    clearTimeout(this.timer);
    this.video.removeEventListener("error", this.onError);
    this.video.removeEventListener("durationchange", this.onDuration);
    this.video.removeEventListener("timeupdate", this.onProgress);
    this.video.removeEventListener("loadedmetadata", this.onMetadata);
    this.video.removeAttribute("src");
    this.video.load();
  }
}
