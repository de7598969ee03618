/** All values past the limit share this label value. */
const OTHER = 'other';

/**
 * Limits how many values a metric's label has. The metrics library keeps a series for each value
 * until the process ends. Without a limit, the owner of a machine could exhaust the coordinator's
 * memory by naming any number of builds.
 */
export class LabelValues {
  readonly #known = new Set<string>();
  readonly #maximum: number;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#maximum) return OTHER;
    this.#known.add(value);
    return value;
  }
}
