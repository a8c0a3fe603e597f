// What the player says of itself. Pure: what is known goes in, a state and its caption come out.

import type { Waiting } from "./missing";
import { clock } from "./moment";

export type PlayerState = "connecting" | "waiting" | "playing" | "paused" | "catching-up" | "ended";

export interface Snapshot {
  /** The playlist says that nothing more will come. */
  playlistEnded: boolean;
  /** The last picture has been shown. */
  videoEnded: boolean;
  /** A playlist was loaded. */
  hasPlaylist: boolean;
  /** The node answered that there is nothing yet. */
  notYet: boolean;
  /** The node does not answer. */
  unreachable: boolean;
  /** Playing has begun once. */
  started: boolean;
  paused: boolean;
  /** The browser wants a tap before it plays. */
  blocked: boolean;
  /** Playing, but nothing moves. */
  stalled: boolean;
  /** The player stands still to have enough in hand. */
  held: boolean;
  /** Seconds listed beyond the position, that could be played once loaded. */
  ahead: number;
  /** There is a picture, not sound alone. */
  picture: boolean;
  /** Seconds behind the live edge, where known. */
  behind: number | null;
  /** The part that the node does not have yet. */
  missing: Waiting | undefined;
}

export interface Status {
  state: PlayerState;
  caption: string;
}

/** Less than this listed ahead means that the publisher is what is waited for, not the network. */
const NOTHING_AHEAD_S = 1;

/** From here on minutes are told, not seconds. */
const MINUTES_FROM_S = 180;

export function describe(now: Snapshot): Status {
  if (now.videoEnded && now.playlistEnded) {
    return { state: "ended", caption: "The broadcast has ended. Press play to see it again." };
  }
  if (now.blocked) return { state: "paused", caption: "Ready. Tap the button to play." };
  if (now.paused && now.started) return { state: "paused", caption: "Paused. Press play to go on." };
  const moving = now.started && !now.stalled;
  if (moving) return { state: "playing", caption: playing(now) };
  if (now.unreachable) {
    const state = now.started ? "catching-up" : "connecting";
    return { state, caption: "The node does not answer. Stay on its WiFi: the player goes on by itself." };
  }
  if (now.missing) return waiting(fetching(now.missing));
  if (now.notYet && now.hasPlaylist) {
    return waiting("The node is still fetching this part. The player goes on by itself.");
  }
  if (now.notYet) return waiting("Waiting for the publisher. The player starts by itself.");
  if (!now.hasPlaylist) return { state: "connecting", caption: "Connecting…" };
  if (now.started && !now.playlistEnded && now.ahead < NOTHING_AHEAD_S) {
    return waiting("Waiting for the publisher. The player goes on by itself.");
  }
  if (now.started && now.held) {
    return { state: "catching-up", caption: "One moment: with a little more in hand it plays without stopping." };
  }
  if (now.started) return { state: "catching-up", caption: "Catching up: the video is on its way over the mesh." };
  return { state: "connecting", caption: "Loading the video…" };
}

function fetching({ part, percent, skipInS }: Waiting): string {
  const end = part.date === null ? null : part.date + part.duration * 1000;
  const span = `${clock(part.start, part.date)}–${clock(part.start + part.duration, end)}`;
  if (percent !== null) return `Fetching ${span} from other nodes: ${percent} % is here.`;
  return `Nobody in reach has sent ${span} yet. The player asks on, and skips it in ${skipInS} s.`;
}

function waiting(caption: string): Status {
  return { state: "waiting", caption };
}

function playing(now: Snapshot): string {
  const what = now.picture ? "Playing" : "Playing sound only";
  if (now.playlistEnded) return `${what}. The broadcast has ended.`;
  if (now.behind === null || !Number.isFinite(now.behind)) return what;
  const seconds = Math.max(0, Math.round(now.behind));
  return `${what}, about ${seconds < MINUTES_FROM_S ? `${seconds} s` : `${Math.round(seconds / 60)} min`} behind live`;
}
