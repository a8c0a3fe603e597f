import assert from "node:assert/strict";
import { mock, test } from "node:test";
import statistics from "../../tests/fixtures/ws/statistics.json";
import { Socket } from "./socket";

/** What the browser would connect. */
class FakeWebSocket {
  static made: FakeWebSocket[] = [];
  readonly sent: unknown[] = [];
  onmessage?: (event: { data: unknown }) => void;
  onclose?: () => void;
  onopen?: () => void;

  constructor(readonly url: string) {
    FakeWebSocket.made.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.onclose?.();
  }

  greet(): void {
    this.onopen?.();
    this.say({ type: "hello", version: 1 });
  }

  say(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

function setUp(): void {
  FakeWebSocket.made = [];
  Object.assign(globalThis, { WebSocket: FakeWebSocket, location: { protocol: "http:", host: "node:8080" } });
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
}

/** The newest connection, after whatever wait there was before it. */
function reconnected(): FakeWebSocket {
  const before = FakeWebSocket.made.length;
  mock.timers.tick(20_000);
  assert.equal(FakeWebSocket.made.length, before + 1);
  return FakeWebSocket.made[before]!;
}

test("all subscriptions and the timeline are asked for again after a reconnect", () => {
  setUp();
  let connected = 0;
  const socket = new Socket({ connected: () => connected++ }, "a", undefined, "b");
  const [first] = FakeWebSocket.made;
  assert.equal(first!.url, "ws://node:8080/ws?v=1");
  socket.followTimeline();
  assert.deepEqual(first!.sent, [], "nothing before the node has said hello");
  first!.greet();
  const all = [{ type: "subscribe", broadcast: "a" }, { type: "subscribe", broadcast: "b" }, { type: "timeline" }];
  assert.deepEqual(first!.sent, all);
  socket.subscribe("c");
  socket.subscribe("c");
  socket.unsubscribe("a");
  assert.deepEqual(first!.sent.slice(3), [{ type: "subscribe", broadcast: "c" }, { type: "unsubscribe", broadcast: "a" }]);
  first!.close();
  socket.subscribe("d");
  const second = reconnected();
  second.greet();
  const names = ["b", "c", "d"].map((broadcast) => ({ type: "subscribe", broadcast }));
  assert.deepEqual(second.sent, [...names, { type: "timeline" }]);
  assert.equal(connected, 2);
});

test("whether a broadcast plays is told once a second at most, and again after a reconnect", () => {
  setUp();
  const socket = new Socket({}, "a");
  const [first] = FakeWebSocket.made;
  first!.greet();
  for (const playing of [true, false, true, false, true]) socket.setPlaying("a", playing);
  assert.equal(first!.sent.length, 1);
  mock.timers.tick(1_000);
  assert.deepEqual(first!.sent.slice(1), [{ type: "subscribe", broadcast: "a", playing: true }]);
  socket.setPlaying("a", true);
  mock.timers.tick(1_000);
  assert.equal(first!.sent.length, 2, "nothing new");
  first!.close();
  const second = reconnected();
  second.greet();
  assert.deepEqual(second.sent, [{ type: "subscribe", broadcast: "a", playing: true }]);
});

test("an element says by itself whether it plays", () => {
  setUp();
  const socket = new Socket({}, "a");
  const [first] = FakeWebSocket.made;
  first!.greet();
  const video = Object.assign(new EventTarget(), { paused: true, ended: false });
  socket.watch("a", video as unknown as HTMLMediaElement);
  const told = () => {
    mock.timers.tick(1_000);
    return (first!.sent.at(-1) as { playing: boolean }).playing;
  };
  assert.equal(told(), false);
  video.paused = false;
  video.dispatchEvent(new Event("playing"));
  assert.equal(told(), true);
  video.paused = true;
  video.dispatchEvent(new Event("pause"));
  assert.equal(told(), false);
});

test("events of broadcasts that were given up are not passed on", () => {
  setUp();
  const seen: string[] = [];
  const { broadcast } = statistics;
  const socket = new Socket(
    { playlist: (slug) => seen.push(`playlist ${slug}`), statistics: (one) => seen.push(`${one.viewers.all} viewers`) },
    broadcast,
  );
  const [first] = FakeWebSocket.made;
  first!.greet();
  const playlist = { type: "playlist", broadcast, media_sequence: 1, ended: false };
  first!.say(playlist);
  first!.say(statistics);
  socket.unsubscribe(broadcast);
  first!.say(playlist);
  first!.say(statistics);
  assert.deepEqual(seen, [`playlist ${broadcast}`, "41 viewers"]);
});
