import { isReadableOnTheWay } from '#provider/coordinator-call.ts';
import { advice, type Check, fault, fine, unknown } from '#provider/doctor/check.ts';
import type { NetworkFacts } from './network-facts.ts';

const DAY_MS = 24 * 3_600_000;
/** A certificate that is renewed by itself is renewed earlier than this. */
const RENEWED_DAYS = 14;
/** Machines with a clock that is wrong by two minutes are not trusted. */
const MAX_CLOCK_MS = 120_000;
const ADVISED_CLOCK_MS = 30_000;
/** An answer that takes so long and still arrives at once was collected on the way. */
const COLLECTED_MS = 500;
const LONGEST_DETAIL = 300;

/** What must hold of a network, seen from outside. */
export const outsideChecks: readonly Check<NetworkFacts>[] = [
  {
    name: 'address',
    meaning: 'Without TLS, API keys and prompts can be read on the way.',
    judge: ({ url }) =>
      isReadableOnTheWay(url)
        ? fault(`${url} has no TLS.`, 'docs/operating/several-machines.md shows how to add it.')
        : fine(`${url} is private on the way.`),
  },
  {
    name: 'coordinator',
    meaning: 'Customers and machines call it.',
    judge: ({ coordinator }) => {
      switch (coordinator.state) {
        case 'answered':
          return fine('The coordinator answers.');
        case 'certificate':
          return fault(
            `Its certificate is not accepted: ${coordinator.detail}.`,
            'If the network has an authority of its own, set NODE_EXTRA_CA_CERTS to its certificate.',
          );
        case 'unreachable':
          return fault(
            `It cannot be reached: ${coordinator.detail}.`,
            'Check its address, its process and the firewall.',
          );
        case 'unknown':
          return unknown('No coordinator was called.');
      }
    },
  },
  {
    name: 'certificate',
    meaning: 'Nobody can connect after it has expired.',
    judge: ({ certificateExpiresAt, now }) => {
      if (certificateExpiresAt === undefined) return unknown('There is no certificate.');
      const days = Math.floor((certificateExpiresAt - now) / DAY_MS);
      if (days < 0) return fault(`It ended ${-days} days ago.`, 'Renew the certificate.');
      return days < RENEWED_DAYS
        ? advice(`It ends in ${days} days.`, 'Renew it, and look why this has not happened yet.')
        : fine(`It is valid for ${days} days.`);
    },
  },
  {
    name: 'clock',
    meaning: 'Machines and coordinator must agree on the time.',
    judge: ({ coordinator }) => {
      if (coordinator.state !== 'answered' || coordinator.clockAheadMs === undefined)
        return unknown('The coordinator has told no time.');
      const offset = Math.abs(coordinator.clockAheadMs);
      const text = `The clocks here and there differ by ${Math.round(offset / 1_000)} s.`;
      const fix = 'Set both from a time server.';
      if (offset > MAX_CLOCK_MS) return fault(text, fix);
      return offset > ADVISED_CLOCK_MS ? advice(text, fix) : fine('The clocks agree.');
    },
  },
  {
    name: 'ready',
    meaning: 'The coordinator names what it needs before it can serve requests.',
    judge: ({ coordinator }) => {
      if (coordinator.state !== 'answered') return unknown('The coordinator has not answered.');
      return coordinator.isReady
        ? fine('Requests can be served.')
        : fault(
            `Missing: ${coordinator.missing.join('; ') || 'not named'}.`,
            'docs/troubleshooting.md has a section for each of these.',
          );
    },
  },
  {
    name: 'degraded',
    meaning: 'These faults stop no requests, and become outages if nobody acts.',
    judge: ({ coordinator }) => {
      if (coordinator.state !== 'answered') return unknown('The coordinator has not answered.');
      return coordinator.degraded.length === 0
        ? fine('The coordinator names no fault.')
        : advice(
            `${coordinator.degraded.join('; ')}.`,
            'docs/operating/incidents.md has a runbook for each kind.',
          );
    },
  },
  {
    name: 'hubs',
    meaning: 'Machines connect to these addresses.',
    judge: ({ hubs }) => {
      const away = hubs.filter(({ fault: reason }) => reason !== undefined);
      const [first] = away;
      if (hubs.length === 0) return unknown('The coordinator has named no hub.');
      if (first === undefined) return fine(`All hubs can be reached: ${hubs.length}.`);
      const text = `${away.length} of ${hubs.length} cannot be reached; ${first.address}: ${first.fault}.`;
      return away.length === hubs.length
        ? fault(text, 'Start the hub, and let this port through the firewall.')
        : advice(text, 'Start the hub, and let this port through the firewall.');
    },
  },
  {
    name: 'models',
    meaning: 'A model needs at least one machine that is ready for it.',
    judge: ({ models }) => {
      if (models === undefined) return unknown('The models cannot be read.');
      const idle = models.filter(({ serves }) => !serves).map(({ model }) => model);
      if (models.length === 0) return fault('No model is offered.', 'dinf models add');
      const text = `No machine serves ${idle.join(', ')}.`;
      if (idle.length === models.length) return fault(text, 'dinf top shows the machines.');
      return idle.length > 0
        ? advice(text, 'dinf top shows the machines.')
        : fine(`Machines serve all models: ${models.length}.`);
    },
  },
  {
    name: 'operator_routes',
    meaning: 'Figures and commands of operators must not be open to everyone.',
    judge: ({ openRoutes, coordinator }) => {
      if (coordinator.state !== 'answered') return unknown('The coordinator has not answered.');
      return openRoutes.length === 0
        ? fine('They are closed without a key.')
        : fault(
            `Open without a key: ${openRoutes.join(', ')}.`,
            'Close them in the proxy before the coordinator.',
          );
    },
  },
  {
    name: 'answer',
    meaning: 'One request of a customer, from here to a machine and back.',
    judge: ({ answer }) => {
      if (answer === undefined)
        return unknown(
          'None was asked for: set DINF_API_KEY to a key, and a model must be served.',
        );
      return answer.state === 'refused'
        ? fault(
            `${answer.model}: ${answer.detail.slice(0, LONGEST_DETAIL)}`,
            'docs/troubleshooting.md lists the codes.',
          )
        : fine(
            `${answer.model} began after ${Math.round(answer.firstMs)} ms and ended after ${Math.round(answer.wholeMs)} ms.`,
          );
    },
  },
  {
    name: 'stream',
    meaning: 'A proxy that collects an answer lets people wait for its end.',
    judge: ({ answer }) => {
      if (answer?.state !== 'streamed') return unknown('No answer was streamed.');
      return answer.arrivals <= 2 && answer.wholeMs > COLLECTED_MS
        ? fault(
            'The answer arrived all at once.',
            'Turn off buffering in the proxy before the coordinator (nginx: proxy_buffering off).',
          )
        : fine(`The answer arrived in ${answer.arrivals} parts.`);
    },
  },
];
