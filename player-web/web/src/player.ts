// What is played and how it goes: an engine, a video element, where the viewer is in the broadcast. Says what it does;
// what it looks like is player-controls.ts's.

import { CourseWatch } from "./course-watch";
import { EarlyEnd } from "./early-end";
import type { Engine, EngineEvents, Source } from "./engine";
import { HlsEngine } from "./hls-engine";
import { soundAlone } from "./levels";
import type { Memory } from "./memory";
import { Missing } from "./missing";
import { momentLink } from "./moment";
import { NativeEngine } from "./native-engine";
import type { NodeApi } from "./node-api";
import { Offers } from "./offers";
import { Pace } from "./pace";
import { PauseWatch } from "./pause-watch";
import { Reserve } from "./reserve";
import { SoundMemory } from "./sound-memory";
import { NOTHING_AHEAD_S, type Snapshot } from "./status";
import type { Course } from "./timeline";
import type { Position } from "./timeline-bar";

/** How often everything is looked at again. */
const LOOK_MS = 500;

/** More than is played between two looks was sought. */
const MOST_MOVED_S = 3;

/** How often the node is asked how far it is with a part that is waited for. */
const PROGRESS_MS = 2000;

/** Time without movement after which it counts as stalled. */
const STALLED_MS = 1500;

/** Time without movement, although there is something to play and nothing holds it, after which the engine begins
 * anew. Longer than a segment may take to arrive over a slow link. */
const STUCK_MS = 75_000;

/** Likewise where the browser took something else for the end, and does not say so any more. */
const LOST_MS = 5000;

/** How often the place in a broadcast is noted, and the first place worth it. */
const PLACE_MS = 5000;
const FIRST_PLACE_S = 10;

/** How long it is said that a part was lost, once it was passed over: time to read it. */
const GAP_S = 3;

/** A page that slept for longer has lost the live edge: it jumps there. Shorter than a live playlist. */
const ASLEEP_MS = 30_000;

export interface PlayerOptions {
  live: boolean;
  /** Seconds from the beginning; left out, at the live edge, or where the viewer left it. */
  startAt?: number | undefined;
  /** Begins by itself. */
  autoplay: boolean;
  /** Begins without sound, whatever is remembered. */
  muted: boolean;
  memory: Memory;
}

export interface PlayerEvents {
  /** Everything was looked at. */
  looked(snapshot: Snapshot): void;
  course(course: Course): void;
  /** Other renditions or captions can be chosen. */
  choices(): void;
}

