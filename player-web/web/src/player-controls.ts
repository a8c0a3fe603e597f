// What the viewer sees of a player and does with it: caption, buttons, menus, time line and keys.

import { CaptionMenu } from "./caption-menu";
import { type Command, command, ownsKey } from "./keys";
import { choices } from "./levels";
import { clock } from "./moment";
import type { Player } from "./player";
import { type PlayerElements, labelDrawn, labelPlayer, setOptions } from "./player-dom";
import { type Snapshot, type Status, describe } from "./status";
import type { Texts } from "./texts";
import type { Thumbnails } from "./thumbnails";
import type { Course } from "./timeline";
import { TimelineBar } from "./timeline-bar";

/** What Safari names otherwise. */
type Presenting = HTMLVideoElement & {
  webkitEnterFullscreen?(): void;
  webkitSetPresentationMode?(mode: string): void;
  webkitPresentationMode?: string;
  webkitSupportsPresentationMode?(mode: string): boolean;
};

/** The rendition menu's entry for sound alone where no rendition has it. */
const HIDDEN_PICTURE = "hidden";

/** Hours with a menu: fewer than two are no choice. */
const FEWEST = 2;

export class PlayerControls {
  private t: Texts | undefined;
  private status: Status | undefined;
  private snapshot: Snapshot | undefined;
  private picture = true;
  /** Where the day begins that the time line shows; undefined before there is one. */
  private drawnDay: number | undefined;
  /** A menu that may be open: it is left alone until something is chosen, or the focus goes. */
  private openMenu: HTMLSelectElement | undefined;
  private readonly bar: TimelineBar;
  private readonly captions: CaptionMenu;
  private readonly listening = new AbortController();
  /** Set once there is one. */
  player: Player | undefined;

  constructor(
    private readonly elements: PlayerElements,
    /** Told of each change of state or caption. */
    private readonly told: (status: Status) => void,
  ) {
    this.bar = new TimelineBar(elements, () => this.t, (seconds) => this.player?.seek(seconds));
    this.captions = new CaptionMenu(elements.captions, elements.video, () => this.t);
    const on = (button: HTMLElement, act: () => void) => button.addEventListener("click", act);
    on(elements.skip, () => this.player?.skip(true));
    on(elements.rewind, () => this.player?.seek(0));
    on(elements.goLive, () => this.player?.goLive());
    on(elements.sound, () => {
      this.player?.tap();
      elements.video.focus();
    });
    on(elements.copy, () => void this.copy());
    on(elements.help, () => this.toggleHelp());
    on(elements.pictureInPicture, () => void this.togglePictureInPicture());
    elements.chapters.addEventListener("change", () => this.player?.seek(Number(elements.chapters.value)));
    elements.days.addEventListener("change", () => this.player?.seek(Number(elements.days.value)));
    elements.renditions.addEventListener("change", () => this.chooseRendition(elements.renditions.value));
    for (const menu of [elements.days, elements.chapters]) this.watchMenu(menu);
    elements.root.addEventListener("keydown", (event) => this.press(event), true);
    elements.help.hidden = !matchMedia("(hover: hover)").matches;
  }

  /** Pictures of the broadcast, for the time line. */
  setThumbnails(thumbnails: Thumbnails): void {
    this.bar.setThumbnails(thumbnails);
  }

  private watchMenu(menu: HTMLSelectElement): void {
    for (const event of ["pointerdown", "keydown"]) {
      menu.addEventListener(event, () => {
        this.openMenu = menu;
      });
    }
    for (const event of ["change", "blur"]) {
      menu.addEventListener(event, () => {
        this.openMenu = undefined;
      });
    }
  }

  /** Takes keys from the whole page too, where nothing else of it has the focus. */
  takePageKeys(): void {
    document.addEventListener("keydown", (event) => {
      if (event.target === document.body) this.press(event);
    }, { signal: this.listening.signal });
  }

