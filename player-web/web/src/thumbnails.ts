// Pictures to look through a broadcast with (docs/protocol/http.md): which part of which JPEG shows a moment. The list of them
// is asked for once somebody looks, and again while it grows.

import type { NodeApi } from "./node-api";

/** A part of a JPEG. */
export interface Tile {
  /** The address of the JPEG. */
  sprite: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Cue {
  from: number;
  to: number;
  tile: Tile;
}

/** More than a node sends. Those behind are left out. */
const MOST_CUES = 10_000;

/** The largest side of a JPEG. */
const MOST_PIXELS = 65_535;

/** Between two questions: no segment is shorter by much. */
const AGAIN_MS = 15_000;

/** Reads WebVTT whose cues name parts of JPEGs (Media Fragments URI 1.0 §4.2.2). What is not on the node of
 * `base`, and what is none, is left out. */
export function parseCues(text: string, base: string): Cue[] {
  const cues: Cue[] = [];
  const origin = new URL(base).origin;
  let time: { from: number; to: number } | undefined;
  let named: { uri: string; address: string | undefined } | undefined;
  for (const line of text.split(/\r\n|\r|\n/)) {
    if (line.includes("-->")) {
      time = span(line);
      continue;
    }
    const part = time && /^(.+)#xywh=(?:pixel:)?(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})$/.exec(line.trim());
    if (!time || !part) continue;
    const [, uri = "", ...numbers] = part;
    if (named?.uri !== uri) named = { uri, address: resolve(uri, base, origin) };
    const [x = 0, y = 0, width = 0, height = 0] = numbers.map(Number);
    const { from, to } = time;
    const fits = width > 0 && height > 0 && Math.max(x + width, y + height) <= MOST_PIXELS;
    const follows = from >= (cues[cues.length - 1]?.from ?? 0);
    if (named.address && fits && follows) cues.push({ from, to, tile: { sprite: named.address, x, y, width, height } });
    time = undefined;
    if (cues.length >= MOST_CUES) break;
  }
  return cues;
}

/** The tile that shows a moment. */
export function tileAt(cues: readonly Cue[], at: number): Tile | undefined {
  let [low, high] = [0, cues.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cues[middle] as Cue).from <= at) low = middle + 1;
    else high = middle;
  }
  const cue = cues[low - 1];
  return cue && at < cue.to ? cue.tile : undefined;
}

function span(line: string): { from: number; to: number } | undefined {
  const [from, to] = line.split("-->").map((text) => seconds(text.trim().split(/\s/, 1)[0] ?? ""));
  return from !== undefined && to !== undefined && from < to ? { from, to } : undefined;
}

function seconds(text: string): number | undefined {
  const parts = /^(?:(\d{2,6}):)?([0-5]\d):([0-5]\d\.\d{3})$/.exec(text);
  return parts ? Number(parts[1] ?? 0) * 3600 + Number(parts[2]) * 60 + Number(parts[3]) : undefined;
}

function resolve(uri: string, base: string, origin: string): string | undefined {
  try {
    const url = new URL(uri, base);
    return url.origin === origin && url.pathname.endsWith(".jpg") ? url.href : undefined;
  } catch {
    return undefined;
  }
}

type Api = Pick<NodeApi, "facts" | "cues">;

export class Thumbnails {
  private cues: readonly Cue[] = [];
  private readonly aborting = new AbortController();
  private asking = false;
  private askedAt = Number.NEGATIVE_INFINITY;
  /** The broadcast had ended when they were asked for: there will be no more. */
  private complete = false;
  /** Told when there are others. */
  changed: () => void = () => {};

  /** `known` where the page says that there are some. */
  constructor(
    private readonly api: Api,
    private known: boolean,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** What shows a moment, as far as is known by now. */
  at(seconds: number, ended: boolean): Tile | undefined {
    if (!this.complete && !this.asking && this.now() - this.askedAt >= AGAIN_MS) void this.ask(ended);
    return tileAt(this.cues, seconds);
  }

  private async ask(ended: boolean): Promise<void> {
    this.asking = true;
    this.askedAt = this.now();
    const { signal } = this.aborting;
    this.known = this.known || ((await this.api.facts())?.pictures ?? false);
    const found = this.known && !signal.aborted ? await this.api.cues(signal) : undefined;
    this.asking = false;
    if (!found || signal.aborted) return;
    this.cues = parseCues(found.text, found.address);
    this.complete = ended;
    this.changed();
  }

  stop(): void {
    this.aborting.abort();
  }
}
