// The elements of the player, made by script so that they are the same on our pages and in the shadow root on others'.

import type { Texts } from "./texts";

export interface PlayerElements {
  root: HTMLElement;
  stage: HTMLElement;
  video: HTMLVideoElement;
  caption: HTMLElement;
  clock: HTMLElement;
  sound: HTMLButtonElement;
  bar: HTMLElement;
  drawing: SVGSVGElement;
  pointed: HTMLElement;
  tile: HTMLElement;
  sprite: HTMLImageElement;
  pointedText: HTMLElement;
  skip: HTMLButtonElement;
  rewind: HTMLButtonElement;
  goLive: HTMLButtonElement;
  days: HTMLSelectElement;
  chapters: HTMLSelectElement;
  renditions: HTMLSelectElement;
  captions: HTMLSelectElement;
  pictureInPicture: HTMLButtonElement;
  copy: HTMLButtonElement;
  address: HTMLAnchorElement;
  moment: HTMLInputElement;
  help: HTMLButtonElement;
  keys: HTMLElement;
}

const SVG = "http://www.w3.org/2000/svg";

type Attributes = Record<string, string>;

/** What buttons show beside their labels, and alone where there is little room: strokes within 24 by 24. */
const ICONS = {
  rewind: "M6 5v14M19 5.5v13L9 12z",
  pictureInPicture: "M3 5h18v14H3zM12.5 12.5h6v4h-6z",
  copy: "M10 14a4 4 0 0 0 5.7 0l3.5-3.5a4 4 0 0 0-5.7-5.7L12.4 6M14 10a4 4 0 0 0-5.7 0l-3.5 3.5a4 4 0 0 0 5.7 5.7l1.1-1.1",
};

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes,
  ...children: Node[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function makeSvg(tag: string, attributes: Attributes): SVGElement {
  const made = document.createElementNS(SVG, tag) as SVGElement;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Makes the player. What is not needed yet is hidden. */
export function makePlayer(): PlayerElements {
  const button = (id: string, more: Attributes = {}) => make("button", { id, type: "button", hidden: "", ...more });
  const select = (id: string) => make("select", { id, class: `menu-${id}`, hidden: "" });
  const drawn = (id: string, icon: string) => {
    const svg = makeSvg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" });
    svg.append(makeSvg("path", { d: icon }));
    return make("button", { id, type: "button", class: "drawn", hidden: "" }, svg, make("span", { class: "label" }));
  };
  const elements = {
    video: make("video", { id: "video", controls: "", playsinline: "", preload: "none" }),
    caption: make("p", { id: "caption", class: "caption", role: "status" }),
    clock: make("span", { id: "clock", class: "clock", dir: "ltr", hidden: "" }),
    sound: button("sound"),
    drawing: makeSvg("svg", { class: "drawing", "aria-hidden": "true", focusable: "false" }) as SVGSVGElement,
    sprite: make("img", { alt: "", hidden: "" }),
    pointedText: make("span", {}),
    skip: button("skip"),
    rewind: drawn("rewind", ICONS.rewind),
    goLive: button("go-live", { class: "to-live" }),
    days: select("days"),
    chapters: select("chapters"),
    renditions: select("renditions"),
    captions: select("captions"),
    pictureInPicture: drawn("picture-in-picture", ICONS.pictureInPicture),
    copy: drawn("copy", ICONS.copy),
    address: make("a", { id: "address", hidden: "" }),
    moment: make("input", { id: "moment", type: "text", readonly: "", hidden: "", dir: "ltr" }),
    help: button("help", { "aria-expanded": "false", "aria-controls": "keys" }),
    keys: make("dl", { id: "keys", class: "keys", hidden: "" }),
  };
  const { drawing, sprite, pointedText } = elements;
  const bar = make("div", { id: "bar", class: "time-line", role: "slider", tabindex: "0", dir: "ltr", hidden: "" }, drawing);
  const tile = make("div", { class: "tile", hidden: "" }, sprite);
  const preview = { id: "pointed", class: "pointed", dir: "ltr", "aria-hidden": "true", hidden: "" };
  // Beside the panel, which may scroll.
  const pointed = make("div", preview, tile, pointedText);
  const stage = make("div", { class: "stage" }, elements.video, make("div", { class: "overlay" }, elements.sound));
  const { skip, address, rewind, days, chapters, renditions, captions, pictureInPicture, copy, help, moment } = elements;
  const controls = [skip, address, rewind, days, chapters, renditions, captions, pictureInPicture, copy, help, moment];
  const panel = make(
    "div",
    { class: "panel" },
    bar,
    make("div", { class: "now" }, elements.caption, elements.clock, elements.goLive),
    make("div", { class: "controls" }, ...controls),
    elements.keys,
  );
  const root = make("div", { id: "player", class: "player", "data-player-state": "connecting" }, stage, panel, pointed);
  return { ...elements, bar, tile, pointed, stage, root };
}

/** The keys, as the help shows them, and what they do. */
function keyTexts(t: Texts): [keys: string[], text: string][] {
  return [
    [["Space", "K"], t.get("player-key-toggle")],
    [["←", "→"], t.get("player-key-short", { seconds: 5 })],
    [["J", "L"], t.get("player-key-long", { seconds: 10 })],
    [["Home"], t.get("player-key-beginning")],
    [["End"], t.get("player-key-live")],
    [["↑", "↓"], t.get("player-key-volume")],
    [["M"], t.get("player-key-mute")],
    [["C"], t.get("player-key-captions")],
    [["F"], t.get("player-key-fullscreen")],
    [["P"], t.get("player-key-picture")],
    [["?"], t.get("player-key-help")],
  ];
}

/** Writes what does not change, in a language. */
export function labelPlayer(elements: PlayerElements, t: Texts): void {
  elements.root.lang = t.language;
  elements.video.setAttribute("aria-label", t.get("player-video"));
  elements.bar.setAttribute("aria-label", t.get("player-time-line"));
  elements.days.setAttribute("aria-label", t.get("player-days"));
  elements.chapters.setAttribute("aria-label", t.get("player-chapters"));
  elements.renditions.setAttribute("aria-label", t.get("player-renditions"));
  elements.captions.setAttribute("aria-label", t.get("player-captions"));
  elements.moment.setAttribute("aria-label", t.get("player-link"));
  elements.skip.textContent = t.get("player-skip");
  labelDrawn(elements.rewind, t.get("player-rewind"));
  elements.goLive.textContent = t.get("player-go-live");
  labelDrawn(elements.pictureInPicture, t.get("player-picture-in-picture"));
  labelDrawn(elements.copy, t.get("player-copy-link"));
  elements.address.textContent = t.get("player-address");
  elements.help.textContent = t.get("player-keys");
  const entries = keyTexts(t).map(([keys, text]) => {
    const names = keys.flatMap((key) => [make("kbd", {}, document.createTextNode(key)), document.createTextNode(" ")]);
    return make("div", {}, make("dt", {}, ...names), make("dd", {}, document.createTextNode(text)));
  });
  refill(elements.keys, ...entries);
}

/** Labels a button that has an icon. What it says beyond its name is to be seen also where only the icon is. */
export function labelDrawn(button: HTMLButtonElement, text: string, says = false): void {
  const label = button.querySelector(".label");
  if (label) label.textContent = text;
  button.title = text;
  button.classList.toggle("says", says);
}

/** Replaces what an element has in it. */
export function refill(element: Element, ...children: Node[]): void {
  element.textContent = "";
  element.append(...children);
}

/** Replaces the options of a menu, where they differ. */
export function setOptions(select: HTMLSelectElement, options: readonly { value: string; text: string }[], value: string): void {
  const same = select.options.length === options.length
    && options.every((option, index) => select.options[index]?.value === option.value && select.options[index]?.text === option.text);
  if (!same) {
    refill(select, ...options.map(({ value, text }) => make("option", { value }, document.createTextNode(text))));
  }
  if (select.value !== value) select.value = value;
}
