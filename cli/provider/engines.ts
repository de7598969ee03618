import { BACKENDS, type BackendName } from '#provider/engine/backend-names.ts';
import type { Engine } from '#provider/engine/engine.ts';
import type { EngineProcessOptions } from '#provider/engine/process/engine-process.ts';

/** Functions that open an engine, by the value of `--engine` that chooses it. */
export type Engines = Readonly<
  Record<string, (options: Omit<EngineProcessOptions, 'backend'>) => Promise<Engine>>
>;

export const AUTO = 'auto';

/** The engines of `dinf provider`. */
export const engines: Engines = {
  ...Object.fromEntries(
    [AUTO, ...BACKENDS].map((name) => [
      name,
      async (options) =>
        (await import('#provider/engine/process/engine-process.ts')).EngineProcess.open({
          ...options,
          ...(name !== AUTO && { backend: name as BackendName }),
        }),
    ]),
  ),
  simulated: async () => (await import('#simulator')).createSimulatedEngine({ chip: 'm4-max' }),
};
