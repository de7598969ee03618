import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceMethod } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';
import { ApiError } from './errors.ts';

const PAUSE_MS = 100;

/** Calls again while nobody answers: a component may be starting anew, and every method may be asked twice. Undefined when time is up. */
export function callUntil<Request, Reply>(
  bus: Bus,
  method: ServiceMethod<Request, Reply>,
  request: Request,
  limits: { eachMs: number; totalMs: number },
): Promise<Reply | undefined> {
  return askUntil((timeoutMs) => bus.call(method, request, { timeoutMs }), limits);
}

/** The same for any way of asking. */
export async function askUntil<Reply>(ask: (timeoutMs: number) => Promise<Reply>, limits: { eachMs: number; totalMs: number }): Promise<Reply | undefined> {
  const giveUpAt = performance.now() + limits.totalMs;
  for (;;) {
    try {
      return await ask(Math.max(1, Math.min(limits.eachMs, giveUpAt - performance.now())));
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      if (error.code === 'closed' || error.code === 'failed' || performance.now() + PAUSE_MS >= giveUpAt) return undefined;
    }
    await delay(PAUSE_MS);
  }
}

/** The same for whoever has nothing to say without the answer: a 503 when time is up. */
export async function answerOf<Request, Reply>(
  bus: Bus,
  method: ServiceMethod<Request, Reply>,
  request: Request,
  limits: { eachMs: number; totalMs: number },
): Promise<Reply> {
  const answer = await callUntil(bus, method, request, limits);
  if (answer === undefined) throw new ApiError('service_unavailable');
  return answer;
}
