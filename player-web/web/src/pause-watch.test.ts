import assert from "node:assert/strict";
import { test } from "node:test";
import { PauseWatch, type Watched } from "./pause-watch";

function watch() {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const video = Object.assign(new EventTarget(), { ended: false, muted: false });
  const clock = { ms: 0 };
  const watched = { document, video, now: () => clock.ms } as unknown as Watched;
  const paused = new PauseWatch(watched, new AbortController().signal);
  const hide = () => {
    document.visibilityState = "hidden";
    document.dispatchEvent(new Event("visibilitychange"));
  };
  return { paused, document, video, clock, hide, tell: (name: string) => video.dispatchEvent(new Event(name)) };
}

test("a pause right after the page was hidden is the browser's, and is told once", () => {
  const { paused, hide, tell, clock } = watch();
  tell("play");
  hide();
  clock.ms = 500;
  tell("pause");
  assert.deepEqual([paused.takePausedByBrowser(), paused.takePausedByBrowser()], [true, false]);
});

test("a pause that the viewer made is the viewer's: in sight, or on a locked screen", () => {
  const { paused, hide, tell, clock } = watch();
  tell("play");
  tell("pause");
  hide();
  assert.equal(paused.takePausedByBrowser(), false);
  tell("play");
  clock.ms = 60_000;
  tell("pause");
  assert.equal(paused.takePausedByBrowser(), false);
});

test("what is paused to save power while nobody sees or hears it is the browser's", () => {
  const { paused, hide, tell, clock, video } = watch();
  video.muted = true;
  tell("play");
  hide();
  clock.ms = 60_000;
  tell("pause");
  assert.equal(paused.takePausedByBrowser(), true);
});

test("what played when the page was frozen goes on, whenever the pause is told", () => {
  const { paused, document, hide, tell, clock } = watch();
  tell("play");
  hide();
  document.dispatchEvent(new Event("freeze"));
  clock.ms = 3_600_000;
  assert.equal(paused.takePausedByBrowser(), true, "before");
  tell("pause");
  assert.equal(paused.takePausedByBrowser(), false, "after");
});
