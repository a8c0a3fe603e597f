// The player on a page: an engine, a video element, a caption, and a button for sound. Lives as long as the page.

import type { Engine, EngineEvents } from "./engine";
import { HlsEngine } from "./hls-engine";
import { NativeEngine } from "./native-engine";
import { Reserve } from "./reserve";
import { type Snapshot, describe } from "./status";

/** How often the caption is looked at again. */
const CAPTION_MS = 500;

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
}

export class Player {
  private engine: Engine | undefined;
  private live: boolean;
  /** What is played is the whole broadcast, not its live edge. */
  private recording = false;
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
  ) {
    this.live = live;
    const { video, sound } = elements;
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
      notYet: () => {
        this.notYet = true;
        this.unreachable = false;
      },
      unreachable: () => {
        this.unreachable = true;
        this.notYet = false;
      },
    };
    this.recording = !this.live;
    const path = `/hls/${this.slug}/${this.recording ? "whole" : "index"}.m3u8`;
    // Chromium claims native HLS and then fails on some streams, so hls.js is asked first.
    if (HlsEngine.isSupported()) {
      this.engine = new HlsEngine(video, `${path}?player=mse`, events);
    } else if (NativeEngine.isSupported(video)) {
      this.engine = new NativeEngine(video, path, events);
    } else {
      this.show("ended", "This browser cannot play the video. Try Firefox or Chrome, or open the address in VLC.");
    }
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
      picture: video.videoWidth > 0,
    };
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
