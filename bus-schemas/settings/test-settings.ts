import { Type } from '../type.ts';
import { flag, integerSetting, oneOf, path, text } from './setting-schemas.ts';

const { Optional: optional } = Type;
const MANY = 1_000_000_000;

/** Settings of tests, and of the pages and files that tests write. */
export const testSettings = {
  DINF_WRITE_API: flag({
    default: false,
    description:
      '`1` makes their tests write the generated pages: `docs/api.md`, the OpenAPI documents, `docs/commands.md`, `docs/configuration.md`, `docs/parameters.md`, `docs/troubleshooting.md`, `docs/operating/metrics.md` and `docs/decisions/README.md`',
  }),
  DINF_WRITE_SCREENSHOTS: flag({
    default: false,
    description: '`1` writes the pictures of the console in `docs/console/`',
  }),
  DINF_WRITE_VECTORS: flag({
    default: false,
    description: '`1` writes a golden vector for each kind of message that has none yet',
  }),
  DINF_TEST_RUNTIME: oneOf(['auto', 'containers', 'local'], {
    default: 'auto',
    description:
      'how tests start hubs and databases: `auto` means containers if a container engine answers',
  }),
  DINF_TEST_NATS_IMAGE: text({
    default: 'nats:2.14-alpine',
    description: 'image of a hub in a container',
  }),
  DINF_TEST_POSTGRES_IMAGE: text({
    default: 'postgres:18-alpine',
    description: 'image of a database in a container',
  }),
  DINF_TEST_HUB_CONFIG: text({
    default: '',
    description:
      'lines that are added to the configuration of the hub in tests of one component, for example `feature_flags { js_ack_fc_v2: true }`',
  }),
  DINF_TEST_NATS_CHART: optional(
    path({
      description:
        'folder with the nats chart of nats-io/k8s; without it the tests of the Helm chart render only its own templates',
    }),
  ),
  DINF_TEST_KUBERNETES_SCHEMAS: text({
    default: 'default',
    shownDefault: 'those of kubeconform',
    description:
      "folder or URL with the schemas of Kubernetes, as kubeconform's option `-schema-location`",
  }),
  DINF_FUZZ_SECONDS: optional(
    Type.Number({
      minimum: 0,
      maximum: 86_400,
      unit: 'seconds',
      shownDefault: '`6` and `8`',
      description:
        'duration of each of the two fuzz tests (model files, and the C++ engine); `npm run fuzz` uses 300',
    }),
  ),
  DINF_INCIDENT_SECONDS: optional(
    integerSetting({
      minimum: 1,
      maximum: 86_400,
      unit: 'seconds',
      shownDefault: '`15`',
      description:
        'time for which a machine sleeps in `e2e/incidents`, and for which its network is away (ten minutes at most); `npm run incidents` uses 3600, and takes more than an hour. Without it only those incidents happen that differ most',
    }),
  ),
  DINF_WORLD_SEEDS: optional(
    integerSetting({
      minimum: 1,
      maximum: 1_000_000,
      unit: 'worlds',
      shownDefault: '`15`',
      description:
        'number of worlds in `e2e/world`: the whole network in virtual time, with faults; `npm run worlds` runs 300',
    }),
  ),
  DINF_EVERY_FIXTURE: flag({
    default: false,
    description:
      '`1` tests the engine WebGPU with all small models, as `npm run fixtures` does, and not only with those whose layers differ most',
  }),
  DINF_EVERY_SCENARIO: flag({
    default: false,
    description:
      '`1` replays every scenario of `dinf replay` in its test, as `npm run scenarios` does, and of the three with slow machines not only the one with hot ones',
  }),
  DINF_EVERY_LOOK: flag({
    default: false,
    description:
      '`1` examines the pages of the console in both themes at both widths, as `npm run looks` does, and not only light on a wide screen and dark on a phone',
  }),
  DINF_EVERY_ANSWER: flag({
    default: false,
    description:
      '`1` compares 200 answers of SmolLM2 on the engines cpu, mlx and reference with an independent computation, as `npm run smollm2` does, and not only five on cpu',
  }),
  DINF_QUIET_COMPUTER: flag({
    default: false,
    description:
      '`1` runs `e2e/held-prefixes.test.ts`, as `npm run held-prefixes` does: on a computer without other work, two machines differ in nothing but what they hold',
  }),
  DINF_FIRST_ANSWER: flag({
    default: false,
    description:
      '`1` lets `e2e/first-paid-answer.test.ts` begin on a fresh computer: it compiles the native part and downloads SmolLM2, as `npm run first-answer` does',
  }),
  DINF_SCHEMATHESIS_EXAMPLES: optional(
    integerSetting({
      minimum: 1,
      maximum: 10_000,
      shownDefault: 'no run',
      description:
        'most requests that schemathesis generates for each route; `npm run schemathesis` uses 10, and takes several minutes',
    }),
  ),
  DINF_GENERATED_CLIENTS: flag({
    default: false,
    description:
      '`1` makes a test generate and run clients of the API, as `npm run generated-clients` does; it takes several minutes',
  }),
  DINF_FUZZ_SEED: optional(
    integerSetting({
      minimum: 0,
      maximum: 2 ** 32 - 1,
      shownDefault: 'random',
      description: 'seed of the fuzz test of the C++ engine; a failure prints it',
    }),
  ),
  DINF_ENGINE_SOAK_SECONDS: integerSetting({
    default: 12,
    minimum: 5,
    maximum: 86_400,
    description:
      'seconds for which a test sends requests of many families to one engine; `npm run engine-soak` takes two hours',
  }),
  DINF_SOAK_REQUESTS: integerSetting({
    default: 600,
    minimum: 1,
    maximum: MANY,
    description:
      'number of requests that a test sends through one engine; if it is set, a tenth of them also through WebGPU',
  }),
  DINF_PROPERTY_RUNS: optional(
    integerSetting({
      minimum: 1,
      maximum: MANY,
      shownDefault: '`20` to `150`',
      description:
        'number of histories that each of the property tests of settlement and of the page Money tries; `npm run histories` tries 500',
    }),
  ),
  DINF_CHAOS: optional(
    oneOf(['full'], {
      description:
        '`full` runs all faults of the chaos test of a hub cluster; without it a hub is killed and nothing else',
    }),
  ),
  DINF_CLIENTS: optional(
    oneOf(['full'], {
      description:
        '`full` also tests clients whose installation takes minutes and gigabytes, as `npm run large-clients` does',
    }),
  ),
  DINF_OPEN_RESPONSES: optional(
    text({
      shownDefault: 'no run',
      description:
        'folder with a clone of the OpenResponses repository, whose compliance suite a test runs; `npm run open-responses` sets `clone`, which makes one in the cache',
    }),
  ),
  DINF_CHAOS_KILLS: integerSetting({
    default: 4,
    minimum: 0,
    maximum: MANY,
    description: 'how often the chaos test of the money kills settlement and Postgres',
  }),
  DINF_CHAOS_INGRESS_KILLS: integerSetting({
    default: 1,
    minimum: 1,
    maximum: 1_000,
    description:
      'how often `e2e/chaos/killed-ingress.test.ts` kills an ingress under streams; `npm run killed-ingress` uses 50',
  }),
  DINF_CHAOS_STREAMS: integerSetting({
    default: 40,
    minimum: 1,
    maximum: 1_000,
    unit: 'streams',
    description:
      'number of streams that run when an ingress is killed; `npm run killed-ingress` uses 200',
  }),
  DINF_UPGRADE_RATE: integerSetting({
    default: 10,
    minimum: 1,
    maximum: 10_000,
    unit: 'requests per second',
    description: 'load of the test of upgrades (`e2e/upgrade/rolling-upgrade.test.ts`)',
  }),
};
