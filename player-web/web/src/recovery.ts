// What to do after a fatal error of hls.js. Pure, and never out of ideas: the last step is a new player, and that
// again and again, ever more rarely.

import { Backoff } from "./backoff";

export type Fault = "network" | "media" | "other" | "unplayable";
export type Remedy = { action: "load" | "recover-media" | "recreate"; delayMs: number };

/** A second media fault within this time means that resetting the decoder has not helped. */
const MEDIA_FAULT_WINDOW_MS = 10_000;

/** How often what the browser cannot play is tried again. */
const UNPLAYABLE_MS = 30_000;

export class Recovery {
  private readonly network: Backoff;
  private readonly recreation: Backoff;
  private lastMediaFault = Number.NEGATIVE_INFINITY;

  constructor(random: () => number = Math.random) {
    this.network = new Backoff(1000, 10_000, random);
    this.recreation = new Backoff(1000, 20_000, random);
  }

  handle(fault: Fault, nowMs: number, retryAfterMs?: number): Remedy {
    switch (fault) {
      case "network":
        return { action: "load", delayMs: retryAfterMs ?? this.network.next() };
      case "media": {
        const again = nowMs - this.lastMediaFault < MEDIA_FAULT_WINDOW_MS;
        this.lastMediaFault = nowMs;
        return again
          ? { action: "recreate", delayMs: this.recreation.next() }
          : { action: "recover-media", delayMs: 0 };
      }
      case "unplayable":
        // Only something else that is published can help.
        this.recreation.next();
        return { action: "recreate", delayMs: UNPLAYABLE_MS };
      case "other":
        return { action: "recreate", delayMs: this.recreation.next() };
    }
  }

  /** A playlist or a segment arrived. */
  handleLoaded(): void {
    this.network.reset();
  }

  /** The picture moves. */
  handleProgress(nowMs: number): void {
    if (nowMs - this.lastMediaFault >= MEDIA_FAULT_WINDOW_MS) this.recreation.reset();
  }
}
