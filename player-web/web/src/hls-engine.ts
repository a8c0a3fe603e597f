// Plays with hls.js.

import Hls, { type ErrorData, type HlsConfig, type LevelDetails } from "hls.js";
import { Captions } from "./captions";
import { type Engine, type EngineEvents, type Source, retryAfterMs } from "./engine";
import { fault } from "./faults";
import { type Level, type Sound, soundAlone, soundsBesidePictures } from "./levels";
import type { Part } from "./missing";
import { Recovery } from "./recovery";
import { highestWithin, suggestedBitrate } from "./suggested";

/** The node may hold a playlist request back until there is something to list, about 20 s. */
const FIRST_BYTE_MS = 30_000;

/** A segment of 15 s may take that long over a radio link; beyond this it is better asked for anew. */
const SEGMENT_MS = 60_000;

const patience = (maxTimeToFirstByteMs: number, maxLoadTimeMs: number) => ({
  default: { maxTimeToFirstByteMs, maxLoadTimeMs, timeoutRetry: null, errorRetry: null },
});

/** What is kept in hand: one segment to play while the next is on its way. */
const RESERVE_SEGMENTS = 2;

const CONFIG: Partial<HlsConfig> = {
  // One that has fallen a whole window behind jumps forward again.
  liveSyncDurationCount: RESERVE_SEGMENTS,
  liveMaxLatencyDurationCount: 6,
  // A live broadcast has no end yet: WebKit pauses for good at what it takes for one.
  liveDurationInfinity: true,
  // captions.ts does.
  renderTextTracksNatively: false,
  // fMP4 needs no transmuxing worth a thread, and a worker would need a wider content security policy.
  enableWorker: false,
  // A phone has little memory: a minute behind, up to a minute ahead.
  backBufferLength: 60,
  maxBufferLength: 60,
  // A segment is shown from its first part on, while the rest of it arrives.
  progressive: true,
  // Retries are ours (recovery.ts): they go on for ever and honour Retry-After.
  manifestLoadPolicy: patience(FIRST_BYTE_MS, FIRST_BYTE_MS + 5000),
  playlistLoadPolicy: patience(FIRST_BYTE_MS, FIRST_BYTE_MS + 5000),
  fragLoadPolicy: patience(FIRST_BYTE_MS, SEGMENT_MS),
};

/** How far within its first segment the live edge is begun: not at its very beginning, which rounding would move into the one before. */
const WITHIN_S = 0.1;

/** So near to the end of a broadcast it is looked at whether hls.js will find it. */
const NEAR_END_S = 1;

/** So little beyond the end of what is listed it is the end: browsers play the last frame of sound through, and lists round. */
const BEYOND_END_S = 1;

/** Behind a part that is passed over: a picture later, or the player would look for it again. */
const BEHIND_S = 0.1;

export class HlsEngine implements Engine {
  readonly tellsParts = true;
  private hls: Hls | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** The remedy that the timer will apply. */
  private pending: (() => void) | undefined;
  private hasSound = true;
  /** The newest segment that was loaded whole. */
  private newest = -1;
  private playing: { sequence: number; start: number } | null = null;
  /** Where to begin, until it has begun; then where it is. Left out at the live edge. */
  private position: number | undefined;
  /** The rendition that the viewer chose. */
  private chosen: number | undefined;
  /** Renditions with sound alone: hls.js leaves them out beside pictures, so that they are played by themselves. */
  private sounds: readonly Sound[] = [];
  /** Those that hls.js chooses from, also while sound alone is played; those with sound alone come after them. */
  private known: readonly Level[] = [];
  /** What is played by itself now. */
  private alone: Sound | undefined;
  /** bit/s; what the node says that it can bring, where that is not all. */
  private suggested: number | undefined;
  private readonly recovery = new Recovery();
  private readonly captions: Captions;
  private readonly onProgress = () => {
    this.recovery.handleProgress(performance.now());
    if (this.position !== undefined && this.video.currentTime > 0) this.position = this.video.currentTime;
    this.endStream();
  };

