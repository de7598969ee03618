/**
 * Reproducible random numbers from 0 to 1: splitmix32 over a counter. The nth number depends only
 * on the seed and on n.
 */
export class SeededRandom {
  readonly #seed: number;
  #count = 0;

  constructor(seed: number) {
    // A seed may exceed 32 bits, so both halves are used.
    this.#seed = (seed ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b9)) >>> 0;
  }

  skip(numbers: number): void {
    this.#count += numbers;
  }

  next(): number {
    this.#count += 1;
    let z = (this.#seed + Math.imul(this.#count, 0x9e3779b9)) >>> 0;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  }
}
