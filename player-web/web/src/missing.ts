// A part of a broadcast that is not on the node yet: how long it is waited for. Pure; time is an argument.

/** A segment of the playlist. */
export interface Part {
  sequence: number;
  /** Seconds on the time line of the player. */
  start: number;
  duration: number;
  /** Milliseconds since 1970 at its beginning, where known. */
  date: number | null;
}

/** What the node says of its fetch. */
export interface Progress {
  bytes: number;
  total_bytes: number;
  quiet_ms: number;
}

export interface Waiting {
  part: Part;
  /** How much of it is here; null where nothing came. */
  percent: number | null;
  /** Seconds until it is passed over; null while it is coming. */
  skipInS: number | null;
}

/** How long a part is waited for of which nothing comes. */
const PATIENCE_MS = 30_000;
/** Likewise the one after a part that was passed over: who had neither is the same. */
const NEXT_PATIENCE_MS = 5_000;
/** A fetch of which nothing came for so long counts as none. */
const QUIET_MS = 10_000;

export class Missing {
  private part: Part | undefined;
  private percent: number | null = null;
  private giveUpAt = 0;
  private skipped: number | undefined;

  /** The node answered that it has no such part yet. */
  handleNotYet(part: Part, nowMs: number): void {
    if (this.part?.sequence === part.sequence) return;
    const next = this.skipped !== undefined && part.sequence === this.skipped + 1;
    this.part = part;
    this.percent = null;
    this.giveUpAt = nowMs + (next ? NEXT_PATIENCE_MS : PATIENCE_MS);
  }

  /** The node said how far it is with a part; null where nothing comes. */
  handleProgress(sequence: number, progress: Progress | null, nowMs: number): void {
    if (this.part?.sequence !== sequence) return;
    const coming = progress !== null && progress.bytes > 0 && progress.quiet_ms < QUIET_MS;
    this.percent = coming ? Math.min(99, Math.floor((100 * progress.bytes) / Math.max(1, progress.total_bytes))) : null;
    if (coming) this.giveUpAt = nowMs + PATIENCE_MS;
  }

  /** The viewer wants another part. */
  handleSought(): void {
    this.part = undefined;
  }

  /** A part arrived. */
  handleArrived(): void {
    this.part = undefined;
    this.skipped = undefined;
  }

  /** The part that is waited for. */
  waiting(nowMs: number): Waiting | undefined {
    if (!this.part) return undefined;
    const left = Math.max(0, Math.ceil((this.giveUpAt - nowMs) / 1000));
    return { part: this.part, percent: this.percent, skipInS: this.percent === null ? left : null };
  }

  /** The part to pass over now, once: because its time is up, or the viewer does not want to wait. */
  skip(nowMs: number, atOnce = false): Part | undefined {
    const { part } = this;
    if (!part || (!atOnce && (this.percent !== null || nowMs < this.giveUpAt))) return undefined;
    this.skipped = part.sequence;
    this.part = undefined;
    return part;
  }
}
