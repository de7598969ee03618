import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { services } from '#bus-schemas';
import { earnFees } from '../documentation/world.ts';
import { addRewards } from '../reward-history.ts';
import { type ConsolePage, type ConsoleUnderTest, noBrowser, startConsole } from './chromium.ts';
import { makeOperator, operatorPage } from './operator-browser.ts';

const DOLLAR = 1_000_000;
const CALL = { timeoutMs: 10_000 };

describe.skipIf(noBrowser !== undefined)(
  `the operators' page of rewards (${noBrowser ?? 'Chromium'})`,
  () => {
    let under: ConsoleUnderTest;
    let key: string;
    beforeAll(async () => {
      under = await startConsole();
      key = await makeOperator(under, 'olga');
      const { account } = await under.network.person('rosa');
      await addRewards(under.network.network, { account, provider: `A${'R'.repeat(55)}` });
      await earnFees(under, { amount: 5 * DOLLAR, operation: 'fees:for-the-page' });
    });
    afterAll(() => under?.[Symbol.asyncDispose]());

    const bus = () => under.network.network.coordinator.bus;
    const policies = () => bus().call(services.settlement.rewardPolicy, {}, CALL);
    const lastDay = async () => {
      const { promotions } = await bus().call(services.settlement.promotions, {}, CALL);
      return promotions[0]?.promotion.endsOn;
    };
    const rewardsPage = async (): Promise<ConsolePage> => {
      const opened = await operatorPage(under, key);
      await opened.page.getByRole('link', { name: 'Rewards' }).click();
      await opened.page.getByRole('heading', { name: 'Base rewards' }).waitFor();
      return opened;
    };
    /** The button of the page opens the dialog, whose button has the same label. */
    const confirm = async ({ page }: ConsolePage, label: string, name = label) => {
      await page.getByRole('button', { name, exact: true }).click();
      await page.getByRole('dialog').getByRole('button', { name: label, exact: true }).click();
    };

    test('moves fees into the fund and back, and says when the fees have less', async () => {
      await using opened = await rewardsPage();
      const { page } = opened;
      const dialog = page.getByRole('dialog');
      const has = page.locator('.figure').first();
      await page.getByRole('button', { name: 'Move money' }).click();
      await dialog.getByLabel('Amount').fill('7');
      await dialog.getByRole('button', { name: 'Move money' }).click();
      await dialog.getByText('has less than that').waitFor();
      await dialog.getByLabel('Amount').fill('3.25');
      await dialog.getByRole('button', { name: 'Move money' }).click();
      await expect.poll(() => has.textContent()).toBe('$3.25');
      await page.getByRole('button', { name: 'Move money' }).click();
      await dialog.getByLabel('From the fund back to the fees').check();
      await dialog.getByLabel('Amount').fill('1');
      await dialog.getByRole('button', { name: 'Move money' }).click();
      await expect.poll(() => has.textContent()).toBe('$2.25');
      expect((await policies()).fundMicroUsd).toBe(2.25 * DOLLAR);
      opened.expectNoFaults([401, 409]);
    });

    test('shows the conditions and the decided days, and ends the rewards after a question', async () => {
      await using opened = await rewardsPage();
      const { page } = opened;
      await page.getByText('$0.50 for a machine and day that was ready for 8 h.').waitFor();
      const days = page.getByRole('table', { name: 'Decided days' });
      expect(await days.getByRole('row').count()).toBe(4);
      expect((await policies()).next).toBeUndefined();
      await confirm(opened, 'End the rewards');
      await page.getByText('The rewards end on').waitFor();
      await page.getByRole('button', { name: 'End the rewards' }).waitFor({ state: 'detached' });
      expect((await policies()).next?.policy).toBeUndefined();
      opened.expectNoFaults([401]);
    });

    test('shows what a promotion has paid, and ends it after a question', async () => {
      await using opened = await rewardsPage();
      const row = opened.page.getByRole('row').filter({ hasText: 'spring' });
      await row.getByText('$0.00 of $5.00').waitFor();
      await confirm(opened, 'End', 'End spring');
      const today = new Date().toISOString().slice(0, 10);
      await expect.poll(lastDay).toBe(today);
      opened.expectNoFaults([401]);
    });
  },
);
