import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { chipKind } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { callCoordinator } from '#provider/coordinator-call.ts';
import { cachedModels } from '#provider/downloads/cached-models.ts';
import { fitOf } from '#provider/downloads/fit.ts';
import { thisMachine } from '#provider/machine.ts';
import { findModel } from '#provider/models/find-model.ts';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import {
  choiceLine,
  type EarnedRow,
  earnedFrom,
  type ModelChoice,
  modelChoices,
  placesIn,
} from './model-choices.ts';
import { pullWithProgress } from './model-commands.ts';

const TINY_MODEL_NAME = basename(TINY_MODEL_FOLDER);

const NO_CHOICE = `No model is chosen. "dinf provider start --model NAME" names one, "dinf provider models list" lists those on this machine, and "--model ${TINY_MODEL_NAME}" serves a small test model.`;
const MOST_SHOWN = 20;

type Terminal = Pick<NodeJS.ReadStream, 'isTTY'> & NodeJS.ReadableStream;

/**
 * Asks the owner which models to serve, and downloads those that are not on this machine. Throws if
 * nobody sits at a terminal.
 */
export async function pickModels(
  coordinator: string,
  input: Terminal = process.stdin,
  output: NodeJS.WriteStream = process.stdout,
): Promise<string[]> {
  if (!input.isTTY || !output.isTTY) throw new CommandError(EXIT.usage, NO_CHOICE);
  const choices = await availableChoices(coordinator);
  choices.forEach((choice, place) => {
    output.write(`${String(place + 1).padStart(3)}  ${choiceLine(choice)}\n`);
  });
  const chosen = await ask(choices, input, output);
  for (const { name, isOnDisk } of chosen) if (!isOnDisk) await pullWithProgress(name);
  return chosen.map(({ name }) => name);
}

async function ask(
  choices: readonly ModelChoice[],
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<ModelChoice[]> {
  const lines = createInterface({ input, output });
  const closed = new AbortController();
  lines.once('close', () => closed.abort());
  try {
    for (;;) {
      const answer = await lines.question(
        'Which models does this machine serve? Numbers such as 1 or 1,3; Enter for 1: ',
        { signal: closed.signal },
      );
      const places = placesIn(answer, choices.length);
      if (places !== undefined) return places.flatMap((place) => choices[place] ?? []);
      output.write(`Type numbers from 1 to ${choices.length}, with commas between them.\n`);
    }
  } catch (cause) {
    throw new CommandError(EXIT.usage, NO_CHOICE, { cause });
  } finally {
    lines.close();
  }
}

async function availableChoices(coordinator: string): Promise<ModelChoice[]> {
  const { chip, memoryGb: machineGb } = thisMachine();
  const [onDisk, catalogue] = await Promise.all([
    modelsOnDisk(),
    catalogueOf(coordinator, chipKind(chip)).catch((error: unknown) => {
      console.log(`What the network asks for is not known: ${messageOf(error)}`);
      return [];
    }),
  ]);
  return [
    ...modelChoices({ onDisk, catalogue, machineGb }).slice(0, MOST_SHOWN),
    {
      name: TINY_MODEL_NAME,
      isOnDisk: true,
      bytes: (await stat(join(TINY_MODEL_FOLDER, 'model.safetensors'))).size,
      note: 'a small test model, which earns next to nothing',
    },
  ];
}

async function modelsOnDisk() {
  const complete = (await cachedModels()).filter(({ isComplete }) => isComplete);
  return Promise.all(
    complete.map(async ({ name }) => {
      const { path } = await findModel(name);
      const files = await readdir(path);
      const sizes = await Promise.all(
        files
          .filter((file) => file.endsWith('.safetensors'))
          .map(async (file) => (await stat(join(path, file))).size),
      );
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      const config = await readFile(join(path, 'config.json'), 'utf8').catch(() => '{}');
      const { problem, mostTokensPerSecond } = fitOf(JSON.parse(config), bytes);
      return { name, bytes, problem, tokensPerSecond: mostTokensPerSecond };
    }),
  );
}

interface Listed<Row> {
  readonly data: readonly Row[];
}

interface NetworkDemand {
  readonly wanted: readonly { readonly model: string; readonly repository: string }[];
  readonly earned: readonly EarnedRow[];
}

/** The models of the network's catalogue, with their demand and what machines earned from them. */
async function catalogueOf(coordinator: string, chip: string) {
  const [{ data: models }, { data: rooms }, { models: used }, needs] = await Promise.all([
    callCoordinator<
      Listed<{ id: string; hugging_face_id: string | null; minimum_memory_gb: number | null }>
    >(coordinator, '/v1/models/catalog'),
    callCoordinator<Listed<{ id: string; routable_providers: number }>>(
      coordinator,
      '/v1/models/capacity',
    ),
    callCoordinator<{
      models: readonly { model: string; last_24_hours: { requests: number } }[];
    }>(coordinator, '/v1/stats'),
    callCoordinator<NetworkDemand>(coordinator, '/v1/models/demand').catch((error: unknown) => {
      console.log(`What machines earned last week is not known: ${messageOf(error)}`);
      return { wanted: [], earned: [] };
    }),
  ]);
  return models.map(({ id, hugging_face_id, minimum_memory_gb }) => ({
    id,
    repository: hugging_face_id ?? undefined,
    wantedRepository: needs.wanted.find(({ model }) => model === id)?.repository,
    demand: {
      requests: used.find(({ model }) => model === id)?.last_24_hours.requests ?? 0,
      machines: rooms.find((room) => room.id === id)?.routable_providers ?? 0,
      memoryGb: minimum_memory_gb ?? undefined,
      earned: earnedFrom(needs.earned, { model: id, chip }),
    },
  }));
}
