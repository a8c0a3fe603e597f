// The script of /mesh: draws the mesh, keeps the drawings as the node knows it while they are seen, and tells what is known of a node
// that is chosen.

import { called, type Mesh, type MeshLink, type MeshNode, readMesh } from "./mesh-data";
import { drawMap, drawTopology } from "./mesh-drawing";
import { refill, setOptions } from "./player-dom";
import { Texts } from "./texts";

/** While the page is seen the node is asked this often; the first time sooner, for it has just begun to ask others. */
const EVERY_MS = 15_000;
const FIRST_MS = 4_000;

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${id}`);
  return found;
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

/** A name of another one's choice: in whatever direction it runs, the rest of the line stays as it is. */
const isolated = (text: string): HTMLElement => make("bdi", text);

class MeshPage {
  private mesh: Mesh | undefined;
  private chosen: string | undefined;
  private readonly map = element("map", HTMLElement);
  private readonly topology = element("topology", HTMLElement);
  private readonly choices = element("chosen", HTMLSelectElement);
  private readonly facts = element("facts", HTMLElement);

  constructor(private readonly t: Texts) {
    this.choices.addEventListener("change", () => this.choose(this.choices.value));
    addEventListener("resize", () => this.draw());
    document.addEventListener("visibilitychange", () => void this.look());
    void this.follow();
  }

  private async follow(): Promise<void> {
    await this.look();
    await new Promise((resolve) => setTimeout(resolve, FIRST_MS));
    void this.look();
    setInterval(() => void this.look(), EVERY_MS);
  }

  /** Asks the node, unless nobody sees the page. */
  private async look(): Promise<void> {
    if (document.hidden) return;
    const response = await fetch("/api/v1/mesh").catch(() => undefined);
    const value: unknown = response?.ok ? await response.json().catch(() => undefined) : undefined;
    const mesh = readMesh(value);
    // What was known is better than nothing.
    if (!mesh || JSON.stringify(mesh) === JSON.stringify(this.mesh)) return;
    this.mesh = mesh;
    element("mesh", HTMLElement).hidden = false;
    element("choice", HTMLElement).hidden = false;
    this.list();
    this.draw();
    this.tell();
  }

  private choose(feed: string): void {
    this.chosen = feed || undefined;
    this.choices.value = feed;
    this.draw();
    this.tell();
  }

  private list(): void {
    const nodes = this.mesh?.nodes ?? [];
    const options = nodes.map((node) => ({ value: node.feed, text: called(node) }));
    setOptions(this.choices, [{ value: "", text: this.t.get("mesh-choose-none") }, ...options], this.chosen ?? "");
    this.chosen = this.choices.value || undefined;
  }

  private draw(): void {
    if (!this.mesh) return;
    const drawing = { mesh: this.mesh, chosen: this.chosen, choose: (feed: string) => this.choose(feed), t: this.t };
    element("map-hint", HTMLElement).hidden = drawMap(this.map, drawing);
    drawTopology(this.topology, drawing);
  }

  /** Writes what is known of the chosen node; only where it differs, or a screen reader would repeat it. */
  private tell(): void {
    const node = this.mesh?.nodes.find(({ feed }) => feed === this.chosen);
    const told = node ? this.about(node) : [];
    const now = make("div", ...told);
    if (now.innerHTML !== this.facts.innerHTML) refill(this.facts, ...told);
  }

  private about(node: MeshNode): HTMLElement[] {
    const { t } = this;
    const list = make("dl");
    list.className = "facts";
    const fact = (name: string, ...value: (Node | string)[]): void => list.append(make("dt", name), make("dd", ...value));
    if (node.hops !== undefined) fact(t.get("column-hops"), node.hops === 0 ? t.get("mesh-this-node") : String(node.hops));
    if (node.location) {
      const { latitude, longitude, altitude } = node.location;
      const place = make("span", `${latitude.toFixed(5)}, ${longitude.toFixed(5)}${altitude === undefined ? "" : `, ${altitude} m`}`);
      place.dir = "ltr";
      fact(t.get("column-place"), place);
    }
    if (node.version) fact(t.get("identity-version"), isolated(node.version));
    if (node.heardS !== undefined && node.hops !== 0) fact(t.get("column-heard"), t.get("minutes-ago", { minutes: Math.floor(node.heardS / 60) }));
    const links = (this.mesh?.links ?? []).flatMap((link) => this.link(link, node.feed));
    if (links.length > 0) fact(t.get("mesh-links-heading"), ...links);
    fact(t.get("column-feed"), make("code", node.feed));
    const heading = make("h2", isolated(called(node)));
    const parts: HTMLElement[] = [heading, list];
    if (!node.asked) parts.push(make("p", t.get("mesh-not-asked")));
    if (node.url) {
      const pages = make("a", t.get("mesh-pages"));
      pages.className = "button";
      pages.href = node.url;
      parts.push(make("p", pages));
    }
    return parts;
  }

  /** A line about a link, where it is one of this node. */
  private link(link: MeshLink, feed: string): HTMLElement[] {
    if (link.a !== feed && link.b !== feed) return [];
    const other = this.mesh?.nodes.find((node) => node.feed === (link.a === feed ? link.b : link.a));
    if (!other) return [];
    const measured = [
      link.rttMs === undefined ? "" : `${link.rttMs} ms`,
      link.lossPercent === undefined ? "" : `${this.t.get("column-loss")} ${link.lossPercent} %`,
      link.confirmed ? "" : this.t.get("mesh-one-end"),
    ];
    const said = measured.filter((text) => text !== "").join(", ");
    return [make("div", isolated(called(other)), said ? ` (${said})` : "")];
  }
}

void Texts.load().then((t) => new MeshPage(t));
