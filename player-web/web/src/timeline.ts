// The course of a broadcast as the node tells it (docs/protocol/http.md, "Time line"): what of it is here, its hours and
// days. Pure; seconds are on the time line of whole.m3u8.

export type SpanState = "held" | "elsewhere" | "gap";

export interface Span {
  state: SpanState;
  /** Of its first segment. */
  sequence: number;
  segments: number;
  from: number;
  to: number;
}

export interface Hour {
  sequence: number;
  from: number;
  /** Milliseconds since 1970 at its beginning, where known. */
  date: number | null;
}

export interface Day {
  /** `2026-11-21`. */
  date: string;
  from: number;
  to: number;
}

/** More than a node sends of each: whatever comes beyond is no answer of one. */
const MOST = 10_000;

export class Course {
  private constructor(
    readonly duration: number,
    readonly ended: boolean,
    readonly spans: readonly Span[],
    readonly hours: readonly Hour[],
    readonly days: readonly Day[],
  ) {}

  /** Reads an answer; undefined where it is none. */
  static parse(value: unknown): Course | undefined {
    if (!isObject(value) || typeof value.ended !== "boolean") return undefined;
    const duration = seconds(value.duration_ms);
    const spans = list(value.spans, span);
    const hours = list(value.hours, hour);
    const begins = list(value.days, day);
    if (duration === undefined || !spans || !hours || !begins) return undefined;
    const days = begins.map((one, index) => ({ ...one, to: begins[index + 1]?.from ?? duration }));
    return new Course(duration, value.ended, spans, hours, days);
  }

  /** What there is at a moment. */
  spanAt(at: number): Span | undefined {
    return last(this.spans, ({ from }) => from <= at);
  }

  /** Where a segment begins; about, where the segments around it differ in length. */
  offsetOf(sequence: number): number | undefined {
    const span = last(this.spans, (one) => one.sequence <= sequence);
    if (!span) return undefined;
    return span.from + ((span.to - span.from) / Math.max(1, span.segments)) * (sequence - span.sequence);
  }

  /** The segment at a moment, likewise, with its bounds. */
  segmentAt(at: number): { sequence: number; start: number; duration: number } | undefined {
    const span = this.spanAt(at);
    if (!span) return undefined;
    const duration = (span.to - span.from) / Math.max(1, span.segments);
    const index = Math.min(span.segments - 1, Math.max(0, Math.floor((at - span.from) / duration)));
    return { sequence: span.sequence + index, start: span.from + index * duration, duration };
  }

  /** Where the media of a time by the publisher's clock is, where hours are dated. */
  offsetOfDate(date: number): number | undefined {
    const index = lastIndex(this.hours, (one) => one.date !== null && one.date <= date);
    const found = this.hours[index];
    if (!found || found.date === null) return undefined;
    return Math.min(found.from + (date - found.date) / 1000, this.hours[index + 1]?.from ?? Number.POSITIVE_INFINITY);
  }

  /** Milliseconds since 1970 at a moment, where its hour is dated. */
  dateAt(at: number): number | null {
    const found = last(this.hours, ({ from }) => from <= at);
    return found?.date == null ? null : found.date + (at - found.from) * 1000;
  }

  hourAt(at: number): number {
    return Math.max(0, lastIndex(this.hours, ({ from }) => from <= at));
  }

  dayAt(at: number): Day | undefined {
    return last(this.days, ({ from }) => from <= at) ?? this.days[0];
  }
}

function lastIndex<T>(items: readonly T[], is: (item: T) => boolean): number {
  for (let index = items.length - 1; index >= 0; index -= 1) if (is(items[index] as T)) return index;
  return -1;
}

function last<T>(items: readonly T[], is: (item: T) => boolean): T | undefined {
  return items[lastIndex(items, is)];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function seconds(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value / 1000 : undefined;
}

function count(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function list<T>(value: unknown, read: (one: Record<string, unknown>) => T | undefined): T[] | undefined {
  if (!Array.isArray(value) || value.length > MOST) return undefined;
  const items = value.map((one) => (isObject(one) ? read(one) : undefined));
  return items.every((item): item is T => item !== undefined) ? items : undefined;
}

function span(one: Record<string, unknown>): Span | undefined {
  const [from, duration] = [seconds(one.from_ms), seconds(one.duration_ms)];
  const { state, media_sequence: sequence, segments } = one;
  const known = state === "held" || state === "elsewhere" || state === "gap";
  if (!known || from === undefined || duration === undefined || !count(sequence) || !count(segments)) return undefined;
  return { state, sequence, segments, from, to: from + duration };
}

function hour(one: Record<string, unknown>): Hour | undefined {
  const from = seconds(one.from_ms);
  const { media_sequence: sequence, program_date_time: date } = one;
  if (from === undefined || !count(sequence) || !(date === null || count(date))) return undefined;
  return { sequence, from, date };
}

function day(one: Record<string, unknown>): Day | undefined {
  const from = seconds(one.from_ms);
  return typeof one.date === "string" && from !== undefined ? { date: one.date, from, to: from } : undefined;
}
