// What plays: hls.js over Media Source Extensions, or the browser itself.

import type { Part } from "./missing";

export interface EngineEvents {
  /** A playlist was loaded. */
  playlist(ended: boolean): void;
  /** The node answered that there is nothing yet (503); of which part, where it is not the playlist. */
  notYet(part?: Part): void;
  /** A part was loaded. */
  arrived(): void;
  /** The node did not answer, or not sensibly. */
  unreachable(): void;
}

/** What is played. */
export interface Source {
  url: string;
  /** Where to begin, in seconds; where it is left out, at the live edge. */
  startAt?: number;
}

export interface Engine {
  /** The segment that is played, and where on the player's time line it begins, where known. */
  segment(): { sequence: number; start: number } | null;
  /** Goes on behind a part. */
  skip(part: Part): void;
  /** Seconds behind the live edge, where known. */
  behind(): number | null;
  /** Seconds listed beyond the position. */
  ahead(): number;
  /** Seconds to have ahead before playing on at the live edge; 0 where the browser sees to that itself. */
  reserve(): number;
  /** It is known that there is no sound to hear. */
  silent(): boolean;
  /** The live playlist has changed, or the node is heard again: load it now. */
  refresh(): void;
  /** Begins anew, after nothing moved for too long. */
  restart(): void;
  destroy(): void;
}

/** Seconds that a `Retry-After` header asks for, within reason; undefined where it says nothing. */
export function retryAfterMs(header: string | null | undefined): number | undefined {
  const seconds = Number.parseInt(header ?? "", 10);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(Math.max(seconds, 0.5), 30) * 1000 : undefined;
}
