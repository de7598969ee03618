import { basename } from 'node:path';
import { ANSWER_TRAITS, type Trait } from '#bus-schemas';
import { isObject, type JsonObject } from '../../models/json.ts';
import { openTextModel, type TextModel } from './text-model.ts';
import type { UpstreamClient } from './upstream-client.ts';
import { UpstreamError } from './upstream-error.ts';

/** A model that a server offers. */
export interface ServedModel {
  /** Name of the model at its server. */
  readonly id: string;
  /** Name under which this machine offers it. */
  readonly build: string;
  readonly contextTokens: number;
  readonly traits: readonly Trait[];
  /** Number of answers that the server makes at the same time; undefined if it does not state it. */
  readonly seats: number | undefined;
  /** Whether the server has the model in memory; servers that do not state it have. */
  readonly isLoaded: boolean;
  /** Tokenizer and template, if the files of the model are on this machine. */
  readonly text: TextModel | undefined;
}

/** Properties that the owner states because the model server does not report them. */
export interface StatedByOwner {
  /** The models to offer, by their name or their build; all without an entry. */
  readonly models: readonly string[];
  readonly contextTokens: number | undefined;
  readonly traits: readonly Trait[];
}

/** Context of a model whose server states none; Ollama's default. */
const UNKNOWN_CONTEXT = 4_096;
const MAX_CONTEXT = 10_000_000;
/** A machine announces at most this many models. */
const MAX_MODELS = 64;

type Facts = Partial<Omit<ServedModel, 'id' | 'build' | 'text'>> & { readonly isChat?: boolean };

/**
 * Asks a server for its models. `/models` has their names; context, traits and state are where each
 * kind of server has them. Throws UpstreamError if the server does not answer.
 */
export class ModelQuery {
  readonly #client: UpstreamClient;
  readonly #stated: StatedByOwner;
  readonly #texts = new Map<string, Promise<TextModel | undefined>>();

  constructor(client: UpstreamClient, stated: StatedByOwner) {
    this.#client = client;
    this.#stated = stated;
  }

  async models(): Promise<ServedModel[]> {
    const listed = listIn(await this.#client.query('models'), 'data');
    if (listed === undefined)
      throw new UpstreamError('malformed', 'the server has no list of models at /models');
    const [props, studio, running] = await Promise.all([
      this.#client.queryIfAny('/props'),
      this.#client.queryIfAny('/api/v0/models'),
      this.#client.queryIfAny('/api/ps'),
    ]);
    const { models: wanted, contextTokens, traits } = this.#stated;
    const served: ServedModel[] = [];
    for (const entry of listed.slice(0, MAX_MODELS)) {
      const { id } = entry;
      if (typeof id !== 'string' || id === '') continue;
      const build = buildOf(id);
      if (wanted.length > 0 && !wanted.includes(id) && !wanted.includes(build)) continue;
      if (served.some((model) => model.build === build)) continue;
      const facts: Facts = {
        ...ofList(entry),
        ...ofLlamaCpp(props),
        ...ofLmStudio(listIn(studio, 'data'), id),
        ...(await this.#ofOllama(listIn(running, 'models'), id)),
      };
      if (facts.isChat === false) continue;
      const text = await this.#textOf(id);
      served.push({
        id,
        build,
        text,
        contextTokens: Math.min(
          contextTokens ?? facts.contextTokens ?? text?.contextTokens ?? UNKNOWN_CONTEXT,
          MAX_CONTEXT,
        ),
        traits: ANSWER_TRAITS.filter(
          (trait) => (facts.traits ?? []).includes(trait) || traits.includes(trait),
        ),
        seats: facts.seats,
        isLoaded: facts.isLoaded ?? true,
      });
    }
    return served;
  }

  /** Ollama has a model's abilities at `/api/show`, and the context of a loaded one at `/api/ps`. */
  async #ofOllama(running: readonly JsonObject[] | undefined, id: string): Promise<Facts> {
    if (running === undefined) return {};
    const shown = await this.#client.queryIfAny('/api/show', { model: id });
    const abilities = isObject(shown) ? shown['capabilities'] : undefined;
    const loaded = running.find(({ name, model }) => name === id || model === id);
    return {
      isLoaded: loaded !== undefined,
      ...(Array.isArray(abilities) && {
        isChat: abilities.includes('completion'),
        traits: traitsIn(abilities),
      }),
      ...contextIn(loaded?.['context_length']),
    };
  }

  /** The files of a model do not change while it is served, so they are read once. */
  #textOf(id: string): Promise<TextModel | undefined> {
    const known = this.#texts.get(id);
    if (known !== undefined) return known;
    const opened = openTextModel(id);
    if (this.#texts.size < MAX_MODELS) this.#texts.set(id, opened);
    return opened;
  }
}

/** The name of the last folder or part of a name, without characters that a build cannot have. */
function buildOf(id: string): string {
  const name = basename(id).replace(/\.gguf$/i, '');
  return (
    name
      .replaceAll(/[^A-Za-z0-9._:-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 128) || 'model'
  );
}

const listIn = (answer: unknown, field: string): JsonObject[] | undefined =>
  isObject(answer) && Array.isArray(answer[field]) ? answer[field].filter(isObject) : undefined;

function contextIn(value: unknown): Facts {
  return Number.isSafeInteger(value) && (value as number) > 0
    ? { contextTokens: value as number }
    : {};
}

/** vLLM has the context in the list itself. */
const ofList = ({ max_model_len: context }: JsonObject): Facts => contextIn(context);

/** llama.cpp serves one model. Each of its slots has the context `n_ctx`. */
function ofLlamaCpp(props: unknown): Facts {
  if (!isObject(props)) return {};
  const {
    default_generation_settings: settings,
    total_slots: slots,
    chat_template_caps: caps,
  } = props;
  const { modalities } = props;
  const abilities = [
    ...(isObject(caps) && caps['supports_tools'] === true ? ['tools'] : []),
    ...(isObject(modalities) && modalities['vision'] === true ? ['vision'] : []),
    ...(String(props['chat_template']).includes('<think>') ? ['thinking'] : []),
  ];
  return {
    traits: traitsIn(abilities),
    ...(Number.isSafeInteger(slots) && (slots as number) > 0 && { seats: slots as number }),
    ...contextIn(isObject(settings) ? settings['n_ctx'] : undefined),
  };
}

function ofLmStudio(models: readonly JsonObject[] | undefined, id: string): Facts {
  const model = models?.find((entry) => entry['id'] === id);
  if (model === undefined) return {};
  const { type, state, capabilities, loaded_context_length, max_context_length } = model;
  const abilities = [
    ...(Array.isArray(capabilities) ? capabilities : []),
    ...(type === 'vlm' ? ['vision'] : []),
  ];
  return {
    isChat: type !== 'embeddings',
    isLoaded: state === 'loaded',
    traits: traitsIn(abilities),
    ...contextIn(loaded_context_length ?? max_context_length),
  };
}

/** The names that servers have for the traits. */
const TRAIT_NAMES: Readonly<Record<string, Trait>> = {
  tools: 'tools',
  tool_use: 'tools',
  vision: 'vision',
  thinking: 'reasoning',
  reasoning: 'reasoning',
};

const traitsIn = (names: readonly unknown[]): Trait[] =>
  names.flatMap((name) => TRAIT_NAMES[String(name)] ?? []);
