import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { foundNetwork } from '#coordinator/founding/found-network.ts';
import { DEFAULT_HUB_PORTS } from '#coordinator/founding/hub-ports.ts';
import { type NetworkPlan, planWith } from '#coordinator/founding/network-plan.ts';
import { trustFiles } from '#coordinator/founding/operator-home.ts';
import { componentNames } from '#coordinator/main.ts';
import { composeFile, type Service, scriptOf } from './compose-file.ts';
import { PACKAGING, packagingFile } from './files.ts';
import { parseYaml } from './yaml.ts';

const { services, networks, volumes, configs } = composeFile();
const named = (pattern: RegExp) => Object.entries(services).filter(([name]) => pattern.test(name));
const service = (name: string): Service => {
  const found = services[name];
  if (found === undefined) throw new Error(`there is no service ${name}`);
  return found;
};
const contentOf = (config: string): string => configs[config]?.content ?? '';
const mountsOf = (name: string) => service(name).volumes ?? [];
const componentsOf = ({ command = [] }: Service): string[] =>
  command.includes('--components') ? (command.at(-1)?.split(',') ?? []) : [];

/** The files that the command of the service `init` writes. */
let home = '';
let plan: NetworkPlan;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'dinf-compose-'));
  const [line = '', ...others] = scriptOf(service('init'));
  expect(others).toEqual([]);
  // In one command, because each configuration names the other hubs and is not overwritten.
  const hubs = [...line.matchAll(/ --hub (\S+)/g)].map(([, hub = '']) => hub);
  plan = planWith(undefined, { hubs, ports: DEFAULT_HUB_PORTS });
  await foundNetwork({ home, keysFolder: join(home, 'keys'), plan, now: Date.now() });
});
afterAll(() => rmSync(home, { recursive: true }));

