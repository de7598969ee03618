import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import { freemem, userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { credentialsLifetime } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import { cacheFolder } from '#bus-schemas/program-folders.mjs';
import { readIfThere } from '#bus-schemas/saved-file.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { loadHardening } from '#native';
import { hubCache } from '../downloads/hub-cache.ts';
import { chooseBackend } from '../engine/choose-backend.ts';
import { readMeasurements } from '../engine/measured-speeds.ts';
import { powerReader } from '../guest/power.ts';
import { printedBy } from '../guest/printed-by.ts';
import { type Enrolment, readEnrolment } from '../identity.ts';
import { findNatsServer } from '../leaf/nats-server-binary.ts';
import { memoryForModels } from '../machine.ts';
import { findModel } from '../models/find-model.ts';
import { isInstalled } from '../service/background.ts';
import { ControlClient } from '../service/control-client.ts';
import { readSettings } from '../service/settings.ts';
import type { Facts, ModelFact } from './facts.ts';
import { modelServerFact } from './model-server.ts';
import { coordinatorFact, hubFact } from './reach.ts';

const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];
const SECRET_FILES = ['.', 'user.nk', 'signing.pem', 'leaf.creds', 'control.sock'];

/** Reads all facts about the machine in `home`. A fact that cannot be read is unknown. */
export async function collectFacts(home: string, programVersion: string): Promise<Facts> {
  const [enrolment, settings, state, power] = await Promise.all([
    readEnrolment(home),
    readSettings(home).catch(() => undefined),
    serviceOf(home),
    powerOf(),
  ]);
  const modelServer = await modelServerFact(settings);
  const now = Date.now();
  return {
    platform: process.platform,
    nodeVersion: process.version,
    programVersion,
    isRoot: process.getuid?.() === 0,
    ...variables(),
    home,
    homeFree: await freeBytes(home),
    cacheFree: await freeBytes(hubCache(process.env)),
    memoryForModels: memoryForModels(),
    memoryFree: await availableMemory(),
    openFiles: await openFiles(),
    modes: await modesIn(home),
    natsServer: await natsServer(),
    nativeFault: nativeFault(),
    engine: await engine(),
    enrolment,
    credentialsExpireAt: await credentialsExpiry(home),
    hubCaExpiresAt: await hubCaExpiry(enrolment),
    settings,
    modelServer,
    models: modelServer ? [] : await Promise.all((settings?.models ?? []).map(modelFact)),
    measurements: await readMeasurements(home),
    coordinator: await coordinatorFact(enrolment?.coordinatorUrl ?? settings?.coordinator, now),
    hubs: await Promise.all((enrolment?.leafUrls ?? []).map(hubFact)),
    ...state,
    isInstalled: isInstalled(home),
    lingers: existsSync('/run/systemd/system')
      ? existsSync(join('/var/lib/systemd/linger', userInfo().username))
      : undefined,
    ...power,
    sleepMinutes: await sleepMinutes(),
    receiptsWaiting: await receiptsWaiting(home),
    now,
  };
}

/** Variables of Node and of the system, which change how the program connects and runs. */
function variables(): Pick<
  Facts,
  'proxies' | 'checksCertificates' | 'allowsInsecure' | 'hasNodeOptions'
> {
  const set = new Map(Object.entries(process.env).filter(([, value]) => value !== ''));
  return {
    proxies: PROXY_VARIABLES.filter((name) => set.has(name) || set.has(name.toLowerCase())),
    checksCertificates: set.get('NODE_TLS_REJECT_UNAUTHORIZED') !== '0',
    allowsInsecure: setting('DINF_INSECURE'),
    hasNodeOptions: set.has('NODE_OPTIONS'),
  };
}

async function serviceOf(home: string): Promise<Pick<Facts, 'service' | 'serviceVersion'>> {
  const client = new ControlClient(home);
  const hello = await client.hello().catch(() => undefined);
  if (hello === undefined) return { service: undefined, serviceVersion: undefined };
  return {
    service: await client.state().catch(() => undefined),
    serviceVersion: hello.version,
  };
}

async function freeBytes(path: string): Promise<number | undefined> {
  const disk = await statfs(path).catch(() => undefined);
  return disk && disk.bavail * disk.bsize;
}

/** On Linux, memory that the system can free at once counts as free. */
async function availableMemory(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const kilobytes = /^MemAvailable: +(\d+) kB/m.exec(text)?.[1];
  return kilobytes === undefined ? freemem() : Number(kilobytes) * 1_024;
}

async function openFiles(): Promise<number | undefined> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const limit = /^Max open files +(\d+)/m.exec(text)?.[1];
  return limit === undefined ? undefined : Number(limit);
}

async function modesIn(home: string): Promise<Record<string, number>> {
  const modes: Record<string, number> = {};
  for (const file of SECRET_FILES) {
    const found = await stat(join(home, file)).catch(() => undefined);
    if (found !== undefined) modes[file] = found.mode & 0o777;
  }
  return modes;
}

const natsServer = (): Promise<Facts['natsServer']> =>
  findNatsServer({ cacheDir: cacheFolder(process.env) }).then(
    ({ version }) => ({ version }),
    (error: unknown) => ({ fault: messageOf(error) }),
  );

function nativeFault(): string | undefined {
  const hardening = loadHardening();
  return hardening.available ? undefined : hardening.reason;
}

async function engine(): Promise<Facts['engine']> {
  try {
    const { backend } = await chooseBackend();
    const { name, isSoftware } = backend;
    await backend[Symbol.asyncDispose]();
    return { name, isSoftware };
  } catch (error) {
    return { fault: messageOf(error) };
  }
}

async function credentialsExpiry(home: string): Promise<number | undefined> {
  const text = await readIfThere(join(home, 'leaf.creds'));
  return text === undefined ? undefined : credentialsLifetime(text).expiresAt;
}

async function hubCaExpiry(enrolment: Enrolment | undefined): Promise<number | undefined> {
  const text = enrolment?.hubCaFile && (await readIfThere(enrolment.hubCaFile));
  return text ? new X509Certificate(text).validToDate.getTime() : undefined;
}

async function modelFact(name: string): Promise<ModelFact> {
  try {
    const { path, build } = await findModel(name);
    const files = (await readdir(path)).filter((file) => file.endsWith('.safetensors'));
    const stats = await Promise.all(files.map((file) => stat(join(path, file))));
    return {
      name,
      build,
      bytes: stats.reduce((sum, { size }) => sum + size, 0),
      changedAt: Math.max(0, ...stats.map(({ mtimeMs }) => mtimeMs)),
      fault: undefined,
    };
  } catch (error) {
    return { name, build: basename(name), bytes: 0, changedAt: 0, fault: messageOf(error) };
  }
}

async function powerOf(): Promise<Pick<Facts, 'hasBattery' | 'isOnBattery'>> {
  const { isOnBattery = false, percent } = (await powerReader()()) ?? {};
  return { hasBattery: percent !== undefined, isOnBattery };
}

async function sleepMinutes(): Promise<number | undefined> {
  if (process.platform !== 'darwin') return undefined;
  const minutes = /^\s*sleep\s+(\d+)/m.exec((await printedBy('pmset', ['-g'])) ?? '')?.[1];
  return minutes === undefined ? undefined : Number(minutes);
}

async function receiptsWaiting(home: string): Promise<number> {
  const text = await readIfThere(join(home, 'receipts.json'));
  if (text === undefined) return 0;
  try {
    const kept: unknown = JSON.parse(text);
    return Array.isArray(kept) ? kept.length : 0;
  } catch {
    // An unreadable file counts as none here; the service reports it at its start.
    return 0;
  }
}