  setTexts(t: Texts): void {
    this.t = t;
    labelPlayer(this.elements, t);
    this.captions.update();
    if (this.snapshot) this.looked(this.snapshot);
    if (this.player) this.setChoices();
    if (this.player?.course) this.showCourse(this.player.course);
  }

  /** Says something that no look at the player says. */
  say(state: Status["state"], caption: string): void {
    this.show({ state, caption });
  }

  looked(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    const { player, t, elements } = this;
    if (!player || !t) return;
    const status = describe({ ...snapshot, picture: snapshot.picture && this.picture }, t);
    this.show(status);
    const { video, sound } = elements;
    const { blocked, started } = snapshot;
    sound.hidden = !(blocked || (video.muted && started && !video.ended && !player.silent()));
    write(sound, blocked ? t.get("player-tap-to-play") : t.get("player-tap-for-sound"));
    const edge = player.isAtLiveEdge();
    elements.skip.hidden = !snapshot.missing || !snapshot.stalled;
    elements.rewind.hidden = !player.isLive() || !edge || !snapshot.hasPlaylist;
    elements.goLive.hidden = !player.isLive() || edge;
    elements.copy.hidden = !player.canLink();
    elements.pictureInPicture.hidden = !snapshot.started || !snapshot.picture || !canPictureInPicture(video);
    elements.address.hidden = status.state !== "unplayable";
    if (!elements.address.hidden) elements.address.href = player.address();
    this.place(player, edge);
  }

  private place(player: Player, edge: boolean): void {
    const { clock: label, chapters, days } = this.elements;
    const { course } = player;
    const position = player.where();
    label.hidden = !course || edge;
    write(label, `${clock(position.at)} / ${clock(position.end)}`);
    this.bar.update(position);
    if (!course) return;
    if (course.dayAt(position.at)?.from !== this.drawnDay) this.showCourse(course);
    this.setMenu(days, course.dayAt(position.at)?.from);
    this.setMenu(chapters, course.hours[course.hourAt(position.at)]?.from);
  }

  private setMenu(menu: HTMLSelectElement, from: number | undefined): void {
    const value = String(from ?? "");
    if (menu !== this.openMenu && menu.value !== value) menu.value = value;
  }

  private setMenuOptions(menu: HTMLSelectElement, options: { value: string; text: string }[], from: number | undefined): void {
    setOptions(menu, options, menu === this.openMenu ? menu.value : String(from ?? ""));
  }

  /** Draws the course: all of it, or the day that is shown where there are several. */
  showCourse(course: Course): void {
    const { player, t, elements } = this;
    if (!player || !t) return;
    const { at } = player.where();
    this.drawnDay = course.dayAt(at)?.from;
    const day = course.days.length >= FEWEST ? course.dayAt(at) : undefined;
    const [from, to] = day ? [day.from, day.to] : [0, course.duration];
    this.bar.show(course, from, to);
    const hours = course.hours.filter((hour) => hour.from >= from && hour.from < to);
    const named = hours.map((hour) => ({ value: String(hour.from), text: clock(hour.from, hour.date).replace(/:\d\d$/, "") }));
    elements.chapters.hidden = hours.length < FEWEST;
    this.setMenuOptions(elements.chapters, named, course.hours[course.hourAt(at)]?.from);
    const format = new Intl.DateTimeFormat(t.language, { dateStyle: "medium", timeZone: "UTC" });
    const dates = course.days.map((one) => ({ value: String(one.from), text: format.format(new Date(one.date)) }));
    elements.days.hidden = !day;
    this.setMenuOptions(elements.days, dates, day?.from);
  }

  /** The renditions and captions that there are. */
  setChoices(): void {
    const { player, t, elements } = this;
    if (!player || !t) return;
    const found = choices(player.levels());
    const options = found.map(({ level, kind, height, kbps }) => ({
      value: String(level),
      text: kind === "sound" ? t.get("player-rendition-sound", { kbps }) : t.get("player-rendition-picture", { height, kbps }),
    }));
    const auto = { value: "", text: t.get("player-rendition-auto") };
    const hidden = { value: HIDDEN_PICTURE, text: t.get("player-rendition-hidden") };
    const all = found.some(({ kind }) => kind === "sound") ? [auto, ...options] : [auto, ...options, hidden];
    setOptions(elements.renditions, all, this.picture ? String(player.level() ?? "") : HIDDEN_PICTURE);
    elements.renditions.hidden = false;
    this.captions.update();
  }

