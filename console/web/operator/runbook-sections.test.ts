import { expect, test } from 'vitest';
import { runbookSections } from './runbook-sections.ts';

test('a runbook is read by its sections, with links as text', () => {
  const text =
    '# Title\n\nIntro.\n\n## One\n\nDo [this](a.md),\nthen that.\n\n- x\n- y\n\n## Two\n\nDo that.\n';
  expect([...runbookSections(text)]).toEqual([
    ['One', 'Do this, then that.\n\n- x\n- y'],
    ['Two', 'Do that.'],
  ]);
});
