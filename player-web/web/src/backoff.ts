// How long to wait before the next try: doubling, capped, and jittered so that the phones of a whole room do not
// come back in the same moment.

export class Backoff {
  private failures = 0;

  constructor(
    private readonly firstMs: number,
    private readonly mostMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** Milliseconds until the next try, between half and all of the full delay. */
  next(): number {
    const full = Math.min(this.firstMs * 2 ** Math.min(this.failures, 30), this.mostMs);
    this.failures += 1;
    return full * (0.5 + this.random() / 2);
  }

  /** A try worked. */
  reset(): void {
    this.failures = 0;
  }
}
