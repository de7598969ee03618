import { join } from 'node:path';
import type { Logger } from 'pino';
import { loadHardening } from '#native';
import { startAgent } from './agent/agent.ts';
import type { Engine } from './engine/engine.ts';
import { enrolment } from './identity.ts';
import { startLeaf } from './leaf/leaf.ts';
import { ownSigner } from './own-signer.ts';

export interface DaemonOptions {
  readonly home: string;
  readonly coordinatorUrl: string;
  /** For the first start. */
  readonly token?: () => Promise<string>;
  readonly name: string;
  readonly natsServer: string;
  readonly engine: Engine;
  readonly log: Logger;
}

export interface Daemon extends AsyncDisposable {
  readonly provider: string;
  /** Takes nothing new and finishes what runs. */
  drain(timeoutMs: number): Promise<void>;
}

/** One machine that serves: enrolled, behind a leaf node of its own, shut to debuggers where the native part is built. */
export async function startDaemon({ home, coordinatorUrl, token, name, natsServer, engine, log }: DaemonOptions): Promise<Daemon> {
  harden(log);
  await using started = new AsyncDisposableStack();
  const own = await enrolment({ home, coordinatorUrl, name, token });
  const leaf = started.use(await startLeaf({ binary: natsServer, home: join(home, 'leaf'), enrolments: [own], log }));
  const connection = await leaf.connect(own);
  started.defer(() => connection.close());
  const agent = started.use(await startAgent({ connection, engine, log, signer: await ownSigner(home), receiptsFile: join(home, 'receipts.json') }));
  const running = started.move();
  return { provider: own.provider, drain: (timeoutMs) => agent.drain(timeoutMs), [Symbol.asyncDispose]: () => running.disposeAsync() };
}

function harden(log: Logger): void {
  const hardening = loadHardening();
  if (!hardening.available) {
    log.warn(hardening.reason);
    return;
  }
  for (const outcome of hardening.hardenProcess()) if (!outcome.done) log.warn(outcome, 'a protection could not be had');
}
