import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceMethod } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import type { TraceContext } from '#observability/otel/trace-context.ts';

export interface CallLimits {
  readonly eachMs: number;
  readonly totalMs: number;
  /** The trace that the called component continues. */
  readonly trace?: TraceContext | undefined;
}

const PAUSE_MS = 100;

/**
 * Repeats a call until there is a reply: a component may be restarting, and all methods may safely
 * be called twice. Throws the last BusError when the time is up.
 */
export async function askUntil<Reply>(
  ask: (timeoutMs: number) => Promise<Reply>,
  limits: CallLimits,
): Promise<Reply> {
  const giveUpAt = performance.now() + limits.totalMs;
  for (;;) {
    try {
      return await ask(Math.max(1, Math.min(limits.eachMs, giveUpAt - performance.now())));
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      if (
        error.code === 'closed' ||
        error.code === 'failed' ||
        performance.now() + PAUSE_MS >= giveUpAt
      )
        throw error;
    }
    await delay(PAUSE_MS);
  }
}

export function callUntil<Request, Reply>(
  bus: Bus,
  method: ServiceMethod<Request, Reply>,
  request: Request,
  limits: CallLimits,
): Promise<Reply> {
  const { trace } = limits;
  return askUntil((timeoutMs) => bus.call(method, request, { timeoutMs, trace }), limits);
}

/**
 * Calls a component for a caller that can continue without the reply: returns undefined when the
 * time is up. The bus has counted the failed calls.
 */
export async function answerIfAny<Request, Reply>(
  bus: Bus,
  method: ServiceMethod<Request, Reply>,
  request: Request,
  limits: CallLimits,
): Promise<Reply | undefined> {
  try {
    return await callUntil(bus, method, request, limits);
  } catch (error) {
    if (error instanceof BusError) return undefined;
    throw error;
  }
}

/**
 * Calls a component for a route that cannot answer without the reply: throws a 503 when the time is
 * up, whose cause the server logs.
 */
export async function answerOf<Request, Reply>(
  bus: Bus,
  method: ServiceMethod<Request, Reply>,
  request: Request,
  limits: CallLimits,
): Promise<Reply> {
  try {
    return await callUntil(bus, method, request, limits);
  } catch (cause) {
    if (cause instanceof BusError) throw new ApiError('service_unavailable', undefined, { cause });
    throw cause;
  }
}