  private chooseRendition(value: string): void {
    this.picture = value !== HIDDEN_PICTURE;
    this.elements.root.classList.toggle("sound-only", !this.picture);
    this.player?.chooseLevel(value === "" || !this.picture ? undefined : Number(value));
  }

  private async copy(): Promise<void> {
    const { copy, moment } = this.elements;
    const { t, player } = this;
    if (!t || !player) return;
    const link = await player.link();
    if (link === undefined) {
      labelDrawn(copy, t.get("player-link-not-now"), true);
      return;
    }
    moment.value = link;
    moment.hidden = false;
    moment.focus();
    moment.select();
    // Pages that come by plain HTTP have no clipboard; the older way has worked since before there were secure contexts.
    labelDrawn(copy, document.execCommand("copy") ? t.get("player-link-copied") : t.get("player-link-beside"), true);
  }

  private toggleHelp(): void {
    const { keys, help } = this.elements;
    keys.hidden = !keys.hidden;
    help.setAttribute("aria-expanded", String(!keys.hidden));
  }

  private async togglePictureInPicture(): Promise<void> {
    const video: Presenting = this.elements.video;
    try {
      if (document.pictureInPictureElement) await document.exitPictureInPicture();
      else if (document.pictureInPictureEnabled) await video.requestPictureInPicture();
      else video.webkitSetPresentationMode?.(video.webkitPresentationMode === "picture-in-picture" ? "inline" : "picture-in-picture");
    } catch {
      // Refused, or there is no picture yet: the video stays where it is.
    }
  }

  private toggleFullscreen(): void {
    const video: Presenting = this.elements.video;
    if (document.fullscreenElement) void document.exitFullscreen().catch(() => undefined);
    else if (document.fullscreenEnabled) void video.requestFullscreen().catch(() => undefined);
    else video.webkitEnterFullscreen?.();
  }

  private press(event: KeyboardEvent): void {
    const target = event.composedPath()[0];
    if (event.defaultPrevented || !(target instanceof Element) || ownsKey(target.tagName, event.key)) return;
    // Arrows and the like are the time line's own while it has the focus.
    if (target === this.elements.bar && event.key.length > 1) return;
    const wanted = command(event);
    if (!wanted || !this.player) return;
    event.preventDefault();
    event.stopPropagation();
    this.obey(wanted, this.player);
  }

  private obey(wanted: Command, player: Player): void {
    const { video } = this.elements;
    switch (wanted.do) {
      case "toggle":
        return player.toggle();
      case "seek":
        return player.seekBy(wanted.by);
      case "volume":
        video.volume = Math.min(1, Math.max(0, video.volume + wanted.by));
        video.muted = video.volume === 0;
        return;
      case "mute":
        video.muted = !video.muted;
        return;
      case "beginning":
        return player.seek(0);
      case "live":
        return player.isLive() ? player.goLive() : player.seek(player.where().end);
      case "captions":
        return this.captions.toggle();
      case "fullscreen":
        return this.toggleFullscreen();
      case "picture-in-picture":
        return void this.togglePictureInPicture();
      case "help":
        return this.toggleHelp();
    }
  }

  private show(status: Status): void {
    const { root, caption } = this.elements;
    root.dataset.playerState = status.state;
    write(caption, status.caption);
    if (this.status?.state === status.state && this.status.caption === status.caption) return;
    this.status = status;
    this.told(status);
  }

  destroy(): void {
    this.listening.abort();
  }
}

/** Written only when it differs, or a screen reader would repeat it. */
function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function canPictureInPicture(video: Presenting): boolean {
  return !!document.pictureInPictureEnabled || video.webkitSupportsPresentationMode?.("picture-in-picture") === true;
}
