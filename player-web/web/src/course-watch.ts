// Keeps the course of a broadcast as the node knows it: asks now and then, and sooner when something has changed.

import type { NodeApi } from "./node-api";
import type { Course } from "./timeline";

/** Between two answers while the broadcast is live, or parts of it are on their way. */
const RUNNING_MS = 20_000;
/** Between two answers of what has ended and is all here: it may yet be dropped. */
const SETTLED_MS = 300_000;
/** Where the node does not answer. */
const FAILED_MS = 15_000;

export class CourseWatch {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asking = false;
  private stopped = false;
  course: Course | undefined;

  constructor(
    private readonly api: Pick<NodeApi, "course">,
    private readonly changed: (course: Course) => void,
  ) {}

  /** Asks now, if it is not being asked. */
  async look(): Promise<void> {
    if (this.asking || this.stopped) return;
    this.asking = true;
    clearTimeout(this.timer);
    const answer = await this.api.course();
    this.asking = false;
    if (this.stopped) return;
    let next = FAILED_MS;
    if ("spans" in answer) {
      this.course = answer;
      this.changed(answer);
      const settled = answer.ended && answer.spans.every(({ state }) => state !== "elsewhere");
      next = settled ? SETTLED_MS : RUNNING_MS;
    } else {
      next = answer.retryMs ?? FAILED_MS;
    }
    this.timer = setTimeout(() => void this.look(), next);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}
