// The messages of /ws, version 1 (docs/protocol/websocket.md). What arrives is checked here once; texts in it were
// written by strangers and are only ever shown as text. Only `html` may be put into a page: this node made it.

export const VERSION = 1;

export interface Broadcast {
  id: string;
  slug: string;
  title: string;
  publisher: string;
  state: "live" | "ended";
  media_sequence: number | null;
  started_at: number;
  description: string;
}

/** A broadcast that is planned. */
export interface Upcoming {
  id: string;
  slug: string;
  title: string;
  description: string;
  publisher: string;
  own: boolean;
  /** Milliseconds since 1970, by its author's clock. */
  starts_at: number;
}

export interface NodeState {
  name: string;
  /** Other nodes that are connected. */
  peers: number;
  /** Streams that are published to it now. */
  publishing: number;
  storage: { used_percent: number; disk_full: boolean };
}

export interface Post {
  key: string;
  /** Its place in the order of arrival. */
  cursor: number;
  author: { feed: string; name: string | null; image: string | null; own: boolean };
  /** Markdown. */
  text: string;
  /** The text as HTML without anything harmful. */
  html: string;
  /** Milliseconds since 1970, as its author says, never later than now. */
  written_at: number;
  root: string | null;
  /** The slug of the broadcast that it is about. */
  broadcast: string | null;
  replies: number;
  votes: number;
}

/** A peer that brings a broadcast to the node. */
export interface Source {
  peer: string;
  feed: string | null;
  name: string;
  /** Links between nodes on the way to it. */
  hops: number | null;
  /** Its part of all that came of late. */
  percent: number;
  /** Whether it is the publisher's node. */
  publisher: boolean;
}

export interface Statistics {
  broadcast: string;
  viewers: { here: number; all: number };
  served_kbps: number;
  /** How far the newest segment listed on the node is behind the newest announced. */
  behind_live_ms: number | null;
  /** Whether it is published to this node. */
  own: boolean;
  sources: Source[];
}

export type ServerMessage =
  | { type: "hello"; version: number }
  | { type: "directory"; broadcasts: Broadcast[]; upcoming: Upcoming[] }
  | { type: "playlist"; broadcast: string; media_sequence: number | null; ended: boolean; renditions: number }
  | ({ type: "node" } & NodeState)
  | { type: "comment"; broadcast: string; post: Post }
  | { type: "post"; post: Post }
  | { type: "hidden"; key: string }
  | { type: "missed" }
  | ({ type: "statistics" } & Statistics)
  | { type: "error"; message: string; versions?: number[] };

export type ClientMessage =
  | { type: "subscribe"; broadcast: string; playing?: boolean }
  | { type: "unsubscribe"; broadcast: string }
  | { type: "timeline" };

/** Reads a message; undefined where it is of a type unknown here, or not a message at all. */
export function parseServerMessage(text: string): ServerMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  switch (value.type) {
    case "hello":
      return typeof value.version === "number" ? { type: "hello", version: value.version } : undefined;
    case "directory":
      return Array.isArray(value.broadcasts)
        ? {
            type: "directory",
            broadcasts: value.broadcasts.filter(isBroadcast),
            upcoming: Array.isArray(value.upcoming) ? value.upcoming.filter(isUpcoming) : [],
          }
        : undefined;
    case "playlist":
      return typeof value.broadcast === "string" && isSequence(value.media_sequence) && typeof value.ended === "boolean"
        ? {
            type: "playlist",
            broadcast: value.broadcast,
            media_sequence: value.media_sequence,
            ended: value.ended,
            renditions: typeof value.renditions === "number" ? value.renditions : 0,
          }
        : undefined;
    case "node":
      return isNodeState(value)
        ? { type: "node", name: value.name, peers: value.peers, publishing: value.publishing, storage: value.storage }
        : undefined;
    case "comment":
      return typeof value.broadcast === "string" && isPost(value.post)
        ? { type: "comment", broadcast: value.broadcast, post: value.post }
        : undefined;
    case "post":
      return isPost(value.post) ? { type: "post", post: value.post } : undefined;
    case "statistics":
      return isStatistics(value) ? { ...value, type: "statistics", sources: value.sources.filter(isSource) } : undefined;
    case "hidden":
      return typeof value.key === "string" ? { type: "hidden", key: value.key } : undefined;
    case "missed":
      return { type: "missed" };
    case "error":
      if (typeof value.message !== "string") return undefined;
      return Array.isArray(value.versions)
        ? { type: "error", message: value.message, versions: value.versions.filter((one) => typeof one === "number") }
        : { type: "error", message: value.message };
    default:
      return undefined;
  }
}

export function encodeClientMessage(message: ClientMessage): string {
  return JSON.stringify(message);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isSequence(value: unknown): value is number | null {
  return value === null || typeof value === "number";
}

function isUpcoming(value: unknown): value is Upcoming {
  return (
    isObject(value) &&
    typeof value.id === "string" &&
    typeof value.slug === "string" &&
    /^[A-Za-z0-9_-]{43}$/.test(value.slug) &&
    typeof value.title === "string" &&
    typeof value.description === "string" &&
    typeof value.publisher === "string" &&
    typeof value.own === "boolean" &&
    typeof value.starts_at === "number"
  );
}

function isNodeState(value: object): value is NodeState {
  const state = value as Record<string, unknown>;
  return (
    typeof state.name === "string" &&
    typeof state.peers === "number" &&
    typeof state.publishing === "number" &&
    isObject(state.storage) &&
    typeof state.storage.used_percent === "number" &&
    typeof state.storage.disk_full === "boolean"
  );
}

function isStatistics(value: object): value is Statistics {
  const statistics = value as Record<string, unknown>;
  return (
    typeof statistics.broadcast === "string" &&
    isObject(statistics.viewers) &&
    typeof statistics.viewers.here === "number" &&
    typeof statistics.viewers.all === "number" &&
    typeof statistics.served_kbps === "number" &&
    isSequence(statistics.behind_live_ms) &&
    typeof statistics.own === "boolean" &&
    Array.isArray(statistics.sources)
  );
}

function isSource(value: unknown): value is Source {
  return (
    isObject(value) &&
    typeof value.peer === "string" &&
    isText(value.feed) &&
    typeof value.name === "string" &&
    isSequence(value.hops) &&
    typeof value.percent === "number" &&
    typeof value.publisher === "boolean"
  );
}

function isText(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function isPost(value: unknown): value is Post {
  return (
    isObject(value) &&
    isObject(value.author) &&
    typeof value.author.feed === "string" &&
    isText(value.author.name) &&
    isText(value.author.image) &&
    typeof value.author.own === "boolean" &&
    typeof value.key === "string" &&
    typeof value.text === "string" &&
    typeof value.html === "string" &&
    isText(value.root) &&
    isText(value.broadcast) &&
    [value.cursor, value.written_at, value.replies, value.votes].every((number) => typeof number === "number")
  );
}

function isBroadcast(value: unknown): value is Broadcast {
  return (
    isObject(value) &&
    typeof value.id === "string" &&
    typeof value.slug === "string" &&
    /^[A-Za-z0-9_-]{43}$/.test(value.slug) &&
    typeof value.title === "string" &&
    typeof value.publisher === "string" &&
    (value.state === "live" || value.state === "ended") &&
    isSequence(value.media_sequence) &&
    typeof value.started_at === "number" &&
    typeof value.description === "string"
  );
}
