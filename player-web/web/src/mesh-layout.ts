// Who has a link to whom, laid out: this node in the middle, the others on rings by the number of links to them, each on the side of
// the node through which it is reached. Pure, and the same for the same mesh.

import type { Mesh, MeshLink } from "./mesh-data";
import type { Point } from "./mesh-map";

export interface Layout {
  /** In pixels, in the order of the nodes. */
  points: Point[];
  /** The radius of each ring. */
  rings: number[];
}

/** Farther rings would be too narrow to read: what is beyond stands on the last one. */
const MAX_RINGS = 8;

interface Branch {
  node: number;
  children: Branch[];
  /** Of the room on its ring, what it needs. */
  weight: number;
}

/** For each node those that it has a link to, those first that both ends tell of, and of these the nearest. */
function neighbours({ nodes, links }: Mesh): number[][] {
  const index = new Map(nodes.map(({ feed }, position) => [feed, position]));
  const near: { node: number; link: MeshLink }[][] = nodes.map(() => []);
  for (const link of links) {
    const [a, b] = [index.get(link.a), index.get(link.b)];
    if (a === undefined || b === undefined || a === b) continue;
    near[a]?.push({ node: b, link });
    near[b]?.push({ node: a, link });
  }
  const rank = ({ node, link }: { node: number; link: MeshLink }): number[] => [link.confirmed ? 0 : 1, link.rttMs ?? Infinity, node];
  return near.map((list) => list.sort((one, other) => compare(rank(one), rank(other))).map(({ node }) => node));
}

function compare(one: number[], other: number[]): number {
  const index = one.findIndex((value, at) => value !== other[at]);
  return index < 0 ? 0 : (one[index] ?? 0) < (other[index] ?? 0) ? -1 : 1;
}

/** On which ring each node stands: over so many links it is reached. Nodes to which no link is known stand as far as was told, at most
 * just beyond the others. */
export function depths(mesh: Mesh): number[] {
  const near = neighbours(mesh);
  const depth: (number | undefined)[] = mesh.nodes.map((_, node) => (node === 0 ? 0 : undefined));
  const waiting = [0];
  for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
    for (const next of near[node] ?? []) {
      if (depth[next] !== undefined) continue;
      depth[next] = (depth[node] ?? 0) + 1;
      waiting.push(next);
    }
  }
  const beyond = Math.max(0, ...depth.map((value) => value ?? 0)) + 1;
  return mesh.nodes.map(({ hops }, node) => Math.min(depth[node] ?? Math.max(1, hops ?? beyond), beyond, MAX_RINGS));
}

/** A drawing of this size, with so much left free at its edges. */
export function layOut(mesh: Mesh, size: number, margin: number): Layout {
  const middle = size / 2;
  const depth = depths(mesh);
  const outermost = Math.max(1, ...depth);
  const radius = (ring: number): number => ((middle - margin) * ring) / outermost;
  const near = neighbours(mesh);
  const branches: Branch[] = mesh.nodes.map((_, node) => ({ node, children: [], weight: 1 }));
  // From the outside in, so that each branch knows its weight when it is hung on another.
  const inward = mesh.nodes.map((_, node) => node).sort((one, other) => (depth[other] ?? 0) - (depth[one] ?? 0) || one - other);
  for (const node of inward) {
    const branch = branches[node];
    if (!branch || node === 0) continue;
    const through = near[node]?.find((other) => (depth[other] ?? 0) < (depth[node] ?? 0)) ?? 0;
    const inner = branches[through];
    if (branch.children.length > 0) branch.weight = Math.max(1, branch.children.reduce((sum, child) => sum + child.weight, 0));
    inner?.children.push(branch);
  }
  const points: Point[] = mesh.nodes.map(() => ({ x: middle, y: middle }));
  const place = (branch: Branch, from: number, to: number): void => {
    const all = branch.children.reduce((sum, child) => sum + child.weight, 0);
    let at = from;
    for (const child of branch.children.sort((one, other) => one.node - other.node)) {
      const end = at + ((to - from) * child.weight) / all;
      const angle = (at + end) / 2;
      const out = radius(depth[child.node] ?? 1);
      points[child.node] = { x: middle + out * Math.cos(angle), y: middle + out * Math.sin(angle) };
      place(child, at, end);
      at = end;
    }
  };
  const root = branches[0];
  // From the top on, clockwise.
  if (root) place(root, -Math.PI / 2, (3 * Math.PI) / 2);
  return { points, rings: Array.from({ length: outermost }, (_, ring) => radius(ring + 1)) };
}
