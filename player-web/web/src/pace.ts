// Whether the way to here carries the video as fast as it is played. Pure.

/** A segment that was loaded. */
export interface Load {
  /** Length of its media. */
  seconds: number;
  /** How long it took, from asking to its last byte. */
  ms: number;
  bytes: number;
}

export interface Slowness {
  /** What the way here carries, and what the video needs, in kbit/s. */
  carriesKbps: number;
  needsKbps: number;
}

/** Loads that are looked at: fewer say little, more are long ago. */
const LOADS = 4;

/** Loads before anything is said: the first of a broadcast is often fetched by the node first. */
const ENOUGH = 2;

export class Pace {
  private loads: Load[] = [];

  handleLoad(load: Load): void {
    if (load.seconds > 0 && load.ms > 0) this.loads = [...this.loads, load].slice(1 - LOADS - 1);
  }

  /** Another rendition, or another place. */
  reset(): void {
    this.loads = [];
  }

  /** How slow it is; undefined while it is fast enough, or nothing is known. */
  slowness(): Slowness | undefined {
    if (this.loads.length < ENOUGH) return undefined;
    const sum = (of: (load: Load) => number) => this.loads.map(of).reduce((all, one) => all + one, 0);
    const [seconds, loading, bits] = [sum((load) => load.seconds), sum(({ ms }) => ms / 1000), sum(({ bytes }) => bytes * 8)];
    if (loading <= seconds) return undefined;
    return { carriesKbps: Math.round(bits / loading / 1000), needsKbps: Math.round(bits / seconds / 1000) };
  }
}
