// Plays with the browser's own HLS: iPhones, and whatever has no Media Source Extensions.

import { Backoff } from "./backoff";
import { type Engine, type EngineEvents, type Source, retryAfterMs } from "./engine";
import type { Level } from "./levels";
import type { Part } from "./missing";
import { NOTHING_AHEAD_S } from "./status";

/** Between two looks at whether the browser follows a live playlist: about as often as players reload one. */
const LOOK_MS = 5000;

/** So many segments listed since the picture stood still mean that the browser has lost the live playlist: it should have
 * seen the first of them by then. */
const LOST_SEGMENTS = 2;

/** WebKit knows the date of the time line's beginning, from EXT-X-PROGRAM-DATE-TIME. */
type Dated = HTMLVideoElement & { getStartDate?(): Date };

export class NativeEngine implements Engine {
  readonly tellsParts = false;
  private readonly backoff = new Backoff(1000, 10_000);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private destroyed = false;
  /** What the playlist says, where it is a media playlist. */
  private listed: Listed | undefined;
  private looking = false;
  private readonly looks: ReturnType<typeof setInterval>;
  /** Where the picture stands still, and what was listed when it was first seen there. */
  private still: { at: number; newest: number } | undefined;
  private readonly onError = () => this.later(this.backoff.next());
  /** Where to begin, until it has begun there. */
  private startAt: number | undefined;
  /** What was told of the playlist last; undefined before anything of this load was. */
  private told: boolean | undefined;
  private readonly onDuration = () => {
    this.begin();
    const ended = this.hasEnded();
    // WebKitGTK takes the position for the end, and tells of a new one whenever somebody looks at its clock.
    if (ended === this.told) return;
    this.told = ended;
    this.events.playlist(ended);
  };
  private readonly onProgress = () => {
    this.begin();
    this.backoff.reset();
  };
  private readonly onMetadata = () => {
    this.begin();
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
    this.looks = setInterval(() => void this.look(), LOOK_MS);
    void this.load();
  }

  /** Asks for the playlist first: a video element does not tell "not yet" from "broken". */
  private async load(): Promise<void> {
    let delay: number | undefined;
    try {
      const response = await fetch(this.source.url);
      if (this.destroyed) return;
      if (response.ok) {
        this.listed = parse(await response.text());
        if (this.destroyed) return;
        this.still = undefined;
        this.told = undefined;
        this.startAt = this.source.startAt;
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

  /** Goes where to begin, once the browser knows that there is such a place: before it would take it for the end. */
  private begin(): void {
    const { video, startAt } = this;
    if (startAt === undefined) return;
    const { seekable } = video;
    if (seekable.length === 0 || seekable.end(seekable.length - 1) < startAt) return;
    this.startAt = undefined;
    // Also at the beginning: of what is still live, browsers begin at the live edge.
    video.currentTime = startAt;
  }

  /**
   * Whether the live playlist has ended, and whether the browser follows it. Not every browser says of a live broadcast that
   * it has no end yet, and some stand still for ever after they have found nothing new for a while.
   */
  private async look(): Promise<void> {
    const { video, source, still } = this;
    // What is not at its end waits for a part, and says so.
    const atItsEnd = source.startAt === undefined || this.ahead() < NOTHING_AHEAD_S;
    const stands = !video.paused && atItsEnd && video.currentTime === still?.at;
    if (!stands) this.still = { at: video.currentTime, newest: Number.POSITIVE_INFINITY };
    const endless = !Number.isFinite(video.duration);
    if (!this.listed || this.listed.ended || this.looking || this.timer !== undefined || (endless && !stands)) return;
    this.looking = true;
    const response = await fetch(source.url).catch(() => undefined);
    const found = parse(response?.ok ? await response.text().catch(() => "") : "");
    this.looking = false;
    if (this.destroyed || !found) return;
    this.listed = found;
    if (found.ended) this.onDuration();
    if (!stands || !this.still || found.ended) return;
    this.still.newest = Math.min(this.still.newest, found.newest);
    if (found.newest - this.still.newest >= LOST_SEGMENTS) this.restart();
  }

  private hasEnded(): boolean {
    return this.listed?.ended ?? Number.isFinite(this.video.duration);
  }

  private later(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.load();
    }, delayMs);
  }

  restart(): void {
    // Where it was to begin, if it has not come to that.
    const at = this.startAt ?? this.video.currentTime;
    if (this.source.startAt !== undefined && at > 0) this.source = { ...this.source, startAt: at };
    void this.load();
  }

  refresh(): void {
    // The browser reloads playlists by its own clock; only a try of ours can be brought forward.
    if (this.timer !== undefined) this.later(0);
  }

  behind(): number | null {
    const { seekable } = this.video;
    return this.hasEnded() || seekable.length === 0 ? null : this.ahead();
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

  passesGap(): boolean {
    // The browser does not say.
    return false;
  }

  silent(): boolean {
    return false;
  }

  lacksPicture(): boolean {
    // The browser does not say.
    return false;
  }

  destroy(): void {
    this.destroyed = true;
    clearTimeout(this.timer);
    clearInterval(this.looks);
    this.video.removeEventListener("error", this.onError);
    this.video.removeEventListener("durationchange", this.onDuration);
    this.video.removeEventListener("timeupdate", this.onProgress);
    this.video.removeEventListener("loadedmetadata", this.onMetadata);
    this.video.removeAttribute("src");
    this.video.load();
  }
}

/** What a media playlist says: whether it goes on (RFC 8216 §4.3.3.4), and the number behind its newest segment. */
interface Listed {
  ended: boolean;
  newest: number;
}

/** Undefined where it is no media playlist. */
function parse(playlist: string): Listed | undefined {
  const segments = playlist.match(/^#EXTINF:/gm)?.length ?? 0;
  if (segments === 0) return undefined;
  const first = Number(/^#EXT-X-MEDIA-SEQUENCE:(\d{1,15})/m.exec(playlist)?.[1] ?? 0);
  return { ended: /^#EXT-X-ENDLIST/m.test(playlist), newest: first + segments };
}
