// Renditions that come while a broadcast is played. Pure.

/** Tells when to ask anew what there is to choose from. */
export class Offers {
  private heard = 0;
  private asked = 0;

  /** The node tells of so many renditions; the player lists so many to choose from, the original among them. */
  handle(told: number, listed: number): boolean {
    // Those of a broadcast come one after the other: they are asked for together.
    const settled = told === this.heard;
    this.heard = told;
    if (!settled || listed === 0 || told < listed || told <= this.asked) return false;
    this.asked = told;
    return true;
  }
}
