import { gb } from '#provider/downloads/fit.ts';
import type { Progress } from '#provider/downloads/pull-model.ts';
import { span } from '#provider/service/sentence.ts';

const BAR_WIDTH = 30;
/** Time between two drawings, in milliseconds. */
const DRAW_MS = 200;
/** Without a terminal, one line is printed after each tenth. */
const STEPS = 10;
/** Time over which the speed is measured, in milliseconds. */
const MEASURE_MS = 5_000;

interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** One line that shows how far a download is, its speed, and the time that is left. */
export class ProgressLine implements Disposable {
  readonly #output: Output;
  readonly #clock: () => number;
  #samples: { at: number; bytes: number }[] = [];
  #drawnAt = Number.NEGATIVE_INFINITY;
  #step = 0;
  #isOpen = false;

  constructor(output: Output, clock: () => number) {
    this.#output = output;
    this.#clock = clock;
  }

  show(progress: Progress): void {
    const now = this.#clock();
    this.#samples.push({ at: now, bytes: progress.doneBytes });
    this.#samples = this.#samples.filter(({ at }) => now - at <= MEASURE_MS);
    const share = progress.totalBytes === 0 ? 1 : progress.doneBytes / progress.totalBytes;
    if (this.#output.isTTY) {
      if (now - this.#drawnAt < DRAW_MS && share < 1) return;
      this.#drawnAt = now;
      this.#output.write(`\r\u001b[K${this.#text(progress, share)}`);
      this.#isOpen = true;
      return;
    }
    const step = Math.floor(share * STEPS);
    if (step <= this.#step) return;
    this.#step = step;
    this.#output.write(`${this.#text(progress, share)}\n`);
  }

  /** Prints a line of its own above the progress. */
  print(text: string): void {
    this.#close();
    this.#output.write(`${text}\n`);
  }

  #text({ doneBytes, totalBytes }: Progress, share: number): string {
    const filled = Math.round(share * BAR_WIDTH);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
    const perSecond = this.#speed();
    const rest =
      perSecond > 0
        ? `  ${gb(perSecond)}/s, ${span(((totalBytes - doneBytes) / perSecond) * 1_000)} left`
        : '';
    return `${bar} ${Math.floor(share * 100)} %  ${gb(doneBytes)} of ${gb(totalBytes)}${rest}`;
  }

  /** Bytes per second over the last seconds. */
  #speed(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at === first.at) return 0;
    return Math.max(0, ((last.bytes - first.bytes) / (last.at - first.at)) * 1_000);
  }

  #close(): void {
    if (this.#isOpen) this.#output.write('\n');
    this.#isOpen = false;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}
