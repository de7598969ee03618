import type { BenchEntry } from './entry.ts';

const WIDTH = 720;
const HEIGHT = 320;
const LEFT = 56;
const RIGHT = 190;
const TOP = 34;
const BOTTOM = 44;
const TICKS = 4;
/** One colour for each kind of load; distinguishable also for readers who do not see red. */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00'];
export const DRAWN_SERVER = 'd-inference';

interface Point {
  readonly index: number;
  readonly machine: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Text that identifies a machine: times of different machines are never joined by a line. */
export const machineOf = ({ machine: { processor, cores } }: BenchEntry): string =>
  `${cores} × ${processor}`;

export const loadName = ({
  stream,
  concurrency,
}: Pick<BenchEntry['runs'][number], 'stream' | 'concurrency'>): string =>
  `${stream ? 'streamed' : 'whole'}, c=${concurrency}`;

/** The processor time of each request, by kind of load, in the order of the entries. */
function seriesOf(entries: readonly BenchEntry[]): Map<string, Point[]> {
  const series = new Map<string, Point[]>();
  for (const [index, entry] of entries.entries())
    for (const run of entry.runs) {
      if (run.server !== DRAWN_SERVER) continue;
      const points = series.get(loadName(run)) ?? [];
      points.push({ index, machine: machineOf(entry), ...run.processorMsPerRequest });
      series.set(loadName(run), points);
    }
  return series;
}

/** Draws the history of the processor time per request as SVG. */
export function drawHistory(entries: readonly BenchEntry[]): string {
  const series = seriesOf(entries);
  const highest = Math.max(...[...series.values()].flat().map(({ max }) => max));
  const top = niceAbove(highest);
  const x = (index: number) =>
    round(LEFT + ((index + 0.5) * (WIDTH - LEFT - RIGHT)) / entries.length);
  const y = (value: number) => round(HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM));
  const grid = Array.from({ length: TICKS + 1 }, (_, tick) => (tick * top) / TICKS).map(
    (value) =>
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="#ccc"/>` +
      `<text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${round(value)}</text>`,
  );
  const labels = entries.map(
    ({ at, commit }, index) =>
      `<text x="${x(index)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${at.slice(0, 10)}</text>` +
      `<text x="${x(index)}" y="${HEIGHT - BOTTOM + 30}" text-anchor="middle">${commit.slice(0, 8)}</text>`,
  );
  const lines = [...series].flatMap(([name, points], place) => {
    const colour = COLOURS[place % COLOURS.length];
    const legendY = TOP + 12 + place * 18;
    return [
      `<g stroke="${colour}" fill="${colour}">`,
      ...pathsOf(points, x, y),
      ...points.map(
        ({ index, median, min, max }) =>
          `<line x1="${x(index)}" x2="${x(index)}" y1="${y(min)}" y2="${y(max)}"/>` +
          `<circle cx="${x(index)}" cy="${y(median)}" r="4"><title>${name}: ${median} ms (${min}–${max})</title></circle>`,
      ),
      `<rect x="${WIDTH - RIGHT + 16}" y="${legendY - 9}" width="10" height="10"/>`,
      '</g>',
      `<text x="${WIDTH - RIGHT + 32}" y="${legendY}">${name}</text>`,
    ];
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<title>Processor time per request in each stored result</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="18" font-weight="bold">Processor time per request, in milliseconds: median, least and most</text>`,
    ...grid,
    ...labels,
    ...lines,
    '</svg>',
  ].join('\n')}\n`;
}

/** Lines between entries that follow one another on the same machine. */
function pathsOf(
  points: readonly Point[],
  x: (index: number) => number,
  y: (value: number) => number,
): string[] {
  return [...Map.groupBy(points, ({ machine }) => machine).values()]
    .filter((same) => same.length > 1)
    .map(
      (same) =>
        `<polyline fill="none" points="${same.map(({ index, median }) => `${x(index)},${y(median)}`).join(' ')}"/>`,
    );
}

/** The smallest of 1, 2 and 5 times a power of ten that is not less than the value; 1 without one. */
function niceAbove(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

const round = (value: number): number => Math.round(value * 100) / 100;
