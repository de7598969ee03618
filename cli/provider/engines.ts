import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { BACKENDS, type BackendName, OPENAI } from '#provider/engine/backend-names.ts';
import type { Engine } from '#provider/engine/engine.ts';
import type { EngineProcessOptions } from '#provider/engine/process/engine-process.ts';
import type { UpstreamOptions } from '#provider/engine/upstream/open-upstream-engine.ts';

/** Functions that open an engine, by the value of `--engine` that chooses it. */
export type Engines = Readonly<Record<string, (options: EngineOptions) => Promise<Engine>>>;

interface EngineOptions extends Omit<EngineProcessOptions, 'backend'> {
  /** The model server to use; only the engine `openai` needs it. */
  readonly upstream?: UpstreamOptions | undefined;
}

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
  [OPENAI]: async ({ upstream, ...options }) => {
    if (upstream === undefined)
      throw new CommandError(
        EXIT.usage,
        'The engine openai needs --upstream, the URL of a model server, such as http://127.0.0.1:1234/v1.',
      );
    const { openUpstreamEngine } = await import(
      '#provider/engine/upstream/open-upstream-engine.ts'
    );
    return openUpstreamEngine({ ...options, ...upstream });
  },
  simulated: async () => (await import('#simulator')).createSimulatedEngine({ chip: 'm4-max' }),
};
