// What the browser remembers of a viewer: volume, mute, and the place in broadcasts that were watched in part. Nothing
// of it leaves the browser. Where it may not remember (a private window, a full disk), it forgets.

/** As much of `localStorage` as is used. */
export type Shelf = Pick<Storage, "getItem" | "setItem">;

const KEY = "meshstream-player";

/** Broadcasts whose places are remembered: about 3 KB. */
const MOST_PLACES = 50;

interface Remembered {
  volume?: number;
  muted?: boolean;
  /** Newest first. */
  places?: [slug: string, seconds: number][];
}

export class Memory {
  /** `shelf` is asked for anew each time: already asking for it throws where it is forbidden. */
  constructor(private readonly shelf: () => Shelf = () => localStorage) {}

  sound(): { volume: number; muted: boolean | undefined } {
    const { volume, muted } = this.read();
    const sane = typeof volume === "number" && volume >= 0 && volume <= 1;
    return { volume: sane ? volume : 1, muted: typeof muted === "boolean" ? muted : undefined };
  }

  setSound(volume: number, muted: boolean): void {
    this.write({ ...this.read(), volume, muted });
  }

  /** Where a broadcast was left. */
  place(slug: string): number | undefined {
    return this.places().find(([known]) => known === slug)?.[1];
  }

  setPlace(slug: string, seconds: number): void {
    const others = this.places().filter(([known]) => known !== slug);
    this.write({ ...this.read(), places: [[slug, Math.floor(seconds)], ...others.slice(0, MOST_PLACES - 1)] });
  }

  forgetPlace(slug: string): void {
    this.write({ ...this.read(), places: this.places().filter(([known]) => known !== slug) });
  }

  private places(): [string, number][] {
    const { places } = this.read();
    if (!Array.isArray(places)) return [];
    const sane = (one: unknown) =>
      Array.isArray(one) && typeof one[0] === "string" && typeof one[1] === "number" && one[1] >= 0;
    return places.filter(sane);
  }

  private read(): Remembered {
    try {
      const value: unknown = JSON.parse(this.shelf().getItem(KEY) ?? "{}");
      return typeof value === "object" && value !== null ? (value as Remembered) : {};
    } catch {
      return {};
    }
  }

  private write(value: Remembered): void {
    try {
      this.shelf().setItem(KEY, JSON.stringify(value));
    } catch {
      // Then it is not remembered.
    }
  }
}
