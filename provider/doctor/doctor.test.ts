import { expect, test } from 'vitest';
import type { Measurement } from '../engine/measured-speeds.ts';
import { sentencesWithoutCase } from '../printed-sentences-under-test.ts';
import type { State } from '../service/control-api.ts';
import { type CheckFinding, findingsOf } from './check.ts';
import { checks, printedFindings } from './doctor.ts';
import type { CoordinatorFact, Facts } from './facts.ts';

const NOW = Date.parse('2026-11-27T12:00:00Z');
const DAY_MS = 86_400_000;

const service = (changes: Partial<State>): State => ({
  phase: 'serving',
  sentence: 'Ready.',
  since: '',
  running: 0,
  models: [],
  trust: { standing: 'verified', level: 'self_signed' },
  link: { since: '' },
  answers: { total: 0, tokens: 0, by_build: {} },
  failures: 0,
  ...changes,
});
const trusted = (standing: string, fault?: string): State =>
  service({ trust: { standing, level: 'self_signed', ...(fault !== undefined && { fault }) } });
const demanded = (missed: string): State =>
  service({
    demand: [{ build: 'sim', requests: 1, chosen: 0, missed }],
    no_request: { code: missed, text: 'its price is high.' },
  });
type Answered = Extract<CoordinatorFact, { state: 'answered' }>;
const answered = (changes: Partial<Answered>): CoordinatorFact => ({
  state: 'answered',
  isReady: true,
  missing: [],
  degraded: [],
  clockAheadMs: 10,
  ...changes,
});
const serverWith = (served: number, ...missing: string[]): Facts['modelServer'] => ({
  url: 'http://127.0.0.1:1/v1',
  served,
  missing,
});
const OTHER_MODEL = 'Load the model there, or choose another: dinf provider start --model MODEL';
const measurement: Measurement = {
  build: 'b',
  digest: 'ab12',
  engine: 'mlx',
  version: '0.1.0',
  at: NOW - 3 * DAY_MS,
  announced: { prefillTps: 900.4, decodeTps: 41.6 },
  points: [],
  steady: [],
};
const model = {
  name: 'a/b',
  build: 'b',
  bytes: 4e9,
  changedAt: NOW - 9 * DAY_MS,
  fault: undefined,
};
/** A machine that serves and needs nothing. */
const facts: Facts = {
  platform: 'linux',
  nodeVersion: 'v24.1.0',
  programVersion: '0.1.0',
  isRoot: false,
  proxies: [],
  checksCertificates: true,
  allowsInsecure: false,
  hasNodeOptions: false,
  home: '/home/ann/.dinf/provider',
  homeFree: 50e9,
  cacheFree: 50e9,
  memoryForModels: 24e9,
  memoryFree: 20e9,
  openFiles: 65_536,
  modes: {
    '.': 0o700,
    'user.nk': 0o600,
    'signing.pem': 0o600,
    'leaf.creds': 0o600,
    'control.sock': 0o600,
  },
  natsServer: { version: '2.15.1' },
  nativeFault: undefined,
  engine: { name: 'mlx', isSoftware: false },
  enrolment: { provider: 'P', coordinatorUrl: 'https://net' },
  credentialsExpireAt: NOW + 20 * DAY_MS,
  hubCaExpiresAt: NOW + 400 * DAY_MS,
  settings: {
    coordinator: 'https://net',
    engine: 'auto',
    models: ['a/b'],
    concurrency: 4,
    idleMinutes: 30,
    link: true,
    isPaused: false,
  },
  modelServer: undefined,
  models: [model],
  measurements: [measurement],
  coordinator: answered({}),
  hubs: [{ address: 'hub:7422', fault: undefined }],
  service: service({ demand: [] }),
  serviceVersion: '0.1.0',
  isInstalled: true,
  lingers: true,
  hasBattery: false,
  isOnBattery: false,
  sleepMinutes: undefined,
  receiptsWaiting: 0,
  now: NOW,
};
const findingOf = (name: string, changes: Partial<Facts>): CheckFinding | undefined =>
  findingsOf(checks, { ...facts, ...changes }).find((finding) => finding.name === name);

const MEASURE = 'dinf provider stop, dinf provider benchmark, dinf provider start';

