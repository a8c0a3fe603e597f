// What /api/v1/mesh says (docs/protocol/http.md), checked once. Names and versions in it were written by strangers and are only ever
// shown as text; addresses of pages are links of http alone.

import { isObject } from "./protocol";

export interface MeshNode {
  feed: string;
  name: string;
  version: string;
  /** 0 for the node that was asked; undefined where nobody knows. */
  hops: number | undefined;
  location: { latitude: number; longitude: number; altitude: number | undefined } | undefined;
  asked: boolean;
  heardS: number | undefined;
  url: string | undefined;
}

export interface MeshLink {
  a: string;
  b: string;
  over: string;
  rttMs: number | undefined;
  lossPercent: number | undefined;
  confirmed: boolean;
}

/** This node first. */
export interface Mesh {
  nodes: MeshNode[];
  links: MeshLink[];
}

/** How a link is: the class of its line. */
export type Quality = "link-good" | "link-fair" | "link-poor" | "link-unknown";

/** As the tables have it: `Quality::of_link` in `src/graph.rs`. */
export function quality({ lossPercent, rttMs }: Pick<MeshLink, "lossPercent" | "rttMs">): Quality {
  if (lossPercent === undefined && rttMs === undefined) return "link-unknown";
  if ((lossPercent ?? 0) > 10) return "link-poor";
  return (lossPercent ?? 0) > 2 || (rttMs ?? 0) > 150 ? "link-fair" : "link-good";
}

/** What a node is called: by its name, or the beginning of its feed. */
export function called(node: MeshNode): string {
  return node.name.trim() || `${node.feed.slice(0, 9)}…`;
}

function number(value: unknown, least: number, most: number): number | undefined {
  return typeof value === "number" && value >= least && value <= most ? value : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function readNode(value: unknown): MeshNode | undefined {
  if (!isObject(value) || typeof value.feed !== "string") return undefined;
  const place = isObject(value.location) ? value.location : {};
  const latitude = number(place.latitude, -90, 90);
  const longitude = number(place.longitude, -180, 180);
  const url = text(value.url);
  return {
    feed: value.feed,
    name: text(value.name),
    version: text(value.version),
    hops: number(value.hops, 0, 0xffff_ffff),
    location: latitude === undefined || longitude === undefined ? undefined : { latitude, longitude, altitude: number(place.altitude_m, -11_000, 100_000) },
    asked: value.asked === true,
    heardS: number(value.heard_s, 0, Number.MAX_SAFE_INTEGER),
    url: /^http:\/\/[0-9a-f.:[\]]+\/$/.test(url) ? url : undefined,
  };
}

function readLink(value: unknown): MeshLink | undefined {
  if (!isObject(value) || typeof value.a !== "string" || typeof value.b !== "string") return undefined;
  const { a, b } = value;
  const rttMs = number(value.rtt_ms, 0, 60_000);
  return { a, b, over: text(value.over), rttMs, lossPercent: number(value.loss_percent, 0, 100), confirmed: value.confirmed === true };
}

/** The mesh, or undefined where that is none. Links between others than its nodes are left out. */
export function readMesh(value: unknown): Mesh | undefined {
  if (!isObject(value) || !Array.isArray(value.nodes) || !Array.isArray(value.links)) return undefined;
  const nodes = value.nodes.map(readNode).filter((node): node is MeshNode => node !== undefined);
  const feeds = new Set(nodes.map(({ feed }) => feed));
  const between = (link: MeshLink | undefined): link is MeshLink => link !== undefined && link.a !== link.b && feeds.has(link.a) && feeds.has(link.b);
  return { nodes, links: value.links.map(readLink).filter(between) };
}
