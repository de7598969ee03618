import type { Page } from 'playwright-core';

export interface PageLoad {
  /** Processor time of the longest task of the page, in milliseconds. */
  readonly longestTaskMs: number;
  /** Processor time of all tasks until the first content was painted, in milliseconds. */
  readonly workUntilContentMs: number;
  /** Time from the request of the page to its first content, in milliseconds. */
  readonly firstContentMs: number;
  /** Tasks that the browser reports as long (above 50 ms), by their duration in milliseconds. */
  readonly longTasksMs: readonly number[];
  /** How much of the page has moved without a cause by its user; 0 if nothing has. */
  readonly layoutShift: number;
}

interface Observed {
  layoutShift: number;
  longTasksMs: number[];
  firstContentMs: number;
}

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly ts: number;
  readonly tdur?: number;
  readonly pid: number;
  readonly tid: number;
  readonly args: { readonly name?: string; readonly data?: { readonly isMainFrame?: boolean } };
}

/** Observes the next page of this tab from its first byte on. */
const OBSERVE = `
  const seen = { layoutShift: 0, longTasksMs: [], firstContentMs: 0 };
  globalThis.observedLoad = seen;
  const watch = (type, take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
  watch('layout-shift', (entry) => { if (!entry.hadRecentInput) seen.layoutShift += entry.value; });
  watch('longtask', (entry) => seen.longTasksMs.push(Math.round(entry.duration)));
  watch('paint', (entry) => {
    if (entry.name === 'first-contentful-paint') seen.firstContentMs = Math.round(entry.startTime);
  });`;

/** What the browser did for \`work\`, which loads a page. */
export async function measured(page: Page, work: () => Promise<void>): Promise<PageLoad> {
  const browser = page.context().browser();
  if (browser === null) throw new Error('the page has no browser');
  await page.addInitScript(OBSERVE);
  await browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'loading'] });
  try {
    await work();
  } catch (error) {
    await browser.stopTracing();
    throw error;
  }
  const observed = await page.evaluate<Observed>('globalThis.observedLoad');
  const trace = JSON.parse((await browser.stopTracing()).toString()) as {
    traceEvents: TraceEvent[];
  };
  return { ...observed, ...processorTimes(trace.traceEvents) };
}

/** Tasks of the threads that run pages. A task has its processor time in microseconds. */
function processorTimes(events: readonly TraceEvent[]) {
  const threads = new Set(
    events
      .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const tasks = events.filter(
    ({ name, ph, pid, tid }) =>
      name.endsWith('RunTask') && ph === 'X' && threads.has(`${pid} ${tid}`),
  );
  const painted = Math.min(
    ...events.filter(({ name }) => name === 'firstContentfulPaint').map(({ ts }) => ts),
  );
  const ms = (list: readonly TraceEvent[]) => list.map(({ tdur = 0 }) => tdur / 1_000);
  return {
    longestTaskMs: Math.max(...ms(tasks)),
    workUntilContentMs: ms(tasks.filter(({ ts }) => ts <= painted)).reduce((a, b) => a + b, 0),
  };
}
