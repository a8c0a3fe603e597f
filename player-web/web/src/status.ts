// What the player says of itself. Pure: what is known goes in, a state and its caption come out.

import type { Waiting } from "./missing";
import { clock } from "./moment";
import type { Slowness } from "./pace";
import type { Texts } from "./texts";

export type PlayerState =
  | "connecting"
  | "waiting"
  | "playing"
  | "paused"
  | "catching-up"
  | "gap"
  | "too-slow"
  | "unplayable"
  | "ended";

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
  /** The browser knows no way to play what this is. */
  unplayable: boolean;
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
  /** It is sound alone because no picture can be brought. */
  lacksPicture: boolean;
  /** Seconds behind the live edge, where known. */
  behind: number | null;
  /** The part that the node does not have yet. */
  missing: Waiting | undefined;
  /** What is to be shown now was lost: it is passed over, or was just now. */
  gap: boolean;
  /** The way here is slower than the video. */
  slow: Slowness | undefined;
  /** A rendition that needs less can be chosen. */
  lighter: boolean;
}

export interface Status {
  state: PlayerState;
  caption: string;
}

/** Less than this listed ahead means that the publisher is what is waited for, not the network. */
export const NOTHING_AHEAD_S = 1;

/** From here on minutes are told, not seconds. */
const MINUTES_FROM_S = 180;

export function describe(now: Snapshot, t: Texts): Status {
  const say = (state: PlayerState, caption: string): Status => ({ state, caption });
  if (now.videoEnded && now.playlistEnded) return say("ended", t.get("player-ended"));
  if (now.blocked) return say("paused", t.get("player-ready"));
  if (now.paused && now.started) return say("paused", t.get("player-paused"));
  if (now.started && !now.stalled) return now.gap ? say("gap", t.get("player-gap")) : say("playing", playing(now, t));
  if (now.unreachable) return say(now.started ? "catching-up" : "connecting", t.get("player-unreachable"));
  if (now.unplayable) return say("unplayable", t.get("player-unplayable"));
  if (now.missing) return say("waiting", fetching(now.missing, t));
  if (now.notYet && now.hasPlaylist) return say("waiting", t.get("player-not-here-yet"));
  if (now.notYet) return say("waiting", t.get("player-waiting-to-start"));
  if (!now.hasPlaylist) return say("connecting", t.get("player-connecting"));
  if (now.started && !now.playlistEnded && now.ahead < NOTHING_AHEAD_S) return say("waiting", t.get("player-waiting-to-go-on"));
  if (now.gap) return say("gap", t.get("player-gap"));
  if (now.started && now.slow) return say("too-slow", tooSlow(now.slow, now.lighter, t));
  if (now.started && now.held) return say("catching-up", t.get("player-held"));
  if (now.started) return say("catching-up", t.get("player-catching-up"));
  return say("connecting", t.get("player-starting"));
}

function tooSlow({ carriesKbps, needsKbps }: Slowness, lighter: boolean, t: Texts): string {
  const rates = { carries: carriesKbps, needs: needsKbps };
  return lighter ? t.get("player-too-slow-choose", rates) : t.get("player-too-slow", rates);
}

function fetching({ part, percent, skipInS }: Waiting, t: Texts): string {
  const end = part.date === null ? null : part.date + part.duration * 1000;
  const span = `${clock(part.start, part.date)}–${clock(part.start + part.duration, end)}`;
  if (percent !== null) return t.get("player-fetching", { span, percent });
  return t.get("player-nobody-has", { span, seconds: skipInS ?? 0 });
}

function playing(now: Snapshot, t: Texts): string {
  if (now.lacksPicture) return t.get("player-sound-link");
  if (now.playlistEnded) return now.picture ? t.get("player-playing-ended") : t.get("player-sound-ended");
  if (now.behind === null || !Number.isFinite(now.behind)) return now.picture ? t.get("player-playing") : t.get("player-sound");
  const seconds = Math.max(0, Math.round(now.behind));
  if (seconds < MINUTES_FROM_S) {
    return now.picture ? t.get("player-playing-seconds", { seconds }) : t.get("player-sound-seconds", { seconds });
  }
  const minutes = Math.round(seconds / 60);
  return now.picture ? t.get("player-playing-minutes", { minutes }) : t.get("player-sound-minutes", { minutes });
}
