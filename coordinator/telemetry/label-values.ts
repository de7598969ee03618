/** Value of the label for everything past the limit. */
const OTHER = 'other';

/**
 * Limits how many values a metric's label has. The metrics library keeps a series for each value
 * until the process ends, and the owner
 * of a machine can call any number of builds by names of their own: each would be a new value.
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
