import { Pool } from 'pg';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Person } from '../test-network.ts';
import { type ConsoleUnderTest, noBrowser, startConsole } from './chromium.ts';
import { makeOperator, operatorPage } from './operator-browser.ts';
import { measured } from './page-load.ts';

const REQUESTS = 10_000;
const MACHINES = 2_000;
/** A task of the page that keeps it from answering longer than this is too long, in milliseconds. */
const LONGEST_TASK_MS = 200;
const FIRST_CONTENT_MS = 1_000;
/** A thousandth of the screen: nothing that a person sees. */
const LARGEST_SHIFT = 0.001;

describe.skipIf(noBrowser !== undefined)(`long lists (${noBrowser ?? 'Chromium'})`, () => {
  let under: ConsoleUnderTest;
  let ann: Person;

  beforeAll(async () => {
    under = await startConsole();
    ann = await under.network.person('ann');
    const { databaseUrl } = under.network.network.config;
    const database = new Pool({ connectionString: databaseUrl });
    await addRequests(database, ann.account);
    await addMachines(database, ann.account);
    await database.end();
  });
  afterAll(() => under?.[Symbol.asyncDispose]());

  const CASES = [
    { path: '/requests', shows: 'sim-llama-8b' },
    { path: '/machines', shows: '1 to 25 of 2,000 machines' },
    { path: '/money', shows: 'sim-llama-8b' },
  ] as const;
  const OTHERS = ['/', '/models', '/keys', '/chat', '/quick-start', '/earnings', '/set-up'];

  const OPERATORS = ['/', '/incidents', '/breakers', '/routing', '/money', '/models', '/bus'];

  /** Loads a page completely, and checks that it was quick and that nothing in it moved. */
  async function expectSteady(page: Page, path: string): Promise<void> {
    const load = await measured(page, async () => {
      await page.goto(path);
      await page.locator('main h1').waitFor();
      await vi.waitFor(async () => expect(await page.locator('.skeleton').count()).toBe(0));
    });
    console.log(path, load);
    expect(load.workUntilContentMs).toBeLessThan(FIRST_CONTENT_MS);
    expect(load.layoutShift).toBeLessThan(LARGEST_SHIFT);
  }

  test.each(OTHERS)('%s shows content at once, and moves nothing', async (path) => {
    await using opened = await under.signedInPage(ann);
    await expectSteady(opened.page, path);
  });

  test('every page of operators shows content at once, and moves nothing', async () => {
    await using opened = await operatorPage(under, await makeOperator(under, 'olga'));
    for (const path of OPERATORS) await expectSteady(opened.page, path);
  }, 240_000);

  test.each(CASES)(
    '$path of a large account has no long task, moves nothing and shows content at once',
    async ({ path, shows }) => {
      await using opened = await under.signedInPage(ann);
      const { page } = opened;
      const load = await measured(page, async () => {
        await page.goto(path);
        await page.getByText(shows).filter({ visible: true }).first().waitFor();
        await page.locator('.skeleton').waitFor({ state: 'detached' });
        await page.getByRole('button', { name: 'Next' }).click();
        await page
          .getByRole('button', { name: 'Previous' })
          .and(page.locator(':enabled'))
          .waitFor();
      });
      console.log(path, load);
      // Processor times of the page, because other programs keep the cores of a test machine busy.
      expect(load.longestTaskMs).toBeLessThan(LONGEST_TASK_MS);
      expect(load.workUntilContentMs).toBeLessThan(FIRST_CONTENT_MS);
      expect(load.layoutShift).toBeLessThan(LARGEST_SHIFT);
      opened.expectNoFaults();
    },
  );
});

/** Requests of the last days, as settlement has stored them. */
async function addRequests(database: Pool, account: string): Promise<void> {
  await database.query(
    `INSERT INTO price_versions (model, input_per_million, cache_read_per_million, output_per_million)
     VALUES ('sim-llama-8b', 1, 1, 1)`,
  );
  await database.query(
    `INSERT INTO charges (job, outcome, account, key, model, price_version, held, prompt_tokens,
       cached_tokens, completion_tokens, charged, from_earned, provider_share, fee, referral, held_at, at)
     SELECT 'job_' || lpad(n::text, 22, '0'), 'settled', $1, 'key_' || lpad('1', 12, '0'),
       'sim-llama-8b', (SELECT max(id) FROM price_versions), n, n, 0, n, n, 0, n, 0, 0,
       now() - n * interval '30 seconds', now() - n * interval '30 seconds'
     FROM generate_series(1, ${REQUESTS}) n`,
    [account],
  );
}

/** Machines that are linked and not connected. */
async function addMachines(database: Pool, account: string): Promise<void> {
  await database.query(
    `WITH tokens AS (
       INSERT INTO enrolment_tokens (hash, expires_at)
       SELECT sha256(('machine ' || n)::bytea), now() FROM generate_series(1, ${MACHINES}) n
     )
     INSERT INTO providers (id, salt, token_hash, user_key, name, account)
     SELECT 'A' || translate(lpad(n::text, 55, '0'), '0123456789', 'ABCDEFGHIJ'), '',
       sha256(('machine ' || n)::bytea), '', 'machine ' || n, $1
     FROM generate_series(1, ${MACHINES}) n`,
    [account],
  );
}
