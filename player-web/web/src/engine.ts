// What plays: hls.js over Media Source Extensions, or the browser itself.

import type { Level } from "./levels";
import type { Part } from "./missing";
import type { Load } from "./pace";

export interface EngineEvents {
  /** A playlist was loaded. */
  playlist(ended: boolean): void;
  /** The node answered that there is nothing yet (503); of which part, where it is not the playlist. */
  notYet(part?: Part): void;
  /** A part was loaded; how fast, where that is known. */
  arrived(load?: Load): void;
  /** Other renditions are known, or other captions. */
  choices(): void;
  /** The browser cannot play what this is. It is tried again all the same: another format may follow. */
  unplayable(): void;
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
  /** It says which part it waits for; else the node is asked what is there. */
  readonly tellsParts: boolean;
  /** The segment that is played, and where on the player's time line it begins, where known. */
  segment(): { sequence: number; start: number } | null;
  /** Milliseconds since 1970 of what is shown, where known. */
  date(): number | null;
  /** The renditions there are; none where the browser chooses by itself. */
  levels(): readonly Level[];
  /** The rendition that was chosen; undefined where it follows the link's speed. */
  level(): number | undefined;
  chooseLevel(level: number | undefined): void;
  /** Goes on behind a part. */
  skip(part: Part): void;
  /** Seconds behind the live edge, where known. */
  behind(): number | null;
  /** Seconds listed beyond the position. */
  ahead(): number;
  /** Seconds to have ahead before playing on at the live edge; 0 where the browser sees to that itself. */
  reserve(): number;
  /** What is to be shown now is listed as lost, or what was to be shown in the seconds before. */
  passesGap(seconds: number): boolean;
  /** It is known that there is no sound to hear. */
  silent(): boolean;
  /** Sound alone is played because no picture can be brought. */
  lacksPicture(): boolean;
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