  static isSupported(): boolean {
    return Hls.isSupported();
  }

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly source: Source,
    private readonly events: EngineEvents,
  ) {
    this.position = source.startAt;
    this.captions = new Captions(video);
    video.addEventListener("timeupdate", this.onProgress);
    this.create();
  }

  private create(): void {
    const { position } = this;
    this.alone = this.sound(this.wanted());
    // Who looks at the past is not drawn to the live edge.
    const past = position === undefined ? {} : { startPosition: position, liveMaxLatencyDurationCount: Number.POSITIVE_INFINITY };
    const hls = new Hls({ ...CONFIG, ...past });
    this.hls = hls;
    this.newest = -1;
    hls.on(Hls.Events.MANIFEST_LOADED, (_, { levels, url, networkDetails }) => {
      this.heed(hls, networkDetails);
      // Of the playlist of a rendition that is played by itself nothing is learnt of the others.
      if (!this.alone) this.sounds = soundsBesidePictures(levels, url);
      // hls.js has said already which pictures there are.
      if (this.sounds.length > 0) this.events.choices();
      // Target durations are longer than segments: counted in them it would begin within one more, of which most is not shown.
      const newest = levels[0]?.details?.fragments.slice(-RESERVE_SEGMENTS) ?? [];
      // hls.js 1.7 loads nothing more where what it is to begin with was lost.
      const begins = Math.max(0, newest.findIndex(({ gap }) => !gap));
      const length = newest.slice(begins).reduce((all, { duration }) => all + duration, 0);
      if (length > WITHIN_S) hls.config.liveSyncDuration = length - WITHIN_S;
    });
    hls.on(Hls.Events.BUFFER_APPENDED, () => this.begin(hls));
    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      if (!this.alone) this.known = hls.levels;
      this.adapt(hls);
      if (this.chosen !== undefined && this.chosen < hls.levels.length) hls.currentLevel = this.chosen;
      this.events.choices();
    });
    hls.on(Hls.Events.LEVELS_UPDATED, (_, { levels }) => {
      if (!this.alone) this.known = levels;
    });
    hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => this.reachWhatIsShown(details));
    hls.on(Hls.Events.LEVEL_LOADED, (_, { details, networkDetails }) => {
      this.heed(hls, networkDetails);
      this.recovery.handleLoaded();
      this.events.playlist(!details.live);
      this.endStream();
    });
    hls.on(Hls.Events.FRAG_LOADED, (_, { frag }) => {
      this.recovery.handleLoaded();
      if (typeof frag.sn !== "number") return this.events.arrived();
      const { loading, loaded } = frag.stats;
      const ms = loading.end - loading.start;
      // Where the way here is slower than the video, one pause for each segment is better than one for each part.
      hls.config.progressive = ms < frag.duration * 1000;
      this.events.arrived({ seconds: frag.duration, ms, bytes: loaded });
    });
    hls.on(Hls.Events.FRAG_BUFFERED, (_, { frag }) => {
      if (typeof frag.sn === "number") this.newest = Math.max(this.newest, frag.sn);
      this.endStream();
    });
    hls.on(Hls.Events.FRAG_CHANGED, (_, { frag }) => {
      this.playing = typeof frag.sn === "number" ? { sequence: frag.sn, start: frag.start } : null;
    });
    hls.on(Hls.Events.BUFFER_CODECS, (_, { audio, audiovideo }) => {
      this.hasSound = audio !== undefined || audiovideo !== undefined;
    });
    this.captions.clear();
    hls.on(Hls.Events.CUES_PARSED, (_, { type, cues, track }) => {
      if (type === "captions") this.captions.handleCues(track, cues);
    });
    hls.on(Hls.Events.ERROR, (_, data) => this.handleError(hls, data));
    hls.attachMedia(this.video);
    hls.loadSource(this.url());
  }

  /** What is played: all that there is to choose from, or the sound alone. */
  private url(): string {
    return this.alone?.url ?? this.source.url;
  }

  /** What the viewer chose; else sound alone where no picture can be brought. */
  private wanted(): number | undefined {
    const { known, suggested } = this;
    const carried = suggested === undefined || known.length === 0 || highestWithin(known, suggested) >= 0;
    return this.chosen ?? (carried ? undefined : soundAlone(this.levels()));
  }

  /** What the node says with a playlist of what it can bring. */
  private heed(hls: Hls, answer: unknown): void {
    if (answer instanceof XMLHttpRequest) this.suggested = suggestedBitrate(answer.getResponseHeader("CMSD-Dynamic"));
    else if (answer instanceof Response) this.suggested = suggestedBitrate(answer.headers.get("CMSD-Dynamic"));
    this.adapt(hls);
  }

  /** Whether pictures are played and the sound alone is wanted, or the other way around. */
  private wantsOther(): boolean {
    return this.sound(this.wanted())?.url !== this.alone?.url;
  }

  private adapt(hls: Hls): void {
    if (hls !== this.hls) return;
    if (this.wantsOther()) {
      // hls.js is about to go on with what it has just told of.
      setTimeout(() => hls === this.hls && this.restart());
    } else if (!this.alone && hls.levels.length > 0) {
      hls.autoLevelCapping = this.suggested === undefined ? -1 : Math.max(0, highestWithin(hls.levels, this.suggested));
    }
  }

  private sound(level: number | undefined): Sound | undefined {
    return level === undefined ? undefined : this.sounds[level - this.known.length];
  }

  /** To where it begins, as soon as that is there; hls.js goes there once it has the whole segment. */
  private begin(hls: Hls): void {
    if (hls !== this.hls || hls.hasEnoughToStart) return;
    const { buffered, currentTime } = this.video;
    const at = hls.startPosition;
    if (buffered.length > 0 && currentTime < at && buffered.start(0) <= at && at < buffered.end(0)) this.video.currentTime = at;
  }

  /** hls.js 1.7 goes back a segment from beyond the end, with each list anew until the publisher is back. */
  private reachWhatIsShown({ live, edge, fragments }: LevelDetails): void {
    const last = fragments.at(-1);
    const beyond = this.video.currentTime - edge;
    if (live && last && beyond > 0 && beyond < BEYOND_END_S) last.duration += beyond;
  }

  /** hls.js 1.7 misses the end where a hole that it plays over is in the buffer, as after a publisher's return. */
  private endStream(): void {
    const { hls } = this;
    const details = hls?.latestLevelDetails;
    const last = details?.fragments.at(-1);
    if (!hls || !details || details.live || !last || this.newest < details.endSN) return;
    const ahead = hls.mainForwardBufferInfo;
    // Sound and pictures need not end together, nor where the playlist says.
    const isEnd = ahead && ahead.nextStart === undefined && ahead.end > last.start + last.duration / 2;
    if (isEnd && ahead.len < NEAR_END_S) hls.trigger(Hls.Events.BUFFER_EOS, { type: null });
  }

  private handleError(hls: Hls, data: ErrorData): void {
    if (!data.fatal || hls !== this.hls) return;
    const kind = fault(data);
    const network = kind === "network";
    const notYet = network && data.response?.code === 503;
    const { frag } = data;
    const part: Part | undefined =
      frag && typeof frag.sn === "number"
        ? { sequence: frag.sn, start: frag.start, duration: frag.duration, date: frag.programDateTime }
        : undefined;
    if (notYet) this.events.notYet(part);
    else if (network) this.events.unreachable();
    else if (kind === "unplayable") this.events.unplayable();
    console.warn("player:", data.type, data.details, data.response?.code ?? "", data.error?.message ?? "");
    const answer: unknown = data.networkDetails;
    // A node that cannot be reached says nothing.
    if (data.response?.code) this.heed(hls, answer);
    const header = answer instanceof Response ? answer.headers.get("Retry-After") : undefined;
    const remedy = this.recovery.handle(kind, performance.now(), notYet ? retryAfterMs(header) : undefined);
    clearTimeout(this.timer);
    this.pending = () => {
      this.pending = undefined;
      this.apply(hls, remedy.action);
    };
    this.timer = setTimeout(this.pending, remedy.delayMs);
  }

  private apply(hls: Hls, action: "load" | "recover-media" | "recreate"): void {
    if (hls !== this.hls) return;
    if (action === "recreate") {
      this.restart();
    } else if (action === "recover-media") {
      hls.recoverMediaError();
      this.play();
    } else if (hls.levels.length === 0) {
      hls.loadSource(this.url());
    } else {
      // Before anything was played, hls.js would begin at the live edge.
      hls.startLoad(this.video.currentTime > 0 ? -1 : (this.position ?? -1));
    }
  }

  private play(): void {
    // Refused only where the viewer has to tap first, which the page deals with.
    void this.video.play().catch(() => undefined);
  }

  restart(): void {
    const paused = this.video.paused && this.video.currentTime > 0;
    clearTimeout(this.timer);
    this.pending = undefined;
    this.hls?.destroy();
    this.create();
    if (!paused) this.play();
  }

  refresh(): void {
    if (this.pending) {
      // The node is heard again: no need to wait for the next try.
      clearTimeout(this.timer);
      this.pending();
      return;
    }
    const hls = this.hls;
    const level = hls?.loadLevelObj;
    // Before the first playlist there is a request under way.
    if (!hls || !level?.details?.live || !hls.loadingEnabled) return;
    // The event with which hls.js itself has a playlist reloaded. One already under way is not doubled, and the
    // answer sets its reload timer anew. `startLoad()` would drop the segment that is being loaded.
    hls.trigger(Hls.Events.LEVEL_LOADING, {
      url: level.uri,
      level: hls.loadLevel,
      levelInfo: level,
      pathwayId: undefined,
      id: 0,
      deliveryDirectives: null,
    });
  }

  behind(): number | null {
    return this.hls?.latestLevelDetails?.live ? this.hls.latency : null;
  }

  ahead(): number {
    const details = this.hls?.latestLevelDetails;
    // Before the list there is nothing to play: hls.js will jump into it.
    return details ? details.edge - Math.max(this.video.currentTime, details.fragmentStart) : 0;
  }

  date(): number | null {
    return this.hls?.playingDate?.getTime() ?? null;
  }

  levels(): readonly Level[] {
    return [...this.known, ...this.sounds];
  }

  level(): number | undefined {
    return this.chosen;
  }

  chooseLevel(level: number | undefined): void {
    const { hls } = this;
    this.chosen = level;
    if (this.wantsOther()) this.restart();
    else if (hls && !this.alone) hls.currentLevel = level ?? -1;
  }

  segment(): { sequence: number; start: number } | null {
    return this.playing;
  }

  skip(part: Part): void {
    const { hls } = this;
    if (!hls) return;
    clearTimeout(this.timer);
    this.pending = undefined;
    const behind = part.start + part.duration + BEHIND_S;
    if (this.position !== undefined) this.position = behind;
    this.video.currentTime = behind;
    hls.startLoad(behind);
  }

  reserve(): number {
    const durations = this.hls?.latestLevelDetails?.fragments.map(({ duration }) => duration) ?? [];
    return RESERVE_SEGMENTS * Math.max(0, ...durations);
  }

  passesGap(seconds: number): boolean {
    const { currentTime } = this.video;
    const fragments = this.hls?.latestLevelDetails?.fragments ?? [];
    return fragments.some(({ gap, start, duration }) => gap && currentTime >= start && currentTime < start + duration + seconds);
  }

  silent(): boolean {
    return !this.hasSound;
  }

  lacksPicture(): boolean {
    return this.alone !== undefined && this.chosen === undefined;
  }

  destroy(): void {
    clearTimeout(this.timer);
    this.pending = undefined;
    this.video.removeEventListener("timeupdate", this.onProgress);
    this.hls?.destroy();
    this.hls = undefined;
  }
}
