import { randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';
import { pino } from 'pino';
import {
  Challenge,
  codeHash,
  core,
  Nkey,
  newP256Key,
  p256Signer,
  SUITE_ID,
  services,
  signEvidence,
  TrustMessage,
} from '#bus-schemas';
import { type Bus, componentNames } from '#coordinator';
import { startNetwork } from '#network';
import { startSupervised } from '#provider';
import { DINF, operatorSettings } from '../dinf-program.ts';
import { cpuSeconds, processesOf } from './process-figures.ts';
import { show, spread } from './statistics.ts';

/**
 * Each round challenges all machines at once; the cost is converted to one challenge per five
 * minutes.
 */
const sizes = { full: { machines: 1_000, rounds: 5 }, smoke: { machines: 50, rounds: 2 } } as const;
const CHALLENGE_EVERY_SECONDS = 300;
const IDLE_SECONDS = 10;
const CALL = { timeoutMs: 10_000 };
const UNKNOWN = {
  systemIntegrity: 'unknown',
  secureBoot: 'unknown',
  authenticatedRoot: 'unknown',
  debuggersDenied: 'unknown',
} as const;
const say = (line = '') => console.log(line);

/**
 * Measures the processor time that repeated attestation of a fleet costs: of the component trust,
 * which runs in a process of its own, and of the database.
 */
export async function benchAttestation(name: keyof typeof sizes): Promise<void> {
  const { machines, rounds } = sizes[name];
  const [{ model = 'unknown' } = {}] = cpus();
  say(
    `${name} size; ${cpus().length} × ${model}; node ${process.version}. Median of ${rounds} rounds (least–most).`,
  );
  await using stack = new AsyncDisposableStack();
  const components = componentNames.filter((component) => component !== 'trust');
  const network = stack.use(
    await startNetwork({
      log: pino({ level: 'silent' }),
      components,
      config: { http: { host: '127.0.0.1', port: 0 } },
    }),
  );
  const trust = stack.use(
    await startSupervised({
      name: 'trust',
      command: process.execPath,
      args: [DINF, 'coordinator', '--components', 'trust'],
      env: { ...process.env, ...operatorSettings(network), DINF_LOG: 'info' },
      isReady: (line) => line.includes('the coordinator runs'),
    }),
  );
  const database = new Pool({ connectionString: network.databaseUrl, max: 1 });
  stack.defer(() => database.end());
  const { bus } = network.coordinator;
  for (let index = 0; index < machines; index += 1) await enrolMachine(bus);
  const verified = async () =>
    Number(
      (
        await database.query(
          "SELECT count(*) FROM verdicts WHERE standing = 'verified' AND nonce IS NULL",
        )
      ).rows[0].count,
    );
  while ((await verified()) < machines) await delay(100);

  const postgresSeconds = () =>
    processesOf(process.pid).reduce(
      (sum, { pid, name: process }) => sum + (process.startsWith('postgres') ? cpuSeconds(pid) : 0),
      0,
    );
  const idleBefore = cpuSeconds(trust.pid);
  await delay(IDLE_SECONDS * 1_000);
  const idle = (cpuSeconds(trust.pid) - idleBefore) / IDLE_SECONDS;
  const shares: { trust: number[]; postgres: number[] } = { trust: [], postgres: [] };
  for (let round = 0; round < rounds; round += 1) {
    const [before, postgresBefore] = [cpuSeconds(trust.pid), postgresSeconds()];
    const { rows } = await database.query(
      'SELECT coalesce(max(fresh_until), 0) AS last FROM verdicts',
    );
    await database.query('UPDATE verdicts SET wake_at = 0');
    const renewed = async () =>
      Number(
        (
          await database.query(
            'SELECT count(*) FROM verdicts WHERE fresh_until > $1 AND nonce IS NULL',
            [rows[0].last],
          )
        ).rows[0].count,
      );
    while ((await renewed()) < machines) await delay(250);
    const each = (seconds: number) =>
      (100 * seconds * (1_000 / machines)) / CHALLENGE_EVERY_SECONDS;
    shares.trust.push(each(cpuSeconds(trust.pid) - before));
    shares.postgres.push(each(postgresSeconds() - postgresBefore));
  }
  say(
    `\n${machines} machines, all challenged in each round; shares of a core for 1 000 machines that are challenged every five minutes`,
  );
  say(
    `  trust      ${show(spread(shares.trust))} %, and ${(100 * idle).toFixed(2)} % without challenges`,
  );
  say(`  Postgres   ${show(spread(shares.postgres))} %`);
}

/**
 * Enrols a machine that answers challenges as a provider does; its own processor time is not
 * measured.
 */
async function enrolMachine(bus: Bus): Promise<void> {
  const { token } = await bus.call(services.trust.createToken, { lifetimeMs: 60_000 }, CALL);
  const busKey = Nkey.create('user').getPublicKey();
  const enrolled = await bus.call(
    services.trust.enrol,
    { token, userKey: busKey, name: 'imagined' },
    CALL,
  );
  if (!enrolled.ok) throw new Error(enrolled.code);
  const { provider } = enrolled;
  const signer = p256Signer(newP256Key());
  const sealingKey = randomBytes(32);
  const claims = {
    provider,
    busKey,
    sealingKey,
    keyStore: 'software',
    suite: SUITE_ID,
    agentVersion: '0.1.0',
    codeHash: codeHash(),
    simulated: true,
    posture: UNKNOWN,
  } as const;
  bus.subscribe({
    subject: core.down(provider, 'challenge'),
    kind: Challenge,
    handle: ({ nonce }) =>
      bus.publish(core.up(provider, 'trust'), TrustMessage, {
        t: 'evidence',
        evidence: signEvidence(signer, { ...claims, at: Date.now(), nonce }),
      }),
  });
  await bus.connection.flush();
  bus.publish(core.up(provider, 'trust'), TrustMessage, { t: 'ask', sealingKey });
}
