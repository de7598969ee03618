import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { componentNames } from '#coordinator/main.ts';
import { cacheFolder, findNatsServer } from '#provider';
import { NATS_RELEASE as NATS_VERSION } from '#provider/leaf/release-archive.ts';
import {
  type Chart,
  GROUP_SECRETS,
  helm,
  KUBERNETES,
  prepareChart,
  RELEASE,
  type Resource,
  render,
  renderText,
  valuesOf,
} from './chart-under-test.ts';
import { packagingFile } from './files.ts';
import { parseYaml } from './yaml.ts';

const program = JSON.parse(packagingFile('../package.json')) as { version: string };

test('the chart has the version of the program, and hubs of the version that it downloads', () => {
  const chart = parseYaml<{ version: string; appVersion: string }>(
    packagingFile('helm/d-inference/Chart.yaml'),
  );
  expect(chart).toMatchObject({ version: program.version, appVersion: program.version });
  const { nats, coordinators } = parseYaml<{
    nats: { container: { image: { tag: string } } };
    coordinators: Record<string, { components: string[] }>;
  }>(packagingFile('helm/d-inference/values.yaml'));
  expect(nats.container.image.tag).toBe(`${NATS_VERSION}-alpine`);
  const running = Object.values(coordinators).flatMap(({ components }) => components);
  expect(running.toSorted()).toEqual([...componentNames].toSorted());
});

const INGRESS = ['ingress.host=api.example.org', 'ingress.tlsSecret=api'];