/** Check, changes of the facts, the sentence with its state, and the step that helps. */
const SENTENCES: readonly (readonly [string, Partial<Facts>, string, string?])[] = [
  ['node', {}, 'ok: Node v24.1.0 runs the program.'],
  [
    'node',
    { nodeVersion: 'v22.1.0' },
    'fault: Node v22.1.0 is too old.',
    'Install Node 24 or later from nodejs.org.',
  ],
  ['nats_server', {}, 'ok: nats-server 2.15.1 was found.'],
  [
    'nats_server',
    { natsServer: { fault: 'none was found.' } },
    'fault: No nats-server can be used: none was found.',
    'Install nats-server, or set DINF_NATS_SERVER to its path.',
  ],
  ['native_part', {}, 'ok: The native part is built.'],
  [
    'native_part',
    { nativeFault: 'it was not built' },
    'advice: The native part is missing: it was not built.',
    'Install a C++ compiler (on a Mac: xcode-select --install) and start the program again.',
  ],
  ['engine', {}, 'ok: The engine mlx runs the models.'],
  [
    'engine',
    { engine: { name: 'reference', isSoftware: true } },
    'advice: The engine reference computes in software, which is slow.',
    'Run "dinf doctor": it says why no better engine runs here.',
  ],
  [
    'engine',
    { engine: { fault: 'no memory' } },
    'fault: No engine runs here: no memory.',
    'Run "dinf doctor" for the engines.',
  ],
  [
    'engine',
    { modelServer: serverWith(1) },
    'ok: The model server at http://127.0.0.1:1/v1 runs the models.',
  ],
  [
    'engine',
    { modelServer: { url: undefined, fault: 'No model server is named' } },
    'fault: No model server is named.',
    'Start the model server, or name it: dinf provider start --engine openai --upstream URL',
  ],
  ['memory', {}, 'ok: This computer has 24.0 GB for models.'],
  [
    'memory',
    { models: [{ name: 'large', build: 'large', bytes: 40e9, changedAt: 0, fault: undefined }] },
    'fault: The largest model needs about 44.0 GB, and this computer has 24.0 GB for models.',
    'Serve a smaller model: "dinf provider models search" lists some.',
  ],
  ['memory_free', {}, 'ok: 20.0 GB of memory is free.'],
  [
    'memory_free',
    { memoryFree: 5e8 },
    'advice: Only 500 MB of memory is free.',
    'Close programs that need much memory.',
  ],
  ['disk_home', {}, 'ok: The disk of /home/ann/.dinf/provider has 50.0 GB free.'],
  [
    'disk_home',
    { homeFree: undefined },
    'unknown: The free space of /home/ann/.dinf/provider cannot be read.',
  ],
  [
    'disk_home',
    { homeFree: 2e8 },
    'fault: The disk of /home/ann/.dinf/provider has only 200 MB free.',
    'Delete files you do not need.',
  ],
  ['disk_models', {}, 'ok: The disk of the models has 50.0 GB free.'],
  ['disk_models', { cacheFree: undefined }, 'unknown: No model has been downloaded yet.'],
  [
    'disk_models',
    { cacheFree: 3e8 },
    'advice: The disk of the models has only 300 MB free.',
    'Remove models: "dinf provider models list" shows them, and "remove" deletes one.',
  ],
  ['open_files', {}, 'ok: A process may open 65536 files.'],
  ['open_files', { openFiles: undefined }, 'unknown: The limit of open files cannot be read here.'],
  [
    'open_files',
    { openFiles: 256 },
    'advice: A process may open only 256 files.',
    'Run "ulimit -n 4096" before the start.',
  ],
  ['user', {}, 'ok: The program runs as an ordinary user.'],
  ['user', { isRoot: true }, 'advice: The program runs as root.', 'Run it as an ordinary user.'],
  ['power', {}, 'ok: This computer has no battery.'],
  ['power', { hasBattery: true }, 'ok: This computer runs on its power supply.'],
  [
    'power',
    { hasBattery: true, isOnBattery: true },
    'advice: This computer runs on its battery.',
    'Connect its power supply.',
  ],
  ['sleep', { sleepMinutes: 0 }, 'ok: This computer does not sleep by itself.'],
  ['sleep', {}, 'unknown: When this computer sleeps cannot be read here.'],
  [
    'sleep',
    { hasBattery: true },
    'advice: This computer has a battery and may sleep when its lid is closed.',
    'Set in the system that it does not sleep while it is connected to power.',
  ],
  [
    'sleep',
    { sleepMinutes: 10, platform: 'darwin' },
    'advice: This computer sleeps after 10 min without input.',
    'Run "sudo pmset -c sleep 0": it then stays awake while it is connected to power.',
  ],
  [
    'sleep',
    { sleepMinutes: 10 },
    'advice: This computer sleeps after 10 min without input.',
    'Switch off automatic sleep in the settings of the system.',
  ],
  ['proxy', {}, 'ok: No proxy is set.'],
  [
    'proxy',
    { proxies: ['HTTPS_PROXY', 'ALL_PROXY'] },
    'advice: HTTPS_PROXY and ALL_PROXY name a proxy, which the program does not use.',
    'Allow direct connections to the coordinator and to the port of the hubs.',
  ],
  ['certificates', {}, 'ok: Certificates are checked.'],
  [
    'certificates',
    { checksCertificates: false },
    'fault: NODE_TLS_REJECT_UNAUTHORIZED=0 switches off the check of certificates.',
    'Remove the variable; NODE_EXTRA_CA_CERTS adds an authority of your own.',
  ],
  ['insecure', {}, 'ok: Only coordinators with TLS, or on this computer, are accepted.'],
  [
    'insecure',
    { allowsInsecure: true },
    'advice: DINF_INSECURE=1 is set.',
    'Remove it, unless you trust the network between.',
  ],
  ['node_options', {}, 'ok: NODE_OPTIONS is not set.'],
  [
    'node_options',
    { hasNodeOptions: true },
    'advice: NODE_OPTIONS is set and may change memory or debugging.',
    'Remove the variable.',
  ],
  ['home', {}, 'ok: Only its owner can read the folder of this machine.'],
  ['home', { modes: {} }, 'unknown: There is no folder yet.'],
  [
    'home',
    { modes: { '.': 0o644 } },
    'fault: Other users can read the folder of this machine (mode 644).',
    'chmod go= /home/ann/.dinf/provider',
  ],
  ['bus_key', {}, 'ok: Only its owner can read user.nk.'],
  ['bus_key', { modes: {} }, 'unknown: There is no user.nk yet.'],
  [
    'bus_key',
    { modes: { 'user.nk': 0o644 } },
    'fault: Other users can read user.nk (mode 644).',
    'chmod go= /home/ann/.dinf/provider/user.nk',
  ],
  ['signing_key', {}, 'ok: Only its owner can read signing.pem.'],
  ['signing_key', { modes: {} }, 'unknown: There is no signing.pem yet.'],
  [
    'signing_key',
    { modes: { 'signing.pem': 0o644 } },
    'fault: Other users can read signing.pem (mode 644).',
    'chmod go= /home/ann/.dinf/provider/signing.pem',
  ],
  ['credentials', {}, 'ok: Only its owner can read leaf.creds.'],
  ['credentials', { modes: {} }, 'unknown: There is no leaf.creds yet.'],
  [
    'credentials',
    { modes: { 'leaf.creds': 0o644 } },
    'fault: Other users can read leaf.creds (mode 644).',
    'chmod go= /home/ann/.dinf/provider/leaf.creds',
  ],
  ['control_socket', {}, 'ok: Only its owner can read control.sock.'],
  ['control_socket', { modes: {} }, 'unknown: There is no control.sock yet.'],
  [
    'control_socket',
    { modes: { 'control.sock': 0o644 } },
    'fault: Other users can read control.sock (mode 644).',
    'chmod go= /home/ann/.dinf/provider/control.sock',
  ],
  ['enrolment', {}, 'ok: This machine is enrolled as P.'],
  [
    'enrolment',
    { enrolment: undefined },
    'advice: This machine is not enrolled yet.',
    'dinf provider start --link',
  ],
  ['credentials_expiry', {}, 'ok: The credentials of the leaf are valid until 2026-12-17.'],
  [
    'credentials_expiry',
    { credentialsExpireAt: undefined },
    'unknown: There are no credentials that expire.',
  ],
  [
    'credentials_expiry',
    { credentialsExpireAt: NOW - 1 },
    'fault: The credentials of the leaf have expired.',
    'Run "dinf provider restart": it renews them when the coordinator can be reached.',
  ],
  [
    'credentials_expiry',
    { credentialsExpireAt: NOW + 1 },
    'advice: The credentials of the leaf expire within two days and were not renewed.',
    'Run "dinf provider logs": it shows why the renewal fails.',
  ],
  ['hub_authority', {}, 'ok: The certificate of the authority is valid until 2028-01-01.'],
  [
    'hub_authority',
    { hubCaExpiresAt: undefined },
    'unknown: The hubs of this network have no authority.',
  ],
  [
    'hub_authority',
    { hubCaExpiresAt: NOW - 1 },
    'fault: The certificate of the authority has expired.',
    'dinf provider restart',
  ],
  ['settings', {}, 'ok: The options of the last start are saved.'],
  [
    'settings',
    { settings: undefined },
    'advice: No options are saved.',
    'dinf provider start --link --model MODEL',
  ],
  ['models', {}, 'ok: Every chosen model is complete.'],
  [
    'models',
    { models: [] },
    'advice: No model was chosen, so the small test model is served.',
    'dinf provider start --model MODEL',
  ],
  [
    'models',
    { models: [{ ...model, fault: 'config.json is missing' }] },
    'fault: a/b cannot be opened: config.json is missing.',
    'dinf provider models pull a/b',
  ],
  [
    'models',
    { modelServer: { url: undefined, fault: 'No model server is named' } },
    'unknown: The model server does not answer.',
  ],
  [
    'models',
    { modelServer: serverWith(2) },
    'ok: The machine serves 2 models of the model server.',
  ],
  [
    'models',
    { modelServer: serverWith(1, 'b', 'c') },
    'advice: The model server does not offer b, c.',
    OTHER_MODEL,
  ],
  [
    'models',
    { modelServer: serverWith(0, 'b', 'c') },
    'fault: The model server offers none of the chosen models: b, c.',
    OTHER_MODEL,
  ],
  [
    'models',
    { modelServer: serverWith(0) },
    'fault: The model server offers no model that can chat.',
    OTHER_MODEL,
  ],
  ['receipts', {}, 'ok: All receipts are acknowledged.'],
  [
    'receipts',
    { receiptsWaiting: 3 },
    'advice: 3 receipts are not acknowledged yet.',
    'Keep the service running: it repeats them until they are.',
  ],
  ['speeds', {}, 'ok: b reads 900 and writes 42 tokens/s, as measured on 2026-11-24.'],
  ['speeds', { models: [] }, 'unknown: No model was chosen.'],
  [
    'speeds',
    { models: [], modelServer: serverWith(1) },
    'ok: The speeds of a model server are measured from its answers.',
  ],
  [
    'speeds',
    { measurements: [] },
    'unknown: b was not measured: it announces the result of a trial of some tokens. "dinf provider benchmark" measures it.',
  ],
  [
    'speeds',
    { measurements: [{ ...measurement, engine: 'cpu' }] },
    'advice: b was measured with cpu and runs with mlx.',
    MEASURE,
  ],
  [
    'speeds',
    { programVersion: '0.2.0' },
    'advice: b was measured with version 0.1.0, and this is 0.2.0.',
    MEASURE,
  ],
  [
    'speeds',
    { models: [{ ...model, changedAt: NOW - DAY_MS }] },
    'advice: The files of b are newer than its measurement.',
    MEASURE,
  ],
  ['address', {}, 'ok: The coordinator is https://net.'],
  [
    'address',
    { enrolment: undefined, settings: undefined },
    'unknown: No coordinator was chosen yet.',
  ],
  [
    'address',
    { enrolment: { provider: 'P', coordinatorUrl: 'http://net' } },
    'fault: http://net has no TLS.',
    'Use the https:// address of the coordinator.',
  ],
  ['coordinator', {}, 'ok: The coordinator is ready.'],
  [
    'coordinator',
    { coordinator: { state: 'unknown' } },
    'unknown: No coordinator was chosen yet, so none was called.',
  ],
  [
    'coordinator',
    { coordinator: { state: 'unreachable', detail: 'no route' } },
    'fault: The coordinator cannot be reached: no route.',
    'Check the internet connection, and the address with "dinf provider status".',
  ],
  [
    'coordinator',
    { coordinator: { state: 'certificate', detail: 'unknown authority' } },
    'ok: The coordinator answers, but its certificate is not accepted (see tls).',
  ],
  [
    'coordinator',
    { coordinator: answered({ isReady: false }) },
    'advice: The coordinator is not ready.',
    'Wait: its operator sees the reason.',
  ],
  ['tls', {}, 'ok: The connection to the coordinator is accepted.'],
  [
    'tls',
    { coordinator: { state: 'certificate', detail: 'unknown authority' } },
    'fault: The certificate of the coordinator is not accepted: unknown authority.',
    'If the network has an authority of its own, set NODE_EXTRA_CA_CERTS to its certificate.',
  ],
  ['tls', { coordinator: { state: 'unknown' } }, 'unknown: The certificate was not seen.'],
  ['clock', {}, 'ok: The clock agrees with the coordinator.'],
  [
    'clock',
    { coordinator: { state: 'unknown' } },
    'unknown: The clock cannot be compared without the coordinator.',
  ],
  [
    'clock',
    { coordinator: answered({ clockAheadMs: 200_000 }) },
    'fault: The clock is 200 s ahead.',
    'Set the time automatically from a time server.',
  ],
  [
    'clock',
    { coordinator: answered({ clockAheadMs: -60_000 }) },
    'advice: The clock is somewhat wrong: 60 s behind.',
    'Set the time automatically from a time server.',
  ],
  ['hub', {}, 'ok: 1 of 1 hubs can be reached.'],
  ['hub', { hubs: [] }, 'unknown: No address of a hub is known yet.'],
  [
    'hub',
    { hubs: [{ address: 'hub:7422', fault: 'refused' }] },
    'fault: No hub can be reached; hub:7422: refused.',
    'Allow outgoing connections to this port in the firewall.',
  ],
  ['service', {}, 'ok: The service runs: serving.'],
  ['service', { service: undefined }, 'advice: The service does not run.', 'dinf provider start'],
  ['version', {}, 'ok: The service runs version 0.1.0.'],
  ['version', { serviceVersion: undefined }, 'unknown: The service does not run.'],
  [
    'version',
    { serviceVersion: '0.0.9' },
    'advice: The service runs version 0.0.9; 0.1.0 is installed.',
    'dinf provider stop, then dinf provider start',
  ],
  ['autostart', {}, 'ok: The computer starts the service by itself.'],
  [
    'autostart',
    { isInstalled: false },
    'advice: The computer does not start the service by itself.',
    'dinf provider install',
  ],
  ['linger', {}, 'ok: The service goes on after you log out.'],
  ['linger', { lingers: undefined }, 'unknown: This computer has no systemd.'],
  [
    'linger',
    { lingers: false },
    'advice: The service ends when you log out.',
    'loginctl enable-linger',
  ],
  ['worker', {}, 'ok: The worker runs.'],
  ['worker', { service: undefined }, 'unknown: The service does not run.'],
  [
    'worker',
    { service: service({ failures: 5, sentence: 'Failed 5 times.' }) },
    'fault: The worker failed 5 times in a row. Failed 5 times.',
    'dinf provider logs',
  ],
  ['paused', {}, 'ok: The machine is not paused.'],
  ['paused', { service: undefined }, 'unknown: The service does not run.'],
  [
    'paused',
    { service: service({ phase: 'paused' }) },
    'advice: The machine is paused by you.',
    'dinf provider resume',
  ],
  ['leaf', {}, 'ok: The leaf is connected to a hub.'],
  ['leaf', { service: undefined }, 'unknown: The leaf does not run.'],
  [
    'leaf',
    { service: service({ link: { fault: 'no_link', since: '' }, sentence: 'Not connected.' }) },
    'fault: The leaf is not connected. Not connected.',
    'dinf provider logs',
  ],
  ['trust', {}, 'ok: The network has verified this machine.'],
  ['trust', { service: undefined }, 'unknown: The network has not judged this machine yet.'],
  [
    'trust',
    { service: trusted('untrusted', 'overbilled') },
    'fault: The network does not trust this machine. It billed more tokens than its answers contain, in several samples of one day. Install the published program and model and ask the operator to pardon the machine.',
    'Ask its operator.',
  ],
  [
    'trust',
    { service: trusted('untrusted') },
    'fault: The network does not trust this machine. The network gives no reason.',
    'Ask its operator.',
  ],
  [
    'trust',
    { service: trusted('lapsed', 'no_answer') },
    'fault: The machine did not answer its checks. It did not answer three requests for its evidence. Check that the provider runs and is connected.',
    'dinf provider restart',
  ],
  [
    'trust',
    { service: trusted('pending') },
    'advice: The network checks this machine.',
    'Wait: a check takes less than a minute.',
  ],
  [
    'trust',
    { service: trusted('pending', 'clock_off') },
    'fault: The network has not verified this machine. Its clock is wrong by more than two minutes. Set the time automatically from a time server.',
    'dinf provider logs',
  ],
  ['trust_level', {}, 'ok: The level is self_signed, the highest one of this system.'],
  [
    'trust_level',
    { service: undefined },
    'unknown: The network has not judged this machine since the start.',
  ],
  [
    'trust_level',
    { service: service({ trust: { standing: 'verified', level: 'hardware' } }) },
    'ok: The level is hardware, the highest one.',
  ],
  [
    'trust_level',
    { platform: 'darwin' },
    'advice: The level is self_signed: Apple has not confirmed the key of this Mac.',
    'Ask the operator whether the network confirms Macs by device management.',
  ],
  [
    'trust_level',
    { service: service({ trust: { standing: 'pending', level: 'none' } }) },
    'advice: The machine has no level yet.',
    'Wait for the next check, five minutes.',
  ],
  ['model_digests', {}, 'ok: The network has reported no difference in the files of the models.'],
  ['model_digests', { service: undefined }, 'unknown: The service does not run.'],
  [
    'model_digests',
    { service: trusted('untrusted', 'wrong_model') },
    'fault: Its model files are not the ones that the catalog lists. Download the model again.',
    'dinf provider models verify MODEL, then pull it again',
  ],
  [
    'model_digests',
    { service: demanded('weights') },
    'fault: Its model files are not the ones that the catalog lists. Download the model again.',
    'dinf provider models verify MODEL, then pull it again',
  ],
  ['requests', {}, 'ok: The machine got requests in the last minute.'],
  ['requests', { service: service({}) }, 'unknown: The router has not reported yet.'],
  ['requests', { service: undefined }, 'unknown: The service does not run.'],
  [
    'requests',
    { service: demanded('price') },
    'advice: The machine got no request in the last minute: its price is high.',
    'docs/providers/troubleshooting.md, "It gets no work", lists the reasons.',
  ],
];

