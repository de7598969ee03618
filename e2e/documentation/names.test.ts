import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, SOURCE_FOLDERS, sourceFiles } from '../source-folders.ts';

// One word has one meaning: an exported name stands for one thing in the whole repository, and a
// word of the glossary in docs/ARCHITECTURE.md stands for what the glossary defines.

const EXPORT =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const|function\*?|class|interface|type|enum) (\w+)/gm;

/** Names that several files may export, with the reason. */
const REPEATED: Readonly<Record<string, string>> = {
  addCommands: 'each part of the command line adds its own commands',
  isObject: 'the same check for model files, which are read without the code of the HTTP API',
  JsonObject: 'the same type for model files, which are read without the code of the HTTP API',
  Offer: 'the same offer, as the ingress makes it and as the client reads it',
  optional: 'the same short name of Type.Optional for messages and for routes',
};

/** Files that export a word of the glossary. Each means what the glossary defines. */
const GLOSSARY_NAMES: Readonly<Record<string, readonly string[]>> = {
  Ailment: ['simulator/ailment.ts'],
  Attempt: ['coordinator/ingress/core/job-state.ts'],
  Beat: ['bus-schemas/messages/provider.ts'],
  CellDigest: ['bus-schemas/messages/cells.ts'],
  Charge: ['coordinator/settlement/core/charge.ts'],
  Conditions: ['bus-schemas/messages/conditions.ts'],
  ConsoleSession: ['bus-schemas/messages/console-sessions.ts'],
  Continuation: ['bus-schemas/messages/inference.ts'],
  DeliveredTokens: ['coordinator/delivery-proofs.ts'],
  Delta: ['bus-schemas/messages/inference.ts'],
  DemandReport: ['bus-schemas/messages/demand.ts'],
  DesiredBuild: ['bus-schemas/messages/desired.ts'],
  Door: ['provider/guest/door.ts'],
  Encoding: ['bus-schemas/messages/vocabulary.ts'],
  Evidence: ['bus-schemas/evidence/evidence.ts'],
  Fact: ['coordinator/telemetry/facts.ts'],
  Frame: ['coordinator/ingress/attempt-sealing.ts'],
  Hold: ['bus-schemas/messages/settlement/holds.ts'],
  Leaf: ['provider/leaf/leaf.ts'],
  Lease: ['coordinator/routing/lease.ts'],
  Offer: ['client/offer-check.ts', 'coordinator/ingress/sealed/sealed-exchange.ts'],
  Outline: ['bus-schemas/messages/provider.ts'],
  Pace: ['coordinator/routing/core/calibration.ts'],
  Person: ['coordinator/ingress/identity/token-verifier.ts'],
  PrefixTag: ['bus-schemas/messages/prefix-tag.ts'],
  Receipt: ['bus-schemas/messages/provider.ts'],
  Reservation: ['coordinator/routing/core/reservations.ts'],
  Residency: ['provider/engine/residency/residency.ts'],
  Serving: ['coordinator/routing/core/serving.ts'],
  Slot: ['bus-schemas/messages/provider.ts'],
  Standing: ['bus-schemas/messages/vocabulary.ts'],
  StoredResponse: ['coordinator/ingress/stored/stored-responses.ts'],
  Supervisor: ['provider/service/supervisor.ts'],
  Surface: ['http-api/core/surfaces/surface.ts'],
  TopUp: ['bus-schemas/messages/settlement/holds.ts'],
  Trait: ['bus-schemas/messages/vocabulary.ts'],
  Verdict: ['bus-schemas/messages/trust.ts'],
  VisionTower: ['provider/engine/vision/vision-tower.ts'],
  World: ['world/world.ts'],
};

/** Classes that extend Error without a code, with the reason. */
const WITHOUT_CODE: Readonly<Record<string, string>> = {
  CodedError: 'the base class of the others',
  CommandError: 'has an exit code, and only the shell distinguishes it',
  NotResponsible: 'a signal of a handler to the bus',
  StripeFault: 'has the fields of an error of Stripe',
};

/**
 * Files that browsers get in place of another one, by the condition `browser` of package.json. They
 * export the same names with the same meaning.
 */
const forBrowsers = Object.values(
  JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).imports as Record<
    string,
    string | { readonly browser: string }
  >,
).flatMap((target) => (typeof target === 'string' ? [] : [target.browser.replace('./', '')]));

const sources = SOURCE_FOLDERS.flatMap(sourceFiles)
  .filter((path) => path.endsWith('.ts') && !/(\.test|-under-test)\.ts$/.test(path))
  .filter((path) => !forBrowsers.includes(path))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

const exporters = Map.groupBy(
  sources.flatMap(({ path, text }) =>
    [...new Set([...text.matchAll(EXPORT)].map(([, name = '']) => name))].map((name) => ({
      name,
      path,
    })),
  ),
  ({ name }) => name,
);
const filesOf = (name: string) =>
  exporters
    .get(name)
    ?.map(({ path }) => path)
    .toSorted() ?? [];

const glossary = new Set(
  [
    ...(
      readFileSync(join(ROOT, 'docs/ARCHITECTURE.md'), 'utf8').split('\n## Folders')[0] ?? ''
    ).matchAll(/^\| ([a-z][^|]*?) \|/gm),
  ].map(([, word = '']) => word.replaceAll(/[ -]/g, '').toLowerCase()),
);

test('no two files export one name with different meanings', () => {
  const repeated = [...exporters.keys()].filter(
    (name) => filesOf(name).length > 1 && !(name in REPEATED),
  );
  expect(repeated.map((name) => `${name}: ${filesOf(name).join(', ')}`)).toEqual([]);
});

test('an exported name that is a word of the glossary means what the glossary defines', () => {
  expect(glossary.size).toBeGreaterThan(40);
  const found = [...exporters.keys()].filter((name) => glossary.has(name.toLowerCase())).toSorted();
  expect(Object.fromEntries(found.map((name) => [name, filesOf(name)]))).toEqual(GLOSSARY_NAMES);
});

test('names in the list of repetitions are exported by several files', () => {
  expect(Object.keys(REPEATED).filter((name) => filesOf(name).length < 2)).toEqual([]);
});

test('every error that a caller tells apart has a code', () => {
  const classes = sources.flatMap(({ text }) =>
    [...text.matchAll(/class (\w+)(?:<[^>]*>)? extends Error\b/g)].map(([, name = '']) => name),
  );
  expect(classes.toSorted()).toEqual(Object.keys(WITHOUT_CODE).toSorted());
});
