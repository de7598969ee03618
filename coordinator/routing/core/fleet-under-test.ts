import { type Announcement, type Reserve, type Slot, SUITE_ID } from '#bus-schemas';

/** Announcements of providers and requests for tests. */

export const idOf = (letter: string) => `A${letter.repeat(55)}`;
export const slot = (changes: Partial<Slot> = {}): Slot => ({
  build: 'sim',
  state: 'resident',
  contextTokens: 1_000,
  running: 0,
  waiting: 0,
  maxConcurrency: 4,
  freeTokens: 100_000,
  decodeTps: 50,
  prefillTps: 1_000,
  loadMs: 5_000,
  ...changes,
});
export const announcement = (
  changes: Partial<Announcement> = {},
  slots: Slot[] = [slot()],
): Announcement => ({
  session: 's_0123456789ab',
  sequence: 1,
  draining: false,
  agentVersion: '1',
  machine: { chip: 'M', memoryGb: 64, bandwidthGbps: 400, simulated: true },
  engine: 'simulated',
  sealing: { suite: SUITE_ID, publicKey: new Uint8Array(32) },
  slots,
  ...changes,
});
/** A request that does not wait, for the job with this number. */
export const reservation = (job: number, changes: Partial<Reserve> = {}): Reserve => ({
  job: `job_${String(job).padStart(22, '0')}`,
  account: 'acct_0000',
  model: 'sim',
  builds: ['sim'],
  promptTokens: 100,
  maxOutputTokens: 100,
  patienceMs: 0,
  exclude: [],
  ...changes,
});
