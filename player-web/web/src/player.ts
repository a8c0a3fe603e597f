// The player on a page: an engine, a video element, a caption, and a button for sound. Lives as long as the page.

import type { Engine, EngineEvents, Source } from "./engine";
import { HlsEngine } from "./hls-engine";
import { Missing, type Progress } from "./missing";
import { momentLink } from "./moment";
import { NativeEngine } from "./native-engine";
import { Reserve } from "./reserve";
import { type Snapshot, describe } from "./status";

/** How often the caption is looked at again. */
const CAPTION_MS = 500;

/** How often the node is asked how far it is with a part that is waited for. */
const PROGRESS_MS = 2000;

/** Time without movement after which it counts as stalled. */
const STALLED_MS = 1500;

/** Time without movement, although there is something to play and nothing holds it, after which the engine begins
 * anew. Longer than a segment may take to arrive over a slow link. */
const STUCK_MS = 75_000;

export interface PlayerElements {
  root: HTMLElement;
  video: HTMLVideoElement;
  caption: HTMLElement;
  sound: HTMLButtonElement;
  skip: HTMLButtonElement;
  rewind: HTMLButtonElement;
  goLive: HTMLButtonElement;
  copy: HTMLButtonElement;
  moment: HTMLInputElement;
}

/** What the node says of a segment. */
interface SegmentPlace {
  from_ms: number;
  held: boolean;
  fetching: Progress | null;
}

export class Player {
  private engine: Engine | undefined;
  private live: boolean;
  /** What is played is the whole broadcast, not its live edge. */
  private recording = false;
  /** The viewer wants the broadcast from here, and not its live edge. */
  private startAt: number | undefined;
  private readonly missing = new Missing();
  private askedAt = 0;
  private playlistEnded = false;
  private hasPlaylist = false;
  private notYet = false;
  private unreachable = false;
  private started = false;
  /** The live playlist was played to its end. */
  private seenToTheEnd = false;
  private blocked = false;
  private movedAt = performance.now();
  /** When it last moved, or had a reason not to. */
  private excusedAt = performance.now();
  private position = -1;
  private readonly reserve = new Reserve();
  /** The viewer's playback rate while the picture is held. */
  private heldRate: number | undefined;

  constructor(
    private readonly elements: PlayerElements,
    private readonly slug: string,
    live: boolean,
    startAt?: number,
  ) {
    this.live = live;
    this.startAt = startAt;
    const { video, sound } = elements;
    elements.skip.addEventListener("click", () => this.skip(true));
    elements.rewind.addEventListener("click", () => this.go(0));
    elements.goLive.addEventListener("click", () => this.go(undefined));
    elements.copy.addEventListener("click", () => void this.copy());
    video.addEventListener("seeking", () => this.missing.handleSought());
    video.addEventListener("volumechange", () => this.update());
    video.addEventListener("playing", () => {
      this.blocked = false;
      this.started = true;
    });
    video.addEventListener("ended", () => {
      this.seenToTheEnd = this.playlistEnded;
    });
    video.addEventListener("play", () => this.handlePlay());
    for (const event of ["pause", "ended", "waiting", "playing"]) video.addEventListener(event, () => this.update());
    sound.addEventListener("click", () => this.handleTap());
    setInterval(() => this.update(), CAPTION_MS);
    this.load();
  }

  /** The node says that the broadcast is live, or has ended. */
  setLive(live: boolean): void {
    if (live && !this.live) {
      // It came back: from the recording to the live playlist.
      this.live = true;
      this.load();
    }
    this.live = live;
  }

  /** The node says that the live playlist has changed. */
  refresh(): void {
    this.engine?.refresh();
  }

  private load(): void {
    this.engine?.destroy();
    this.seenToTheEnd = false;
    this.playlistEnded = false;
    this.hasPlaylist = false;
    this.notYet = false;
    this.missing.handleArrived();
    const { video } = this.elements;
    const events: EngineEvents = {
      playlist: (ended) => {
        this.playlistEnded = ended;
        this.notYet = false;
        this.unreachable = false;
        if (!this.hasPlaylist) this.play();
        this.hasPlaylist = true;
        this.update();
      },
      notYet: (part) => {
        this.notYet = true;
        this.unreachable = false;
        if (part && this.recording) this.missing.handleNotYet(part, performance.now());
      },
      arrived: () => {
        this.notYet = false;
        this.unreachable = false;
        this.missing.handleArrived();
      },
      unreachable: () => {
        this.unreachable = true;
        this.notYet = false;
      },
    };
    this.recording = !this.live || this.startAt !== undefined;
    const path = `/hls/${this.slug}/${this.recording ? "whole" : "index"}.m3u8`;
    const source: Source = this.recording ? { url: path, startAt: this.startAt ?? 0 } : { url: path };
    // Chromium claims native HLS and then fails on some streams, so hls.js is asked first.
    if (HlsEngine.isSupported()) {
      this.engine = new HlsEngine(video, { ...source, url: `${path}?player=mse` }, events);
    } else if (NativeEngine.isSupported(video)) {
      this.engine = new NativeEngine(video, source, events);
    } else {
      this.show("ended", "This browser cannot play the video. Try Firefox or Chrome, or open the address in VLC.");
    }
  }

