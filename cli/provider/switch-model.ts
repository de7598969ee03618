import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { State } from '#provider/service/control-api.ts';
import type { ControlClient } from '#provider/service/control-client.ts';
import { modelNamed } from '#provider/service/model-to-switch-to.ts';

const LOOK_MS = 250;
/** A model that failed before is tried again within this time, in milliseconds. */
const RETRIED_MS = 15_000;

/** Loads a model of the machine, and prints what it waits for until it is in memory. */
export async function switchModel(client: ControlClient, name: string): Promise<void> {
  await client.switchTo(name);
  const startedAt = performance.now();
  let shown = '';
  let before: string | undefined;
  for (;;) {
    const { models } = await client.state();
    const model = modelNamed(models, name);
    if (model?.state === 'resident') return console.log(`${model.build} is in memory.`);
    const isOld = before === undefined || before === 'failed';
    if (model?.state === 'failed' && !(isOld && performance.now() - startedAt < RETRIED_MS))
      throw new CommandError(
        EXIT.failure,
        `${model.build} could not be loaded. "dinf provider logs" shows why.`,
      );
    const text = waitingText(name, models);
    if (text !== shown) console.log(text);
    shown = text;
    before = model?.state;
    await delay(LOOK_MS);
  }
}

function waitingText(name: string, models: State['models']): string {
  const running = models.reduce((sum, model) => sum + model.running, 0);
  if (running === 0 || modelNamed(models, name)?.state === 'loading')
    return `${name} is being loaded.`;
  return `${name} is loaded when there is room for it. ${running} running ${running === 1 ? 'answer is' : 'answers are'} completed first.`;
}
