// What the player asks of its node besides playlists and media (docs/protocol/http.md).

import { retryAfterMs } from "./engine";
import type { Progress } from "./missing";
import { Course } from "./timeline";

/** What the node says of a segment. */
export interface SegmentPlace {
  from_ms: number;
  held: boolean;
  fetching: Progress | null;
}

/** What the node says of a broadcast. */
export interface BroadcastFacts {
  title: string;
  state: "live" | "ended";
  /** There are pictures to look through it with, and one that stands for it. */
  pictures: boolean;
}

export class NodeApi {
  /** `node` is the node's origin; empty for that of the page. */
  constructor(
    readonly node: string,
    readonly slug: string,
  ) {}

  /** The address of a playlist: live or of the whole, with the renditions or, where there are none, that of the broadcast itself. */
  playlist(name: "main" | "main-whole"): string {
    return `${this.node}/hls/${this.slug}/${name}.m3u8`;
  }

  private get base(): string {
    return `${this.node}/api/v1/broadcasts/${this.slug}`;
  }

  /** What is known of the broadcast; undefined where the node does not answer, null where it knows none. */
  async facts(): Promise<BroadcastFacts | null | undefined> {
    const response = await ask(this.base);
    if (response?.status === 404 || response?.status === 400) return null;
    const value = await json(response);
    const { title, state, thumbnails } = (value ?? {}) as Record<string, unknown>;
    const pictures = typeof thumbnails === "string";
    return typeof title === "string" && (state === "live" || state === "ended") ? { title, state, pictures } : undefined;
  }

  /** The picture that stands for the broadcast, where there are pictures of it. */
  poster(): string {
    return `${this.node}/hls/${this.slug}/poster.jpg`;
  }

  /** Where its pictures are, as WebVTT, and the address that it came from; undefined where the node does not say by now. */
  async cues(signal: AbortSignal): Promise<{ text: string; address: string } | undefined> {
    const address = new URL(`${this.node}/hls/${this.slug}/thumbnails.vtt`, location.href).href;
    const response = await fetch(address, { credentials: "omit", signal }).catch(() => undefined);
    const text = response?.ok ? await response.text().catch(() => undefined) : undefined;
    return text === undefined ? undefined : { text, address };
  }

  /** Where a segment is, by its number or its CID. */
  async place(segment: number | string): Promise<SegmentPlace | undefined> {
    const value = (await json(await ask(`${this.base}/segments/${encodeURIComponent(segment)}`))) as SegmentPlace | undefined;
    return typeof value?.from_ms === "number" ? value : undefined;
  }

  /** The course of the broadcast; or, where there is none yet, when to ask again, if the node says. */
  async course(): Promise<Course | { retryMs: number | undefined }> {
    const response = await ask(`${this.base}/timeline`);
    const course = Course.parse(await json(response));
    return course ?? { retryMs: retryAfterMs(response?.headers.get("Retry-After")) };
  }
}

function ask(address: string): Promise<Response | undefined> {
  return fetch(address, { credentials: "omit" }).catch(() => undefined);
}

async function json(response: Response | undefined): Promise<unknown> {
  return response?.ok ? response.json().catch(() => undefined) : undefined;
}