  /** To a point of the broadcast, or to its live edge. */
  private go(startAt: number | undefined): void {
    this.startAt = startAt;
    this.load();
    this.update();
    this.elements.video.focus();
  }

  private skip(atOnce: boolean): void {
    const part = this.missing.skip(performance.now(), atOnce);
    if (part) this.engine?.skip(part);
  }

  private async place(sequence: number): Promise<SegmentPlace | undefined> {
    const response = await fetch(`/api/v1/broadcasts/${this.slug}/segments/${sequence}`).catch(() => undefined);
    return response?.ok ? ((await response.json()) as SegmentPlace) : undefined;
  }

  private async askProgress(sequence: number): Promise<void> {
    const place = await this.place(sequence);
    if (place) this.missing.handleProgress(sequence, place.fetching, performance.now());
  }

  private async copy(): Promise<void> {
    const { copy, moment, video } = this.elements;
    const playing = this.engine?.segment();
    const at = video.currentTime;
    let seconds: number | undefined = at;
    if (!this.recording) {
      // The time line of the live playlist begins wherever the viewer came in.
      const place = playing ? await this.place(playing.sequence) : undefined;
      seconds = playing && place ? place.from_ms / 1000 + at - playing.start : undefined;
    }
    if (seconds === undefined) {
      copy.textContent = "Not now: try again";
      return;
    }
    moment.value = momentLink(location.origin, this.slug, seconds);
    moment.hidden = false;
    moment.focus();
    moment.select();
    // Pages that come by plain HTTP have no clipboard; the older way has worked since before there were secure contexts.
    copy.textContent = document.execCommand("copy") ? "Link copied" : "Copy the link beside";
  }

  private play(): void {
    this.elements.video.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "NotAllowedError") {
        this.blocked = true;
        this.update();
      }
    });
  }

  /** A live playlist ends with the last minutes only. Who wants to see the broadcast again wants all of it. */
  private handlePlay(): void {
    if (!this.seenToTheEnd || this.recording) return;
    this.live = false;
    this.load();
  }

  private handleTap(): void {
    const { video } = this.elements;
    video.muted = false;
    this.blocked = false;
    if (video.paused) this.play();
    video.focus();
    this.update();
  }

  private update(): void {
    const { engine } = this;
    if (!engine) return;
    const { video, sound } = this.elements;
    const now = performance.now();
    if (video.currentTime !== this.position || video.paused) {
      this.position = video.currentTime;
      this.movedAt = now;
    }
    const still = now - this.movedAt;
    const ahead = engine.ahead();
    const held = this.reserve.update(
      {
        live: this.hasPlaylist && !this.playlistEnded,
        starved: video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA,
        ahead,
        wanted: engine.reserve(),
      },
      now,
    );
    this.hold(held);
    const snapshot: Snapshot = {
      playlistEnded: this.playlistEnded,
      videoEnded: video.ended,
      hasPlaylist: this.hasPlaylist,
      notYet: this.notYet,
      unreachable: this.unreachable,
      started: this.started,
      paused: video.paused,
      blocked: this.blocked,
      stalled: held || still > STALLED_MS,
      held,
      ahead,
      behind: engine.behind(),
      missing: this.missing.waiting(now),
      picture: video.videoWidth > 0,
    };
    const { missing } = snapshot;
    if (missing && now - this.askedAt > PROGRESS_MS) {
      this.askedAt = now;
      void this.askProgress(missing.part.sequence);
    }
    if (missing && still > STALLED_MS) this.skip(false);
    const { skip, rewind, goLive, copy } = this.elements;
    skip.hidden = !missing || still <= STALLED_MS;
    rewind.hidden = !this.live || this.recording || !this.hasPlaylist;
    goLive.hidden = !this.live || !this.recording;
    copy.hidden = !this.started || (!this.recording && !engine.segment());
    const status = describe(snapshot);
    this.show(status.state, status.caption);
    sound.hidden = !(this.blocked || (video.muted && this.started && !video.ended && !engine.silent()));
    const label = this.blocked ? "Tap to play" : "Tap for sound";
    if (sound.textContent !== label) sound.textContent = label;
    if (held || status.state !== "catching-up") this.excusedAt = now;
    if (now - this.excusedAt > STUCK_MS) {
      this.excusedAt = now;
      engine.restart();
    }
  }

  /** Holds the picture, or lets it go on. A rate of 0 is neither a pause nor, to hls.js, a stall. */
  private hold(held: boolean): void {
    const { video } = this.elements;
    if (held && video.playbackRate !== 0) {
      this.heldRate = video.playbackRate;
      video.playbackRate = 0;
    } else if (!held && this.heldRate !== undefined) {
      video.playbackRate = this.heldRate;
      this.heldRate = undefined;
    }
  }

  private show(state: string, caption: string): void {
    const { root, caption: element } = this.elements;
    root.dataset.playerState = state;
    // Written only when it differs, or a screen reader would repeat it.
    if (element.textContent !== caption) element.textContent = caption;
  }
}