export class Player {
  private engine: Engine | undefined;
  private live: boolean;
  /** What is played is the whole broadcast, not its live edge. */
  private recording = false;
  /** The viewer wants the broadcast from here, and not its live edge. */
  private startAt: number | undefined;
  private readonly missing = new Missing();
  private readonly pace = new Pace();
  private readonly reserve = new Reserve();
  private readonly courses: CourseWatch;
  private readonly sound: SoundMemory;
  private readonly timer: ReturnType<typeof setInterval>;
  private readonly listening = new AbortController();
  private readonly pauses: PauseWatch;
  private askedAt = 0;
  private placedAt = 0;
  private readonly offers = new Offers();
  private playlistEnded = false;
  private hasPlaylist = false;
  private notYet = false;
  private unreachable = false;
  private unplayable = false;
  private started = false;
  /** Heard of; to some browsers whatever is played last is the end. */
  private videoEnded = false;
  private readonly earlyEnd = new EarlyEnd();
  /** The live playlist was played to its end. */
  private seenToTheEnd = false;
  private blocked = false;
  private movedAt = performance.now();
  /** When it last moved, or had a reason not to. */
  private excusedAt = performance.now();
  private position = -1;
  /** The viewer's playback rate while the picture is held. */
  private heldRate: number | undefined;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly api: NodeApi,
    private readonly options: PlayerOptions,
    private readonly events: PlayerEvents,
  ) {
    this.live = options.live;
    this.startAt = options.startAt;
    if (!this.live && this.startAt === undefined) {
      const place = options.memory.place(api.slug) ?? 0;
      if (place >= FIRST_PLACE_S) this.startAt = place;
    }
    this.courses = new CourseWatch(api, (course) => events.course(course));
    this.sound = new SoundMemory(video, options.memory, options.muted);
    this.pauses = new PauseWatch({ document, video, now: () => performance.now() }, this.listening.signal);
    this.listen();
    this.timer = setInterval(() => this.look(), LOOK_MS);
    if (options.autoplay) this.load();
    else this.blocked = true;
    void this.courses.look();
  }

  private listen(): void {
    const { signal } = this.listening;
    const on = (names: string[], listener: () => void) => {
      for (const name of names) this.video.addEventListener(name, listener, { signal });
    };
    on(["seeking"], () => this.missing.handleSought());
    on(["playing"], () => this.handleMoving());
    on(["play", "playing", "seeking", "emptied"], () => {
      this.videoEnded = false;
    });
    on(["ended"], () => {
      const { course } = this.courses;
      if (this.recording && this.earlyEnd.handleEnd(this.video.currentTime, course?.duration ?? 0)) return this.goOn();
      this.videoEnded = true;
      this.seenToTheEnd = this.playlistEnded;
      if (this.playlistEnded) this.options.memory.forgetPlace(this.api.slug);
    });
    on(["play"], () => this.handlePlay());
    on(["pause", "ended", "waiting", "playing", "volumechange"], () => this.look());
  }

  /** Behind what the browser took for the end. */
  private goOn(): void {
    // What has ended begins anew when it is played.
    if (this.video.ended) this.engine?.restart();
    else this.play();
  }

  private handleMoving(): void {
    this.blocked = false;
    this.started = true;
    this.unplayable = false;
  }

  /** The node says that the broadcast is live, or has ended. */
  setLive(live: boolean): void {
    const cameBack = live && !this.live;
    this.live = live;
    // From the recording to the live playlist.
    if (cameBack && this.engine) this.load();
    void this.courses.look();
  }

  /** The node says that the live playlist has changed, and how many renditions there are. */
  refresh(renditions = 0): void {
    const { engine } = this;
    // What was chosen stays.
    const open = engine && !this.recording && engine.level() === undefined;
    if (open && this.offers.handle(renditions, engine.levels().length)) engine.restart();
    else engine?.refresh();
  }

  /** The page is looked at again, or the network is back. */
  wake(sleptMs: number): void {
    this.refresh();
    void this.courses.look();
    const pausedByBrowser = this.pauses.takePausedByBrowser();
    const paused = this.video.paused && !pausedByBrowser;
    if (this.engine && !this.recording && sleptMs > ASLEEP_MS && !paused) this.engine.restart();
    if (pausedByBrowser) this.play();
  }

  private load(): void {
    this.engine?.destroy();
    this.engine = undefined;
    this.seenToTheEnd = false;
    this.playlistEnded = false;
    this.hasPlaylist = false;
    this.notYet = false;
    this.missing.handleArrived();
    this.pace.reset();
    const events: EngineEvents = {
      playlist: (ended) => this.handlePlaylist(ended),
      notYet: (part) => {
        this.notYet = true;
        this.unreachable = false;
        if (part && this.recording) this.missing.handleNotYet(part, performance.now());
      },
      arrived: (load) => {
        this.notYet = false;
        this.unreachable = false;
        this.unplayable = false;
        this.missing.handleArrived();
        if (load) this.pace.handleLoad(load);
      },
      choices: () => this.events.choices(),
      unreachable: () => {
        this.unreachable = true;
        this.notYet = false;
      },
      unplayable: () => {
        this.unplayable = true;
      },
    };
    this.recording = !this.live || this.startAt !== undefined;
    const url = this.api.playlist(this.recording ? "main-whole" : "main");
    const source: Source = this.recording ? { url, startAt: this.startAt ?? 0 } : { url };
    // Chromium claims native HLS and then fails on some streams, so hls.js is asked first.
    if (HlsEngine.isSupported()) {
      this.engine = new HlsEngine(this.video, { ...source, url: `${url}?player=mse` }, events);
    } else if (NativeEngine.isSupported(this.video)) {
      this.engine = new NativeEngine(this.video, source, events);
    } else {
      this.unplayable = true;
    }
  }

  /** Of a playlist that any player plays. */
  address(): string {
    return this.api.playlist(this.live ? "main" : "main-whole");
  }

  private handlePlaylist(ended: boolean): void {
    this.playlistEnded = ended;
    this.notYet = false;
    this.unreachable = false;
    // One that plays already would begin anew where the browser takes the live edge for the end.
    if (!this.hasPlaylist && this.video.paused) this.play();
    this.hasPlaylist = true;
    this.look();
  }

  /** To a point of the broadcast, or to its live edge. */
  private go(startAt: number | undefined): void {
    this.startAt = startAt;
    this.blocked = false;
    this.load();
    this.look();
  }

  goLive(): void {
    if (!this.live) return;
    if (this.recording || !this.engine) return this.go(undefined);
    // It is that playlist already: only nearer to its end.
    const late = (this.engine.behind() ?? 0) - this.engine.reserve();
    if (late > 1) this.video.currentTime += late;
  }

  /** To a moment of the broadcast. Beyond the live edge is the live edge. */
  seek(seconds: number): void {
    const { end } = this.where();
    const at = Math.max(0, seconds);
    if (this.live && at > 0 && this.courses.course && at >= end - (this.engine?.reserve() ?? 0)) this.goLive();
    else if (!this.recording || !this.hasPlaylist) this.go(at);
    else {
      const { ended } = this.video;
      this.video.currentTime = Math.min(at, end);
      if (ended) this.play();
    }
  }

  seekBy(seconds: number): void {
    const { video } = this;
    const { seekable } = video;
    const to = video.currentTime + seconds;
    // The live playlist reaches back some minutes.
    const near = !this.recording && seekable.length > 0 && to >= seekable.start(0) && (this.engine?.behind() ?? 0) > seconds;
    if (near) video.currentTime = to;
    else this.seek(this.where().at + seconds);
  }

  toggle(): void {
    if (!this.engine || this.video.paused) this.begin();
    else this.video.pause();
  }

  /** The part that is waited for is passed over, if its time is up or the viewer does not want to wait. */
  skip(atOnce: boolean): void {
    const part = this.missing.skip(performance.now(), atOnce);
    if (part) this.engine?.skip(part);
  }

  play(): void {
    this.video.play().catch((error: unknown) => {
      if (!(error instanceof DOMException && error.name === "NotAllowedError")) return;
      // With sound the viewer has to tap first; without, most browsers play.
      if (this.sound.muteForNow()) this.play();
      else {
        this.blocked = true;
        this.look();
      }
    });
  }

  /** The viewer tapped to hear it, or to have it played at all. */
  tap(): void {
    if (this.started || !this.options.muted) this.sound.unmute();
    this.begin();
  }

  /** Plays, and loads first what is not loaded yet. */
  begin(): void {
    this.blocked = false;
    if (!this.engine) this.load();
    else if (this.video.paused) this.play();
    this.look();
  }

  /** A live playlist ends with the last minutes only. Who wants to see the broadcast again wants all of it. */
  private handlePlay(): void {
    if (!this.seenToTheEnd || this.recording) return;
    this.live = false;
    this.startAt = undefined;
    this.load();
  }

  /** Where the viewer is in the broadcast. */
  where(): Position {
    const { course } = this.courses;
    const behind = this.engine?.behind() ?? 0;
    const known = course?.duration ?? 0;
    const date = this.engine?.date() ?? null;
    const dated = date === null ? undefined : course?.offsetOfDate(date);
    const fromStart = this.startAt ?? 0;
    let at = this.hasPlaylist ? this.video.currentTime : fromStart;
    if (!this.recording) at = this.liveAt() ?? dated ?? Math.max(0, known - behind);
    const end = this.recording ? at + (this.hasPlaylist ? (this.engine?.ahead() ?? 0) : 0) : at + behind;
    return { at, end: Math.max(known, end), live: this.live };
  }

  /** The time line of the live playlist begins wherever the viewer came in: the segment says where that is, about. */
  private liveAt(): number | undefined {
    const segment = this.engine?.segment();
    const from = segment ? this.courses.course?.offsetOf(segment.sequence) : undefined;
    return segment && from !== undefined ? from + this.video.currentTime - segment.start : undefined;
  }

  isAtLiveEdge(): boolean {
    return this.live && !this.recording;
  }

  isLive(): boolean {
    return this.live;
  }

  hasBegun(): boolean {
    return this.hasPlaylist;
  }

  /** The address of the moment that is shown; undefined where it is not known which one that is. */
  async link(): Promise<string | undefined> {
    const { currentTime } = this.video;
    const segment = this.engine?.segment();
    let seconds: number | undefined = currentTime;
    if (!this.recording && segment) {
      const place = await this.api.place(segment.sequence);
      seconds = place && place.from_ms / 1000 + currentTime - segment.start;
    } else if (!this.recording) {
      const date = this.engine?.date() ?? null;
      seconds = date === null ? undefined : this.courses.course?.offsetOfDate(date);
    }
    return seconds === undefined ? undefined : momentLink(this.api.node || location.origin, this.api.slug, seconds);
  }

  /** Whether it can be known which moment is shown. */
  canLink(): boolean {
    return this.started && (this.recording || !!this.engine?.segment() || (this.engine?.date() ?? null) !== null);
  }

  levels() {
    return this.engine?.levels() ?? [];
  }

  level(): number | undefined {
    return this.engine?.level();
  }

  chooseLevel(level: number | undefined): void {
    this.pace.reset();
    this.engine?.chooseLevel(level);
  }

  silent(): boolean {
    return this.engine?.silent() ?? false;
  }

  get course(): Course | undefined {
    return this.courses.course;
  }

  private async askProgress(sequence: number): Promise<void> {
    const place = await this.api.place(sequence);
    if (!place) return;
    this.missing.handleProgress(sequence, place.fetching, performance.now());
    if (place.held) this.missing.handleArrived();
  }

  /** Of an engine that does not say what it waits for: the course knows what is not here. */
  private findMissing(now: number): void {
    const { engine, courses: { course } } = this;
    if (!engine || engine.tellsParts || !this.recording || course?.spanAt(this.video.currentTime)?.state !== "elsewhere") return;
    const part = course.segmentAt(this.video.currentTime);
    if (part) this.missing.handleNotYet({ ...part, date: course.dateAt(part.start) }, now);
  }

  private look(): void {
    const { engine, video } = this;
    const now = performance.now();
    const moved = video.currentTime - this.position;
    // Not every browser says that it plays whenever it does.
    if (this.position >= 0 && moved > 0 && moved < MOST_MOVED_S && !video.paused && !video.seeking) this.handleMoving();
    if (video.currentTime !== this.position || video.paused) {
      this.position = video.currentTime;
      this.movedAt = now;
    }
    const still = now - this.movedAt;
    const ahead = engine?.ahead() ?? 0;
    const held = !!engine && this.reserve.update(
      {
        live: this.hasPlaylist && !this.playlistEnded,
        starved: video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA,
        ahead,
        wanted: engine.reserve(),
      },
      now,
    );
    this.hold(held, moved > 0);
    if (still > STALLED_MS && this.started) this.findMissing(now);
    const waiting = this.missing.waiting(now);
    const snapshot: Snapshot = {
      playlistEnded: this.playlistEnded,
      videoEnded: this.videoEnded,
      hasPlaylist: this.hasPlaylist,
      notYet: this.notYet,
      unreachable: this.unreachable,
      unplayable: this.unplayable,
      started: this.started,
      paused: video.paused,
      blocked: this.blocked,
      stalled: (held && moved <= 0) || still > STALLED_MS,
      held,
      ahead,
      behind: engine?.behind() ?? null,
      missing: waiting,
      gap: engine?.passesGap(GAP_S) || (this.recording && this.courses.course?.spanAt(video.currentTime)?.state === "gap"),
      picture: video.videoWidth > 0,
      lacksPicture: engine?.lacksPicture() ?? false,
      slow: this.pace.slowness(),
      lighter: soundAlone(this.levels()) !== undefined,
    };
    if (waiting && now - this.askedAt > PROGRESS_MS) {
      this.askedAt = now;
      void this.askProgress(waiting.part.sequence);
    }
    if (waiting && still > STALLED_MS) this.skip(false);
    this.notePlace(now);
    this.events.looked(snapshot);
    const waits = held || !!waiting || this.notYet || (ahead < NOTHING_AHEAD_S && !this.playlistEnded);
    // One that has ended is paused (HTML §4.8.11.8); WebKitGTK calls whatever it plays the end.
    if (waits || !this.started || video.paused || still <= STALLED_MS) this.excusedAt = now;
    const patience = video.ended && !this.videoEnded ? LOST_MS : STUCK_MS;
    if (now - this.excusedAt > patience) {
      this.excusedAt = now;
      engine?.restart();
    }
  }

  private notePlace(now: number): void {
    const { video } = this;
    const { playlistEnded, recording, started } = this;
    if (!recording || !started || !playlistEnded || video.paused || video.ended || now - this.placedAt < PLACE_MS) return;
    this.placedAt = now;
    if (video.currentTime >= FIRST_PLACE_S) this.options.memory.setPlace(this.api.slug, video.currentTime);
  }

  /** Holds the picture, or lets it go on. A rate of 0 is neither a pause nor, to hls.js, a stall. */
  private hold(held: boolean, moves: boolean): void {
    const { video } = this;
    if (held && moves && this.heldRate !== undefined) {
      // WebKitGTK plays on at a rate that was set before it began to play.
      video.playbackRate = this.heldRate;
      video.playbackRate = 0;
    } else if (held && video.playbackRate !== 0) {
      this.heldRate = video.playbackRate;
      video.playbackRate = 0;
    } else if (!held && this.heldRate !== undefined) {
      video.playbackRate = this.heldRate;
      this.heldRate = undefined;
    }
  }

  destroy(): void {
    clearInterval(this.timer);
    this.listening.abort();
    this.courses.stop();
    this.sound.stop();
    this.engine?.destroy();
    this.engine = undefined;
  }
}
