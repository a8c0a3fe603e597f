import assert from "node:assert/strict";
import { test } from "node:test";
import { Memory } from "./memory";
import { SoundMemory } from "./sound-memory";

function shelf(text: string | null = null) {
  return {
    text,
    getItem() {
      return this.text;
    },
    setItem(_: string, text: string) {
      this.text = text;
    },
  };
}

test("sound and places are remembered from one visit to the next", () => {
  const kept = shelf();
  const memory = new Memory(() => kept);
  assert.deepEqual(memory.sound(), { volume: 1, muted: undefined });
  memory.setSound(0.4, false);
  memory.setPlace("a", 754.9);
  const later = new Memory(() => kept);
  assert.deepEqual([later.sound(), later.place("a"), later.place("b")], [{ volume: 0.4, muted: false }, 754, undefined]);
  later.forgetPlace("a");
  assert.equal(memory.place("a"), undefined);
});

test("places are few, the newest", () => {
  const kept = shelf();
  const memory = new Memory(() => kept);
  for (let number = 0; number < 80; number += 1) memory.setPlace(`b${number}`, 20);
  memory.setPlace("b40", 30);
  assert.deepEqual([memory.place("b79"), memory.place("b40"), memory.place("b31"), memory.place("b0")], [20, 30, 20, undefined]);
  assert.ok((kept.text ?? "").length < 4000);
});

test("a browser that forbids it, and a strange text, only forget", () => {
  const forbidden = new Memory(() => {
    throw new DOMException("no", "SecurityError");
  });
  forbidden.setSound(0.5, true);
  forbidden.setPlace("a", 3);
  assert.deepEqual([forbidden.sound(), forbidden.place("a")], [{ volume: 1, muted: undefined }, undefined]);
  for (const text of ["", "null", "[]", "{", '{"volume":7,"muted":"x","places":{"a":1}}', '{"places":[1,null,["a"],["a",-1]]}']) {
    const memory = new Memory(() => shelf(text));
    assert.deepEqual([memory.sound(), memory.place("a")], [{ volume: 1, muted: undefined }, undefined], text);
  }
});

class FakeVideo extends EventTarget {
  volume = 1;
  muted = false;
  set(volume: number, muted: boolean) {
    [this.volume, this.muted] = [volume, muted];
    this.dispatchEvent(new Event("volumechange"));
  }
}

test("what the player mutes to be let play is not what the viewer wants", () => {
  const memory = new Memory(((kept) => () => kept)(shelf('{"volume":0.5,"muted":false}')));
  const video = new FakeVideo();
  const sound = new SoundMemory(video as unknown as HTMLVideoElement, memory, false);
  assert.deepEqual([video.volume, video.muted], [0.5, false]);
  assert.equal(sound.muteForNow(), true);
  video.dispatchEvent(new Event("volumechange"));
  assert.equal(sound.muteForNow(), false, "it is off already");
  assert.deepEqual(memory.sound(), { volume: 0.5, muted: false });
  video.set(0.2, true);
  assert.deepEqual(memory.sound(), { volume: 0.2, muted: true });
  sound.unmute();
  video.dispatchEvent(new Event("volumechange"));
  assert.deepEqual(memory.sound(), { volume: 0.2, muted: false });
});

test("a first visit begins without sound, as browsers want it", () => {
  const video = new FakeVideo();
  new SoundMemory(video as unknown as HTMLVideoElement, new Memory(() => shelf()), false);
  assert.equal(video.muted, true);
});
