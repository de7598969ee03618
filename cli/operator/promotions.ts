import { type Command, InvalidArgumentError } from 'commander';
import type { TokenPromotion } from '#bus-schemas';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from '#coordinator/bus.ts';
import { date, microUsd, names } from '../option-parsers.ts';
import { usd } from '../printed-values.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 10_000 };

interface PromoteOptions {
  readonly models: string[];
  readonly perMillion: number;
  readonly from: string;
  readonly until: string;
  readonly cap: number;
  readonly perOwner: number;
  readonly perCustomer: number;
}

const day = (text: string): string => new Date(date(text)).toISOString().slice(0, 10);
const amount = (text: string): number => {
  const value = microUsd(text);
  if (value === 0) throw new InvalidArgumentError('must be above 0');
  return value;
};

/** Adds to `dinf rewards` what pays for answer tokens of some models. */
export function addPromotionCommands(rewards: Command): void {
  rewards
    .command('promote')
    .argument('<name>', 'name of the promotion, which owners see, such as spring-2027')
    .description('pay extra for the answer tokens of some models, for some days')
    .requiredOption('--models <names>', 'separated by commas', names)
    .requiredOption('--per-million <usd>', 'for a million answer tokens', amount)
    .requiredOption('--from <date>', 'first day of UTC; tomorrow at the earliest', day)
    .requiredOption('--until <date>', 'last day', day)
    .requiredOption('--cap <usd>', 'most that it pays in all', amount)
    .requiredOption('--per-owner <usd>', 'most for the machines of an account and a day', amount)
    .requiredOption('--per-customer <usd>', 'most for the answers to an account and a day', amount)
    .action((name: string, options: PromoteOptions) =>
      withBus((bus) => promote(bus, name, options)),
    );
  rewards
    .command('promotions')
    .description('promotions that are not over, with what they have paid')
    .option('--json', 'for programs')
    .action(({ json = false }: { json?: boolean }) => withBus((bus) => list(bus, json)));
  rewards
    .command('end-promotion')
    .argument('<name>')
    .description('end a promotion today, or remove it if it has not begun')
    .action((name: string) => withBus((bus) => end(bus, name)));
}

async function promote(bus: Bus, name: string, options: PromoteOptions): Promise<void> {
  const { services } = await import('#bus-schemas');
  if (!/^[a-z0-9-]{2,40}$/.test(name))
    throw new CommandError(
      EXIT.usage,
      'A name has 2 to 40 small letters, digits and hyphens, as in spring-2027.',
    );
  const promotion: TokenPromotion = {
    promotion: name,
    models: options.models,
    microUsdPerMillion: options.perMillion,
    startsOn: options.from,
    endsOn: options.until,
    capMicroUsd: options.cap,
    ownerDayMicroUsd: options.perOwner,
    customerDayMicroUsd: options.perCustomer,
  };
  const added = await bus.call(services.settlement.addPromotion, promotion, CALL);
  if (!added.ok) {
    const { refusalError, settlementRefusals } = await import('#http-api/refusals.ts');
    throw refusalError(settlementRefusals.addPromotion[added.code]);
  }
  console.log(sentence(promotion));
  console.log('It is paid out of the fund of the rewards ("dinf rewards fund").');
}

async function list(bus: Bus, json: boolean): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { promotions } = await bus.call(services.settlement.promotions, {}, CALL);
  if (json) return console.log(JSON.stringify(promotions));
  for (const { promotion, spentMicroUsd } of promotions)
    console.log(
      `${sentence(promotion)} It has paid ${usd(spentMicroUsd)} of ${usd(promotion.capMicroUsd)}.`,
    );
  if (promotions.length === 0) console.log('There is no promotion.');
}

async function end(bus: Bus, promotion: string): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { known } = await bus.call(services.settlement.endPromotion, { promotion }, CALL);
  if (!known) throw new CommandError(EXIT.failure, `No promotion ${promotion} is open.`);
  console.log(`${promotion} pays for no day after today.`);
}

const sentence = ({
  promotion,
  models,
  microUsdPerMillion,
  startsOn,
  endsOn,
}: TokenPromotion): string =>
  `${promotion}: ${usd(microUsdPerMillion)} for a million answer tokens of ${models.join(', ')}, from ${startsOn} to ${endsOn}.`;