describe('the rendered chart', () => {
  const absent = helm(['version']).error !== undefined;
  let chart: Chart;
  let resources: Resource[] = [];
  beforeAll(async () => {
    if (absent) return;
    chart = await prepareChart();
    resources = render(chart);
  });
  afterAll(() => chart && rmSync(chart.folder, { recursive: true }));
  beforeEach(({ skip }) =>
    skip(absent, 'helm is not installed (go install helm.sh/helm/v3/cmd/helm)'),
  );

  const ofKind = (kind: string) => resources.filter((resource) => resource.kind === kind);
  const ours = () =>
    [...ofKind('Deployment'), ...ofKind('Job')].map(({ metadata: { name }, spec }) => ({
      name: name.slice(RELEASE.length + 1),
      spec,
      labels: spec.template.metadata.labels as Record<string, string>,
      pod: spec.template.spec,
      container: spec.template.spec.containers[0],
    }));

  test('passes helm lint', () => {
    const { status, stdout } = helm([
      'lint',
      join(chart.folder, 'chart'),
      '--strict',
      '--kube-version',
      KUBERNETES[0] as string,
      ...valuesOf(chart),
    ]);
    // Lint renders the chart under a release of its own, which is not that of the values.
    expect(stdout).toContain('1 chart(s) linted, 0 chart(s) failed');
    expect(status).toBe(0);
  });

  test('restricts every pod', () => {
    expect(ours().length).toBeGreaterThan(4);
    for (const { name, pod, container } of ours()) {
      expect(pod.automountServiceAccountToken, name).toBe(false);
      expect(pod.securityContext, name).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(container.securityContext, name).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.resources, name).toMatchObject({
        requests: { cpu: expect.anything(), memory: expect.anything() },
        limits: { memory: expect.anything() },
      });
    }
  });

  test('gives a pod only the secrets of its components', () => {
    const secretsOf = ({ pod }: { pod: Resource['spec'] }) =>
      pod.volumes
        .flatMap(({ projected }: Resource['spec']) => projected?.sources ?? [])
        .map(({ secret }: Resource['spec']) => secret.name.slice(RELEASE.length + 1));
    const found = Object.fromEntries(ours().map((each) => [each.name, secretsOf(each)]));
    expect(found).toEqual({ ...GROUP_SECRETS, 'migration-1': ['core'] });
    for (const { name, container } of ours()) {
      const variables = container.env.map((variable: { name: string }) => variable.name);
      expect(variables.includes('DATABASE_URL'), name).toBe(name !== 'ingress');
    }
  });

  test('mounts every key of the secrets that "dinf network init" wrote, and no other', () => {
    const { items } = JSON.parse(readFileSync(join(chart.home, 'helm/secrets.yaml'), 'utf8')) as {
      items: { metadata: { name: string }; stringData: object }[];
    };
    const written = Object.fromEntries(
      items.map(({ metadata, stringData }) => [metadata.name, Object.keys(stringData).toSorted()]),
    );
    for (const { pod } of ours())
      for (const { projected } of pod.volumes)
        for (const { secret } of projected?.sources ?? [])
          expect(secret.items.map(({ key }: { key: string }) => key).toSorted()).toEqual(
            written[secret.name],
          );
  });

  test('has probes, and a budget for disruptions, for each part', () => {
    const budgets = ofKind('PodDisruptionBudget').map(({ spec }) => spec.selector.matchLabels);
    for (const { name, spec, labels, container } of ours()) {
      if (spec.replicas === undefined) continue;
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
        const ports = container.ports.map((port: { name: string }) => port.name);
        expect(ports, `${name} ${probe}`).toContain(container[probe].httpGet.port);
      }
      const own = budgets.filter((selector) => matches(selector, labels));
      expect(own, name).toHaveLength(1);
      expect(spec.replicas, `${name} could not be moved`).toBeGreaterThan(1);
    }
  });

  test('lets the service of the API lead to the pods of the ingress only', () => {
    const service = ofKind('Service').find(({ metadata }) => metadata.name === `${RELEASE}-api`);
    const led = ours().filter(({ labels }) => matches(service?.spec.selector, labels));
    expect(led.map(({ name }) => name)).toEqual(['ingress']);
  });

  test('closes every port of coordinators that no policy names', () => {
    const policies = ofKind('NetworkPolicy');
    for (const { name, labels } of ours()) {
      const own = policies.filter(({ spec }) => matches(spec.podSelector.matchLabels, labels));
      const open = own.flatMap(({ spec }) => spec.ingress ?? []).flatMap(({ ports }) => ports);
      expect(own.length, name).toBeGreaterThan(0);
      expect(
        open.map(({ port }: { port: number }) => port),
        name,
      ).toEqual(name === 'ingress' ? [8080] : []);
    }
  });

  test('migrates beside the coordinators at first, and before them in an upgrade', () => {
    const jobOf = (all: readonly Resource[]) => all.find(({ kind }) => kind === 'Job');
    expect(jobOf(resources)?.metadata.annotations).toBeUndefined();
    expect(jobOf(render(chart, [], true))?.metadata.annotations).toMatchObject({
      'helm.sh/hook': 'pre-upgrade',
    });
  });

  test.each([
    ['publicUrl=', 'Set publicUrl'],
    ['database.existingSecret=', 'Set database.existingSecret or database.url'],
    ['networkPlan=null', 'Give the values that "dinf network init --helm" wrote'],
    ['ingress.enabled=true', 'Set ingress.host'],
  ])('is refused with %s', (value, reason) => {
    expect(renderText(chart, [value]).stderr).toContain(reason);
  });

  test.for(KUBERNETES)('conforms to the schemas of Kubernetes %s', (version, { skip }) => {
    const { error, status, stdout, stderr } = spawnSync(
      'kubeconform',
      [
        '-strict',
        ...['-kubernetes-version', version],
        ...['-schema-location', setting('DINF_TEST_KUBERNETES_SCHEMAS')],
      ],
      { input: renderText(chart, ['ingress.enabled=true', ...INGRESS]).stdout, encoding: 'utf8' },
    );
    skip(
      error !== undefined,
      'kubeconform is not installed (go install github.com/yannh/kubeconform/cmd/kubeconform)',
    );
    skip(
      /failed (down)?loading|could not find schema/.test(stdout + stderr),
      'the schemas of Kubernetes cannot be reached (DINF_TEST_KUBERNETES_SCHEMAS names a folder)',
    );
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  test('makes hubs of a configuration that nats-server accepts', async ({ skip }) => {
    skip(!chart.hasHubs, 'DINF_TEST_NATS_CHART names no folder with the nats chart of nats-io/k8s');
    const map = ofKind('ConfigMap').find(({ data }) => data?.['nats.conf'] !== undefined);
    const folder = join(chart.folder, 'hub');
    mkdirSync(folder);
    const tls = join(chart.home, 'helm/tls');
    const file = join(folder, 'nats.conf');
    writeFileSync(
      file,
      (map?.data?.['nats.conf'] ?? '')
        .replaceAll(/"\/etc\/nats-certs\/\w+\/tls\.crt"/g, `"${tls}/hub.pem"`)
        .replaceAll(/"\/etc\/nats-certs\/\w+\/tls\.key"/g, `"${tls}/hub.key"`)
        .replaceAll('"/etc/nats-ca-cert/ca.crt"', `"${tls}/hub-ca.pem"`)
        .replaceAll(/"\/(data|var\/run)/g, `"${folder}/$1`),
    );
    const { path } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
    const checked = spawnSync(path, ['-t', '-c', file], {
      env: { SERVER_NAME: `${RELEASE}-hub-0` },
      encoding: 'utf8',
    });
    expect(checked.stderr).toContain('is valid');
  });
});

const matches = (selector: Record<string, string> | undefined, labels: Record<string, string>) =>
  selector !== undefined &&
  Object.entries(selector).every(([name, value]) => labels[name] === value);