const rows = SENTENCES.map(([name, changes, sentence, fix]) => ({ name, changes, sentence, fix }));
test.each(rows)('the check $name prints "$sentence"', ({ name, changes, sentence, fix }) => {
  const finding = findingOf(name, changes);
  expect(`${finding?.state}: ${finding?.text}`).toBe(sentence);
  expect(finding?.fix).toBe(fix);
});

test.each(['machine-checks.ts', 'home-checks.ts', 'network-checks.ts', 'speed-check.ts'])(
  'a row above has every sentence of %s',
  (file) => {
    const meanings = checks.map(({ meaning }) => meaning);
    const printed = [...meanings, ...SENTENCES.flat().filter((text) => typeof text === 'string')];
    expect(sentencesWithoutCase(new URL(file, import.meta.url), printed)).toEqual([]);
  },
);

test('every check has a name of its own, a meaning, and a test of a good state', () => {
  const names = checks.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(30);
  for (const { name, meaning } of checks) {
    expect(meaning, name).toMatch(/^[A-Z].*\.$/);
    expect(
      SENTENCES.some(([of, , sentence]) => of === name && sentence.startsWith('ok: ')),
      name,
    ).toBe(true);
  }
});

test('meaning and fix are printed where something can be done, and the sum at the end', () => {
  const findings = findingsOf(checks, { ...facts, nodeVersion: 'v22.1.0' });
  const lines = printedFindings(findings).split('\n');
  expect(lines.slice(0, 4)).toEqual([
    'FAULT    node                Node v22.1.0 is too old.',
    '                             The program needs Node 24.',
    '                             → Install Node 24 or later from nodejs.org.',
    'ok       nats_server         nats-server 2.15.1 was found.',
  ]);
  expect(lines.at(-1)).toBe('44 checks: 42 ok, 0 with advice, 1 with a fault, 1 unknown.');
});
