import { chipKind, type MessageOf, type RoutingDecision, type services } from '#bus-schemas';
import { explain, type SlotExplanation } from './core/explanation.ts';
import type { PendingRequest } from './core/pending-request.ts';
import { type Choice, isBelow } from './core/placement.ts';
import { areNewcomersLimited } from './core/probation.ts';
import type { Router } from './core/router.ts';
import type { Serving } from './core/serving.ts';

/** The state of routing as ingresses, operators and subscribers to its decisions see it. */

type MachineRecord = MessageOf<typeof services.routing.records.reply>['records'][number];

export const MAX_EXPLAINED = 1_000;
/** Measured speeds in the record of one machine. */
const MAX_SPEEDS = 8;
export const MAX_LISTED = 2_000;

/** The description of a decision for people. */
export function describeDecision(
  { request }: PendingRequest,
  { candidates, cost, rejected }: Choice,
  about: { outcome: RoutingDecision['outcome']; at: number; queuedMs: number },
): RoutingDecision {
  const [winner, ...others] = candidates;
  return {
    job: request.job,
    at: about.at,
    model: request.model,
    outcome: about.outcome,
    candidates: candidates.length,
    alternates: others.map(({ provider, expectedFirstContentMs }) => ({
      provider,
      expectedFirstContentMs,
    })),
    rejected,
    queuedMs: Math.max(0, Math.round(about.queuedMs)),
    ...(winner !== undefined && { provider: winner.provider, build: winner.build }),
    ...(cost !== undefined && { cost: { ...cost } }),
  };
}

/** Counts only slots that a job could go to: never more than a reservation would find. */
export function capacityByBuild(router: Router) {
  const { fleet } = router;
  const rows = [...fleet.builds()].map((build) => {
    const open = fleet.serving(build).filter((serving) => isOpen(router, serving));
    const sum = (pick: (serving: Serving) => number) =>
      open.reduce((total, serving) => total + pick(serving), 0);
    return {
      build,
      providers: open.length,
      warm: sum(({ slot }) => (slot.state === 'resident' ? 1 : 0)),
      running: sum(({ slot }) => slot.running),
      freeSlots: sum(freePlaces),
      freeTokens: sum(({ tokensLeft }) => Math.max(0, tokensLeft)),
      decodeTps: sum(({ tokenMs }) => 1_000 / tokenMs),
    };
  });
  return rows.filter(({ providers }) => providers > 0).slice(0, MAX_LISTED);
}

/** The free slots of each build, which the cell publishes twice a second. */
export function freeSlotsByBuild(router: Router): { build: string; freeSlots: number }[] {
  const { fleet } = router;
  const rows: { build: string; freeSlots: number }[] = [];
  for (const build of fleet.builds()) {
    let freeSlots = 0;
    for (const serving of fleet.serving(build))
      if (isOpen(router, serving)) freeSlots += freePlaces(serving);
    if (rows.length < MAX_LISTED) rows.push({ build, freeSlots });
  }
  return rows;
}

/** Whether paid requests may go to the slot. */
const isOpen = ({ minimumTrust }: Router, serving: Serving): boolean =>
  serving.closed === undefined && !serving.isPrivate && !isBelow(serving, minimumTrust);

const freePlaces = ({ load, maxConcurrency }: Serving) => Math.max(0, maxConcurrency - load);

export function explainFleet(
  router: Router,
  request: MessageOf<typeof services.routing.explain.request>,
  now: number,
): MessageOf<typeof services.routing.explain.reply> {
  const { promptTokens, maxOutputTokens, requires, weights, providers } = request;
  const wanted = providers && new Set(providers);
  const builds = request.builds ?? [...router.fleet.builds()];
  const ask = {
    job: '',
    builds,
    promptTokens,
    maxOutputTokens,
    exclude: [],
    minimumTrust: router.minimumTrust,
    ...(requires && { requires }),
    ...(weights && { weights }),
  };
  const slots: SlotExplanation[] = [];
  const tally: Record<string, number> = {};
  for (const build of builds) {
    const all = router.fleet.serving(build);
    const servings = all.filter(({ id }) => wanted === undefined || wanted.has(id));
    const priced = request.priced?.find((model) => model.builds.includes(build));
    const pricing =
      priced && router.prices.pricingFor(priced.model, { list: priced.list, max: priced.list });
    const newcomers = !areNewcomersLimited(all, { ...ask, pricing }, now);
    const explained = explain(servings, { ...ask, pricing, newcomers }, now);
    slots.push(...explained.slots);
    for (const [gate, count] of Object.entries(explained.tally))
      tally[gate] = (tally[gate] ?? 0) + count;
  }
  return { slots: slots.slice(0, MAX_EXPLAINED), tally, queued: router.queued };
}

export const listFleet = (router: Router) => listSlots(router).slice(0, MAX_LISTED);

/** All slots of the fleet. A machine that is away, leaving or paused has no other state. */
export function listSlots({ fleet, reservations }: Router) {
  return [...fleet.all()].flatMap(({ id, machine, silent, draining, isPaused, slots }) =>
    [...slots.values()].map(({ build, state, running }) => ({
      provider: id,
      build,
      state: silent ? 'silent' : draining ? 'draining' : isPaused ? 'paused' : state,
      chip: machine.chip,
      simulated: machine.simulated,
      running,
      pending: reservations.count(id, build),
    })),
  );
}

type Census = MessageOf<typeof services.routing.census.reply>['machines'];

/** Counts the machines by chip and state. */
export function censusOf({ fleet }: Router): Census {
  return addUp(
    [...fleet.all()].map(({ machine, silent, draining, isPaused, slots }) => {
      const states = new Set([...slots.values()].map(({ state }) => state));
      const state = states.has('resident') ? 'ready' : states.has('loading') ? 'loading' : 'cold';
      return {
        chip: chipKind(machine.chip),
        simulated: machine.simulated,
        state: silent ? 'silent' : draining ? 'draining' : isPaused ? 'paused' : state,
        machines: 1,
      };
    }),
  );
}

/** Adds up rows of the same chip and state, for example those of several cells. */
export function addUp(rows: Census): Census {
  const groups = Map.groupBy(rows, ({ chip, simulated, state }) => `${chip} ${simulated} ${state}`);
  return [...groups.values()].map(([first, ...others]) => ({
    ...(first as Census[number]),
    machines: others.reduce((sum, { machines }) => sum + machines, first?.machines ?? 0),
  }));
}

/** What is known of machines of this cell now; machines of other cells are left out. */
export function recordsNow(
  router: Router,
  providers: readonly string[],
  { now, restoredAgeMs }: { now: number; restoredAgeMs: (provider: string) => number | undefined },
): MachineRecord[] {
  return providers
    .filter((provider) => router.fleet.provider(provider) !== undefined)
    .map((provider) => {
      const { faults, pace, speeds = [] } = router.memoryOf(provider, now);
      const restored = restoredAgeMs(provider);
      return {
        provider,
        now: {
          pauseMs: faults?.openMs ?? 0,
          coolingMs: faults?.coolMs ?? 0,
          ...(pace && { slowdown: Math.exp(pace.logExcess) }),
          speeds: speeds.slice(0, MAX_SPEEDS).map(({ build, answers }) => ({
            build,
            tokensPerSecond: 1_000 / Math.min(...answers.map(({ tokenMs }) => tokenMs)),
          })),
          ...(restored !== undefined && { restoredAgeMs: restored }),
        },
      };
    });
}
