import type { Usage } from '#bus-schemas';
import { type Engine, RequestRefused } from '../engine/engine.ts';

export interface BenchmarkRequests {
  readonly build: string;
  /** One for each request: the scope in which it finds a prompt that was read before. */
  readonly scopes: readonly (string | undefined)[];
  readonly text: string;
  readonly answerTokens: number;
}

export interface RequestsRun {
  /** Time until all requests have ended, in milliseconds. */
  readonly ms: number;
  /** Tokens of one prompt, and the ones of all prompts that were in the cache. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Tokens of the shortest answer. */
  readonly answerTokens: number;
}

/** Tokens that were chosen before become more likely, so the token that ends an answer does not. */
const LONG_ANSWERS = { temperature: 0, frequency_penalty: -2 } as const;

/** Runs equal requests at the same time. Throws if the engine refuses or fails one. */
export async function runRequests(
  engine: Engine,
  { build, scopes, text, answerTokens }: BenchmarkRequests,
): Promise<RequestsRun> {
  const began = performance.now();
  const usages = await Promise.all(
    scopes.map((cacheScope) => {
      const { promise, resolve, reject } = Promise.withResolvers<Usage>();
      const chat = {
        messages: [{ role: 'user' as const, content: text }],
        max_tokens: answerTokens,
        ...LONG_ANSWERS,
      };
      engine.generate(
        { build, chat, maxTokens: answerTokens, ...(cacheScope !== undefined && { cacheScope }) },
        {
          delta: () => {},
          refuse: (refusal) => reject(failed(refusal)),
          end: (finish, usage) =>
            finish === 'error' || finish === 'cancelled' ? reject(failed(finish)) : resolve(usage),
        },
      );
      return promise;
    }),
  );
  const ms = performance.now() - began;
  return {
    ms,
    promptTokens: usages[0]?.promptTokens ?? 0,
    cachedTokens: usages.reduce((sum, usage) => sum + usage.cachedTokens, 0),
    answerTokens: Math.min(...usages.map(({ completionTokens }) => completionTokens)),
  };
}

const failed = (reason: RequestRefused | string): Error =>
  new Error(
    `the engine did not answer a request of the benchmark: ${reason instanceof RequestRefused ? reason.code : reason}`,
  );