describe('compose.yaml', () => {
  test('mounts only files that "init" wrote or that are beside it, and none to write to', () => {
    const binds = Object.entries(services)
      .filter(([name]) => name !== 'init')
      .flatMap(([, { volumes: mounts = [] }]) => mounts)
      .filter(({ type }) => type === 'bind');
    expect(binds.length).toBeGreaterThan(30);
    for (const { source, read_only, bind } of binds) {
      const path = source.startsWith('./network/')
        ? join(home, source.slice('./network/'.length))
        : join(PACKAGING, source);
      expect(existsSync(path), source).toBe(true);
      expect(read_only, source).toBe(true);
      expect(bind, source).toEqual({ create_host_path: false });
    }
  });

  test('has a service for each of three hubs, and each hub knows the others', () => {
    expect(plan.hubs.map(({ privateHost }) => privateHost)).toEqual(['hub-1', 'hub-2', 'hub-3']);
    for (const { name, privateHost, ports } of plan.hubs) {
      expect(ports.client, 'the port that the check of the image reads').toBe(4222);
      const sources = mountsOf(privateHost)
        .filter(({ type }) => type === 'bind')
        .map(({ source }) => source);
      expect(sources.every((source) => source.startsWith(`./network/hubs/${name}/`))).toBe(true);
      const config = readFileSync(join(home, 'hubs', name, 'nats-server.conf'), 'utf8');
      for (const other of plan.hubs.filter((hub) => hub.name !== name))
        expect(config).toContain(`nats-route://${other.privateHost}:6222`);
    }
    const leafUrls = plan.hubs.map(
      ({ privateHost, ports }) => `tls://${privateHost}:${ports.leaf}`,
    );
    expect(service('provider').environment?.['DINF_LEAF_URL']).toBe(leafUrls.join(','));
  });

  test('leads callers to every ingress, and machines to every hub', () => {
    const every = [...contentOf('haproxy').matchAll(/^ +server (\S+) (\S+)( track \S+)?$/gm)];
    const servers = every.filter(([, , , tracked]) => tracked === undefined);
    // Sealed sessions have the same ingresses, whose checks are those of the first backend.
    expect(every.filter((server) => !servers.includes(server)).map(([, name]) => name)).toEqual(
      named(/^ingress/).map(([name]) => name),
    );
    const wanted = [
      ...named(/^ingress/).map(([name]) => [name, `${name}:8080`]),
      ...plan.hubs.map(({ privateHost, ports }) => [privateHost, `${privateHost}:${ports.leaf}`]),
    ];
    expect(servers.map(([, name, address]) => [name, address])).toEqual(wanted);
    const networksOfProxy = service('proxy').networks ?? [];
    for (const [name] of wanted) {
      const shared = service(name ?? '').networks?.some((each) => networksOfProxy.includes(each));
      expect(shared, name).toBe(true);
    }
  });

  test('has a configuration that HAProxy accepts', ({ skip }) => {
    const file = join(home, 'haproxy.cfg');
    writeFileSync(file, contentOf('haproxy'));
    const { error, status, stderr } = spawnSync('haproxy', ['-c', '-f', file], {
      encoding: 'utf8',
    });
    skip(error !== undefined, 'haproxy is not installed (Debian: haproxy)');
    expect(status, stderr).toBe(0);
  });

  test('runs every component', () => {
    const running = Object.values(services).flatMap(componentsOf);
    expect([...new Set(running)].toSorted()).toEqual([...componentNames].toSorted());
    expect(named(/^ingress/)).toHaveLength(2);
  });

  test('gives the keys that sign accounts to trust only, and the database not to an ingress', () => {
    const keysOf = (name: string) =>
      mountsOf(name)
        .map(({ source }) => source.replace('./network/keys/', ''))
        .filter((source) => !source.startsWith('.'));
    for (const [name, entry] of named(/^(ingress|routing|books|migrate|trust)/)) {
      const components = componentsOf(entry);
      const wanted = [
        'core.creds',
        'hub-ca.pem',
        ...(components.includes('trust') ? [...trustFiles, 'log.pem'] : []),
        ...(components.includes('settlement') ? ['receipts'] : []),
      ];
      expect(keysOf(name).toSorted(), name).toEqual(wanted.toSorted());
      const isIngress = components.join() === 'ingress';
      expect('DATABASE_URL' in (entry.environment ?? {}), name).toBe(!isIngress);
      expect(entry.networks?.includes('database'), name).toBe(!isIngress);
    }
  });

  test('restricts every container but that of the database, whose image changes its user', () => {
    for (const [name, { read_only, cap_drop, security_opt }] of Object.entries(services)) {
      expect(security_opt, name).toEqual(['no-new-privileges:true']);
      if (name === 'postgres') continue;
      expect({ read_only, cap_drop }, name).toEqual({ read_only: true, cap_drop: ['ALL'] });
    }
  });

  test('publishes no port beyond this machine but those for machines', () => {
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) =>
      ports.filter((port) => !port.startsWith('127.0.0.1:')).map((port) => `${name} ${port}`),
    );
    expect(published).toEqual(['proxy 7422:7422']);
  });

  test('names only services, networks, volumes, configs and images that exist', () => {
    const stages = [...packagingFile('containers/Containerfile').matchAll(/^FROM \S+ AS (\S+)$/gm)];
    const targets = stages.map(([, name]) => name);
    for (const [name, entry] of Object.entries(services)) {
      for (const other of Object.keys(entry.depends_on ?? {}))
        expect(services, name).toHaveProperty([other]);
      for (const network of entry.networks ?? []) expect(networks, name).toHaveProperty([network]);
      for (const { source } of entry.configs ?? []) expect(configs, name).toHaveProperty([source]);
      for (const { type, source } of entry.volumes ?? [])
        if (type === 'volume') expect(volumes, name).toHaveProperty([source]);
      if (entry.build === undefined) {
        if (name !== 'init') expect(entry.image, name).toMatch(/^[\w./-]+:v?\d+(\.\d+)+$/);
        continue;
      }
      expect(entry.build).toMatchObject({ context: 'containers', dockerfile: 'Containerfile' });
      expect(targets).toContain(entry.build.target);
      expect(entry.image).toBe(`d-inference-${entry.build.target}`);
    }
  });

  test('lets Prometheus read every part of the coordinator', () => {
    const { scrape_configs } = parseYaml<{
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    }>(contentOf('prometheus'));
    const targets = scrape_configs.flatMap(({ static_configs }) =>
      static_configs.flatMap((each) => each.targets),
    );
    const parts = Object.entries(services).filter(([, entry]) => componentsOf(entry).length > 0);
    expect(targets.toSorted()).toEqual(
      parts
        .map(([name, { environment }]) => `${name}:${environment?.['DINF_METRICS_PORT']}`)
        .toSorted(),
    );
  });

  test('is accepted by docker compose', ({ skip }) => {
    const run = (args: readonly string[]) =>
      spawnSync('docker', ['compose', ...args], {
        cwd: PACKAGING,
        env: { ...process.env, POSTGRES_PASSWORD: 'p', GRAFANA_PASSWORD: 'g' },
        encoding: 'utf8',
      });
    skip(run(['version']).status !== 0, 'docker compose is not installed');
    expect(run(['--profile', '*', 'config', '--quiet'])).toMatchObject({ status: 0, stderr: '' });
  });
});
