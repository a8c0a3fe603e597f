// Whether to hold the picture until enough is in hand again. Pure.
//
// A player that has run dry at the live edge and goes on with the first new segment has nothing in hand: it would run
// dry again with each segment that is a little late. So it stands still for one segment longer.

export interface Supply {
  /** More is to come. */
  live: boolean;
  /** The browser has nothing to play next. */
  starved: boolean;
  /** Seconds listed beyond the position. */
  ahead: number;
  /** Seconds that should be in hand to play on smoothly; 0 where the browser sees to that itself. */
  wanted: number;
}

/** What a sum of durations may be short of. */
const TOLERANCE_S = 0.5;

/** How many times `wanted` to hold at most from when there is something to play: a source that is that slow is better
 * shown in pieces than not. */
const PATIENCE = 2;

export class Reserve {
  private dry = false;
  private arrivedAt: number | undefined;

  /** Whether to hold the picture now. */
  update({ live, starved, ahead, wanted }: Supply, nowMs: number): boolean {
    const enough = !live || ahead >= wanted - TOLERANCE_S;
    this.dry = (this.dry || starved) && !enough;
    if (!this.dry || ahead <= TOLERANCE_S) {
      this.arrivedAt = undefined;
      return this.dry;
    }
    this.arrivedAt ??= nowMs;
    if (nowMs - this.arrivedAt > PATIENCE * wanted * 1000) this.dry = false;
    return this.dry;
  }
}
