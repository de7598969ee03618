import type { Machine, Slot, WeightsDigest } from '#bus-schemas';
import type { Engine, GenerationRequest, Sequence, Sink } from '#provider';
import { type ChipName, chipOf, machineOf } from './chips.ts';
import type { SimulatedEngine } from './simulated-engine.ts';

/** A real engine that announces itself as a Mac: a real model computes the answers. */
export class EmulatedMac implements SimulatedEngine {
  readonly name: Engine['name'];
  readonly machine: Machine;
  readonly #engine: Engine;
  running = 0;
  tokensMade = 0;

  constructor(engine: Engine, chip: ChipName) {
    this.#engine = engine;
    this.name = engine.name;
    this.machine = machineOf(chipOf(chip));
  }

  slots(): readonly Slot[] {
    return this.#engine.slots();
  }

  weights(): readonly WeightsDigest[] {
    return this.#engine.weights?.() ?? [];
  }

  onChange(listener: () => void): void {
    this.#engine.onChange(listener);
  }

  load(build: string): void {
    this.#engine.load(build);
  }

  generate(request: GenerationRequest, sink: Sink): Sequence {
    const sequence = this.#engine.generate(request, {
      delta: (delta) => {
        this.tokensMade += delta.tokens;
        sink.delta(delta);
      },
      refuse: (refusal) => {
        this.running -= 1;
        sink.refuse(refusal);
      },
      end: (...end) => {
        this.running -= 1;
        sink.end(...end);
      },
    });
    this.running += 1;
    return sequence;
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#engine[Symbol.asyncDispose]();
  }
}
