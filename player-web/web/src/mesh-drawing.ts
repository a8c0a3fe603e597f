// Draws the mesh: a map of the nodes that say where they stand, and who has a link to whom. What the drawings show, the tables of the
// page say.

import { called, type Mesh, quality } from "./mesh-data";
import { placeLabels } from "./mesh-labels";
import { layOut } from "./mesh-layout";
import { type Point, project } from "./mesh-map";
import { makeSvg, refill } from "./player-dom";
import type { Texts } from "./texts";

/** A spot is this large, of many on a phone smaller, and easy to hit with a finger. */
const RADIUS = 8;
const SMALL_RADIUS = 5.5;
const FEW = 12;
const NARROW = 480;
const REACH = 20;
/** All of a drawing is seen at once on a laptop. */
const MOST_HEIGHT = 560;
/** Left free for names. */
const MARGIN = 36;
/** Up to so many links have their round trip written on them. */
const MOST_MEASURED = 16;

export interface Drawing {
  mesh: Mesh;
  chosen: string | undefined;
  /** A spot was pressed. */
  choose: (feed: string) => void;
  t: Texts;
}

const fixed = (value: number): string => value.toFixed(1);

/** A drawing in a place of the page, as wide as that is. */
function frame(width: number, height: number, title: string): { svg: SVGElement; body: SVGElement } {
  const svg = makeSvg("svg", { class: "graph", viewBox: `0 0 ${width} ${height}`, role: "img" });
  const body = makeSvg("g", { "aria-hidden": "true" });
  const name = makeSvg("title", {});
  name.textContent = title;
  svg.append(name, body);
  return { svg, body };
}

function write(text: string, attributes: Record<string, string>): SVGElement {
  const made = makeSvg("text", attributes);
  made.textContent = text;
  return made;
}

/** Links, then spots, then names over them. `shown` are the nodes of the drawing, by their index in the mesh. */
function drawNodes(body: SVGElement, { mesh, chosen, choose }: Drawing, shown: number[], points: Point[], width: number, height: number): void {
  const radius = width < NARROW && shown.length > FEW ? SMALL_RADIUS : RADIUS;
  const at = new Map(shown.map((node, index) => [mesh.nodes[node]?.feed ?? "", points[index]]));
  const links = mesh.links.filter(({ a, b }) => at.has(a) && at.has(b));
  for (const link of links) {
    const [from, to] = [at.get(link.a), at.get(link.b)];
    if (!from || !to) continue;
    const touched = chosen === link.a || chosen === link.b;
    const kind = `link ${quality(link)}${link.confirmed ? "" : " told"}${touched ? " touched" : ""}`;
    body.append(makeSvg("line", { class: kind, x1: fixed(from.x), y1: fixed(from.y), x2: fixed(to.x), y2: fixed(to.y) }));
    if (link.rttMs !== undefined && (touched || links.length <= MOST_MEASURED)) {
      const middle = { x: fixed((from.x + to.x) / 2), y: fixed((from.y + to.y) / 2) };
      body.append(write(`${link.rttMs} ms`, { class: "rtt", ...middle }));
    }
  }
  shown.forEach((index, order) => {
    const [node, point] = [mesh.nodes[index], points[order]];
    if (!node || !point) return;
    const place = { cx: fixed(point.x), cy: fixed(point.y) };
    const own = index === 0;
    const kind = own ? "spot own" : node.asked ? "spot asked" : "spot far";
    if (node.feed === chosen) body.append(makeSvg("circle", { class: "halo", r: String(radius + 5), ...place }));
    body.append(makeSvg("circle", { class: kind, r: String(own ? radius + 3 : radius), ...place }));
    const reach = makeSvg("circle", { class: "reach", r: String(REACH), ...place });
    reach.addEventListener("click", () => choose(node.feed));
    body.append(reach);
  });
  const names = shown.map((index) => (mesh.nodes[index] ? called(mesh.nodes[index]) : ""));
  const isChosen = (index: number): number => (mesh.nodes[shown[index] ?? 0]?.feed === chosen ? 0 : 1);
  // The one that is chosen has a right to its name, then the nearest.
  const order = shown.map((_, index) => index).sort((one, other) => isChosen(one) - isChosen(other) || one - other);
  for (const label of placeLabels(names, points, order, width, height, radius + 2)) {
    body.append(write(label.text, { x: fixed(label.x), y: fixed(label.y) }));
  }
}

/** Metres, in words. */
export function distance(metres: number): string {
  return metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
}

/** The map; false where no node says where it stands. */
export function drawMap(place: HTMLElement, drawing: Drawing): boolean {
  const { mesh, t } = drawing;
  const located = mesh.nodes.flatMap(({ location }, index) => (location ? [{ index, location }] : []));
  if (located.length === 0) {
    refill(place);
    return false;
  }
  const { width, height } = size(place);
  const { points, bar } = project(located.map(({ location }) => location), width, height, MARGIN);
  const { svg, body } = frame(width, height, t.get("mesh-map-title"));
  drawNodes(body, drawing, located.map(({ index }) => index), points, width, height);
  const foot = height - 14;
  body.append(
    makeSvg("path", { class: "scale-bar", d: `M14 ${foot - 5}v5h${fixed(bar.pixels)}v-5` }),
    write(distance(bar.metres), { class: "scale", x: fixed(14 + bar.pixels / 2), y: String(foot - 8) }),
    makeSvg("path", { class: "north", d: `M${width - 22} 34l6 -22 6 22 -6 -5z` }),
    write(t.get("mesh-north"), { class: "scale", x: String(width - 16), y: "48" }),
  );
  refill(place, svg);
  return true;
}

/** Who has a link to whom. */
export function drawTopology(place: HTMLElement, drawing: Drawing): void {
  const { width, height } = size(place);
  const { svg, body } = frame(width, height, drawing.t.get("mesh-topology-title"));
  const side = Math.min(width, height);
  const { points, rings } = layOut(drawing.mesh, side, MARGIN);
  const aside = { x: (width - side) / 2, y: (height - side) / 2 };
  for (const radius of rings) {
    body.append(makeSvg("circle", { class: "ring", cx: fixed(width / 2), cy: fixed(height / 2), r: fixed(radius) }));
  }
  const moved = points.map(({ x, y }) => ({ x: x + aside.x, y: y + aside.y }));
  drawNodes(body, drawing, drawing.mesh.nodes.map((_, index) => index), moved, width, height);
  refill(place, svg);
}

/** As wide as its place and about as high, so that letters are as large as elsewhere on the page. */
function size(place: HTMLElement): { width: number; height: number } {
  const width = Math.max(280, Math.round(place.clientWidth));
  return { width, height: Math.min(width, MOST_HEIGHT) };
}
