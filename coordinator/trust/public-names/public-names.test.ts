import { afterAll, beforeAll, expect, test } from 'vitest';
import { MAX_PUBLIC_NAMES_OF_ACCOUNT, services } from '#bus-schemas';
import { enrolMachine, startTrustUnderTest, type Trust } from '../trust-under-test.ts';

const CALL = { timeoutMs: 10_000 };

let trust: Trust;
beforeAll(async () => {
  trust = await startTrustUnderTest({ linksPerDay: 100 });
}, 60_000);
afterAll(() => trust[Symbol.asyncDispose]());

interface Machine {
  readonly provider: string;
  readonly account: string;
}
const machineOf = async (account: string): Promise<Machine> => ({
  provider: (await enrolMachine(trust, account)).provider,
  account,
});
async function show(machine: Machine, name: string): Promise<string> {
  const told = await trust.bus.call(services.trust.showName, { ...machine, name }, CALL);
  return told.ok ? 'shown' : told.code;
}
const hide = async ({ provider, account }: Machine) =>
  (await trust.bus.call(services.trust.hideName, { provider, account }, CALL)).known;
const withdraw = async (name: string) =>
  (await trust.bus.call(services.trust.withdrawName, { name }, CALL)).provider;
const revoke = ({ provider }: Machine) => trust.bus.call(services.trust.revoke, { provider }, CALL);
const shownNames = async () => {
  const { machines } = await trust.bus.call(services.trust.publicNames, {}, CALL);
  return new Map(machines.map(({ provider, name }) => [provider, name]));
};
const nameOf = async ({ provider }: Machine) => (await shownNames()).get(provider);

test('a machine is shown only under a name that its owner gave, until they switch it off', async () => {
  const machine = await machineOf('acct_kitchen');
  expect(await nameOf(machine)).toBeUndefined();
  expect(await show(machine, 'Kitchen Mac')).toBe('shown');
  expect(await nameOf(machine)).toBe('Kitchen Mac');
  const { machines } = await trust.bus.call(
    services.trust.machines,
    { account: 'acct_kitchen' },
    CALL,
  );
  expect(machines).toMatchObject([{ publicName: 'Kitchen Mac' }]);
  expect(await show(machine, 'kitchen-mac')).toBe('shown');
  expect(await hide(machine)).toBe(true);
  expect(await nameOf(machine)).toBeUndefined();
});

test('the machine of another account can be neither shown nor hidden', async () => {
  const machine = await machineOf('acct_cellar');
  const thief = { ...machine, account: 'acct_thief' };
  expect(await show(thief, 'Stolen')).toBe('unknown_machine');
  await show(machine, 'Cellar');
  expect(await hide(thief)).toBe(false);
  expect(await nameOf(machine)).toBe('Cellar');
});

test('a name that looks like that of another machine is refused, also while it is hidden', async () => {
  const [first, second] = [await machineOf('acct_early'), await machineOf('acct_second')];
  expect(await show(first, 'Modern 1')).toBe('shown');
  expect(await show(second, 'rnodern-l')).toBe('taken');
  await hide(first);
  expect(await show(second, 'Modern 1')).toBe('taken');
  await show(first, 'Other name');
  expect(await show(second, 'Modern 1')).toBe('shown');
  expect(await show(second, 'The Operator')).toBe('reserved');
});

test('the name of a removed machine is free after 30 days, and for its owner at once', async () => {
  const [old, next, stranger] = [
    await machineOf('acct_former'),
    await machineOf('acct_former'),
    await machineOf('acct_stranger'),
  ];
  await show(old, 'Attic');
  expect(await show(next, 'Attic')).toBe('taken');
  await revoke(old);
  expect(await nameOf(old)).toBeUndefined();
  expect(await show(stranger, 'Attic')).toBe('taken');
  expect(await show(next, 'Attic')).toBe('shown');
  await revoke(next);
  const earlier = "UPDATE providers SET revoked_at = now() - interval '31 days' WHERE id = $1";
  await trust.database.query(earlier, [next.provider]);
  expect(await show(stranger, 'Attic')).toBe('shown');
});

test('of machines that ask for one name at once, one gets it', async () => {
  const machines = await Promise.all(
    Array.from({ length: 5 }, (_, index) => machineOf(`acct_race${index}`)),
  );
  const answers = await Promise.all(machines.map((machine) => show(machine, 'Only one')));
  expect(answers.toSorted()).toEqual(['shown', 'taken', 'taken', 'taken', 'taken']);
});

test('a name that an operator withdraws is gone, and its owner takes no other one until this is allowed', async () => {
  const [rude, other] = [await machineOf('acct_rude'), await machineOf('acct_rude')];
  await show(rude, 'Rude word');
  expect(await withdraw('RUDE-W0RD')).toBe(rude.provider);
  expect(await nameOf(rude)).toBeUndefined();
  for (const machine of [rude, other]) expect(await show(machine, 'Polite')).toBe('withdrawn');
  expect(await show(await machineOf('acct_polite'), 'Rude word')).toBe('taken');
  expect(await withdraw('No such name')).toBeUndefined();
  const { provider } = rude;
  expect(await trust.bus.call(services.trust.allowName, { provider }, CALL)).toMatchObject({
    known: true,
  });
  expect(await show(rude, 'Polite')).toBe('shown');
});

test('a machine that is not trusted any more is not shown', async () => {
  const machine = await machineOf('acct_caught');
  await show(machine, 'Liar');
  await trust.bus.call(services.trust.accuse, { provider: machine.provider }, CALL);
  expect(await nameOf(machine)).toBeUndefined();
});

test('an account shows at most 20 machines', async () => {
  const machines: Machine[] = [];
  for (let index = 0; index <= MAX_PUBLIC_NAMES_OF_ACCOUNT; index += 1)
    machines.push(await machineOf('acct_many'));
  const answers: string[] = [];
  for (const [index, machine] of machines.entries())
    answers.push(await show(machine, `Rack ${'abcdefghjklmnopqrstuvwxyz'[index]}`));
  expect(answers.filter((answer) => answer === 'shown')).toHaveLength(MAX_PUBLIC_NAMES_OF_ACCOUNT);
  expect(answers.at(-1)).toBe('too_many');
  const [first, last] = [machines[0] as Machine, machines.at(-1) as Machine];
  await hide(first);
  expect(await show(last, 'Rack last')).toBe('shown');
});
