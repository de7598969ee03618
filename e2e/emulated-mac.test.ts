import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { cacheFolder, findNatsServer } from '#provider';
import { openModelEngine } from '#provider/engine/open-model-engine.ts';
import { startFleet } from '#simulator';
import { TINY_MODEL_FOLDER, tinyAlias, tinyModel } from '#tiny-model';
import { startTestNetwork } from './test-network.ts';

/** Opens WebGPU if there is a driver (CI has one in software), and the default engine otherwise. */
const open = (log: { info(): void; error(): void }) => {
  const wish = { models: [TINY_MODEL_FOLDER], maxConcurrency: 4, idleMs: 0, log };
  return openModelEngine({ ...wish, backend: 'webgpu' }).catch(() => openModelEngine(wish));
};

test('two emulated Macs serve with real engines and are marked as simulated', {
  timeout: 400_000,
}, async () => {
  await using network = await startTestNetwork({ providers: 0, tokenMs: 1 });
  await network.network.putModels([tinyModel], [tinyAlias]);
  const { path: natsServer } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  await using fleet = await startFleet({
    coordinatorUrl: network.url,
    token: () => network.network.enrolToken(),
    count: 2,
    profile: () => ({ chip: 'm4-max' }),
    realEngine: () => open({ info: () => {}, error: () => {} }),
    natsServer,
    home: join(network.network.home, 'emulated'),
    leaves: 'shared',
    log: network.log,
  });
  const { bus } = network.network.coordinator;
  await vi.waitFor(async () =>
    expect(
      (await bus.call(services.routing.fleet, {}, { timeoutMs: 5_000 })).providers,
    ).toMatchObject([{ state: 'resident' }, { state: 'resident' }]),
  );
  expect(fleet.providers.map(({ engine }) => engine.machine)).toEqual(
    Array(2).fill(expect.objectContaining({ chip: 'Apple M4 Max', simulated: true })),
  );
  // Each request names its machine: routing alone might send all of them to the same one.
  const ask = ({ id }: { id: string }) =>
    network
      .openai()
      .chat.completions.create({
        model: 'tiny',
        messages: [{ role: 'user', content: 'Spell stone backwards.' }],
        ...({ provider: { only: [id] } } as object),
      })
      .withResponse();
  // Two requests at once for each machine: the software driver needs seconds of processor time for
  // each.
  const twice = [...fleet.providers, ...fleet.providers];
  const answers = await Promise.all(twice.map(ask));
  expect(answers.map(({ data: { choices } }) => choices[0]?.message.content)).toEqual(
    Array(4).fill('enots'),
  );
  expect(answers.map(({ response }) => response.headers.get('x-provider-id'))).toEqual(
    twice.map(({ id }) => id),
  );
  expect(fleet.providers.every(({ engine }) => engine.tokensMade > 0)).toBe(true);
  // The client receives its answer before the engine closes the sequence.
  await vi.waitFor(() =>
    expect(fleet.providers.map(({ engine }) => engine.running)).toEqual([0, 0]),
  );
  await network.expectMoneyBalances();
});
