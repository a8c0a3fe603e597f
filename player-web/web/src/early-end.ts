// Whether what the browser calls the end is one: WebKitGTK takes its position for it now and then. Pure.

/** What ends by so much before the broadcast does has not ended. */
const TOO_SOON_S = 1;

/** Ends at one place after which that is believed: nothing may be left behind it. */
const TRIES = 5;

export class EarlyEnd {
  private at = Number.NEGATIVE_INFINITY;
  private count = 0;

  /** The browser says that what lasts so many seconds ends here. Whether it is to go on. */
  handleEnd(at: number, duration: number): boolean {
    if (Math.abs(at - this.at) > TOO_SOON_S) this.count = 0;
    this.at = at;
    this.count += 1;
    return this.count <= TRIES && duration - at > TOO_SOON_S;
  }
}
