import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import { type Agent, type Engine, type Enrolment, enrolment, type Leaf, ownIdentity, startAgent, startLeaf } from '#provider';
import { type AilmentName, ailments } from './ailment.ts';
import { corruptFrames } from './corrupt-frames.ts';
import { overcounting, withoutSignatures } from './dishonest.ts';
import { EmulatedMac } from './emulated-mac.ts';
import { createSimulatedEngine, type EngineProfile, type SimulatedEngine } from './simulated-engine.ts';

/** Of one provider among others: an ailment, or a liar on the bus. */
export type Fault = 'corrupt_frames' | 'no_signatures' | 'overcounts' | AilmentName;

export interface FleetOptions {
  readonly coordinatorUrl: string;
  /** A one-time token for each provider that is not enrolled yet. */
  readonly token: () => Promise<string>;
  readonly count: number;
  /** Of each, by its number. */
  readonly profile: (index: number) => EngineProfile;
  /** Runs a real model instead of the imagined one. */
  readonly realEngine?: () => Promise<Engine>;
  readonly natsServer: string;
  readonly home: string;
  /** A leaf of its own for each, as in the field, or one for all, as in a large test. */
  readonly leaves: 'own' | 'shared';
  readonly log: Logger;
  /** By the number of the provider. */
  readonly faults?: Readonly<Record<number, Fault>>;
}

export interface SimulatedProvider {
  readonly id: string;
  readonly engine: SimulatedEngine;
  readonly agent: Agent;
  readonly connection: NatsConnection;
  /** Gone without a word. With a leaf of its own the hub notices; otherwise only the silence tells. */
  kill(): Promise<void>;
}

export interface Fleet extends AsyncDisposable {
  readonly providers: readonly SimulatedProvider[];
  readonly leaves: readonly Leaf[];
  /** Takes nothing new and finishes what runs. */
  drain(timeoutMs: number): Promise<void>;
}

/** Enrolments that run at once: they are the coordinator's work, not ours. */
const ENROL_AT_ONCE = 8;

export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { count, home, leaves: kind, natsServer: binary, log } = options;
  const enrolments = await enrolAll(options);
  const groups = kind === 'shared' ? [enrolments] : enrolments.map((one) => [one]);
  const leaves = await Promise.all(
    groups.map((group, index) => startLeaf({ binary, home: join(home, kind === 'shared' ? 'leaf' : `leaf-${index}`), enrolments: group, log })),
  );
  const providers = await Promise.all(enrolments.map((one, index) => startProvider(one, index, leaves[kind === 'shared' ? 0 : index] as Leaf, options)));
  log.info({ count }, 'the simulated fleet runs');
  return {
    providers,
    leaves,
    drain: async (timeoutMs) => void (await Promise.all(providers.map(({ agent }) => agent.drain(timeoutMs)))),
    [Symbol.asyncDispose]: async () => {
      for (const { agent, engine, connection } of providers) {
        await agent[Symbol.asyncDispose]();
        await engine[Symbol.asyncDispose]();
        await connection.close();
      }
      await Promise.all(leaves.map((leaf) => leaf[Symbol.asyncDispose]()));
    },
  };
}

async function enrolAll({ count, home, coordinatorUrl, token }: FleetOptions): Promise<Enrolment[]> {
  const enrolments: Enrolment[] = [];
  for (let start = 0; start < count; start += ENROL_AT_ONCE) {
    const batch = Array.from({ length: Math.min(ENROL_AT_ONCE, count - start) }, (_, offset) => start + offset);
    enrolments.push(
      ...(await Promise.all(
        batch.map(async (index) =>
          enrolment({
            home: join(home, `provider-${index}`),
            coordinatorUrl,
            token: { source: 'operator', isDemanded: false, get: token },
            name: `simulated-${index}`,
          }),
        ),
      )),
    );
  }
  return enrolments;
}

async function startProvider(
  own: Enrolment,
  index: number,
  leaf: Leaf,
  { profile: profileOf, realEngine, faults, home, leaves, log }: FleetOptions,
): Promise<SimulatedProvider> {
  const fault = faults?.[index];
  const profile = profileOf(index);
  const connection = await leaf.connect(own);
  const engine = realEngine
    ? new EmulatedMac(await realEngine(), profile.chip)
    : createSimulatedEngine({ ...profile, ...(isAilment(fault) && { ailment: ailments[fault] }) });
  const agent = await startAgent({
    connection: fault === 'corrupt_frames' ? corruptFrames(connection) : fault === 'no_signatures' ? withoutSignatures(connection) : connection,
    engine: fault === 'overcounts' ? overcounting(engine) : engine,
    log: log.child({ provider: index }),
    identity: await ownIdentity(join(home, `provider-${index}`), own.provider),
    receiptsFile: join(home, `provider-${index}`, 'receipts.json'),
  });
  return {
    id: own.provider,
    engine,
    agent,
    connection,
    kill: async () => {
      if (leaves === 'own') await leaf.kill();
      await connection.close();
      await engine[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
    },
  };
}

const isAilment = (fault: Fault | undefined): fault is AilmentName => fault !== undefined && fault in ailments;
