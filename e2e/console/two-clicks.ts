import type { Page } from 'playwright-core';

/** Counts the clicks in every document that the page opens from now on. */
export async function countClicks(page: Page): Promise<() => number> {
  let clicks = 0;
  await page.exposeFunction('countClick', () => {
    clicks += 1;
  });
  await page.addInitScript("addEventListener('click', () => countClick(), { capture: true })");
  return () => clicks;
}

/**
 * Gets a sealed answer on the page that the sign-in link has opened, with two clicks: on Chat, and on
 * Send. `seen` is called with each state that the person sees.
 */
export async function askFromLink(
  page: Page,
  question: string,
  seen: () => Promise<void> = async () => undefined,
): Promise<void> {
  await page.getByRole('heading', { name: 'Recent requests' }).waitFor();
  await seen();
  await page.getByRole('link', { name: 'Chat', exact: true }).click();
  await page.getByText('Your next message is sealed').waitFor();
  await seen();
  await page.getByRole('textbox', { name: 'Message' }).fill(question);
  await seen();
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('.markdown').first().waitFor();
  await seen();
  await page.getByText('first content after').waitFor();
  await page.getByText('Sealed for this machine').waitFor();
  await page.locator('.evidence data').waitFor();
  await seen();
}
