// Tells when a page is looked at again after it slept: a phone that was in a pocket, a laptop that was closed, a network
// that came back. Timers do not run meanwhile, or rarely, so what they would have done is due at once.

/** How often the clock is looked at. */
const TICK_MS = 5_000;

/** A tick that is so much late means that the page was asleep. */
const LATE_MS = 20_000;

export interface Surroundings {
  document: Pick<Document, "addEventListener" | "removeEventListener" | "visibilityState">;
  window: Pick<Window, "addEventListener" | "removeEventListener">;
  now(): number;
}

export class Wake {
  private lastTick: number;
  private hiddenAt: number | undefined;
  private readonly timer: ReturnType<typeof setInterval>;
  private readonly onVisibility = () => {
    if (this.around.document.visibilityState === "hidden") this.hiddenAt ??= this.around.now();
    else this.look();
  };
  private readonly onAny = () => this.look();

  /** Calls `woke` with how long it slept, in milliseconds; 0 where only the network or the page came back. */
  constructor(
    private readonly woke: (sleptMs: number) => void,
    private readonly around: Surroundings = { document, window, now: () => Date.now() },
  ) {
    this.lastTick = around.now();
    this.timer = setInterval(() => this.tick(), TICK_MS);
    around.document.addEventListener("visibilitychange", this.onVisibility);
    around.document.addEventListener("resume", this.onAny);
    around.window.addEventListener("pageshow", this.onAny);
    around.window.addEventListener("online", this.onAny);
  }

  private tick(): void {
    const late = this.around.now() - this.lastTick > TICK_MS + LATE_MS;
    if (late && this.around.document.visibilityState !== "hidden") this.look();
    this.lastTick = this.around.now();
  }

  private look(): void {
    const now = this.around.now();
    const since = Math.min(this.hiddenAt ?? now, this.lastTick + TICK_MS);
    this.hiddenAt = undefined;
    this.lastTick = now;
    this.woke(Math.max(0, now - since));
  }

  stop(): void {
    clearInterval(this.timer);
    this.around.document.removeEventListener("visibilitychange", this.onVisibility);
    this.around.document.removeEventListener("resume", this.onAny);
    this.around.window.removeEventListener("pageshow", this.onAny);
    this.around.window.removeEventListener("online", this.onAny);
  }
}
