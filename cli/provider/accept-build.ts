import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { ControlClient } from '#provider/service/control-client.ts';
import { modelNamed } from '#provider/service/model-to-switch-to.ts';

const LOOK_MS = 1_000;

/** Fetches a build that the network wants, and prints how far it is until it is served. */
export async function acceptBuild(client: ControlClient, name: string): Promise<void> {
  let state = await client.accept(name);
  let shown = '';
  for (;;) {
    const served = modelNamed(state.models, name);
    if (served !== undefined)
      return console.log(`${served.build} is served, and is loaded when there is room for it.`);
    const wanted = modelNamed(state.wanted ?? [], name);
    if (wanted?.state === 'failed') throw new CommandError(EXIT.failure, wanted.text);
    if (wanted !== undefined && wanted.text !== shown) console.log(wanted.text);
    shown = wanted?.text ?? shown;
    await delay(LOOK_MS);
    state = await client.state();
  }
}
