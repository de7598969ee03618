import { gates, trustFaultTexts } from '#bus-schemas';
import { isReadableOnTheWay } from '../coordinator-call.ts';
import { advice, type Check, type CheckOutcome, fault, fine, unknown } from './check.ts';
import type { Facts } from './facts.ts';

/** Trust refuses evidence of a clock that is wrong by more than two minutes. */
const MAX_CLOCK_MS = 120_000;
const ADVISED_CLOCK_MS = 30_000;
const NOT_RUNNING = unknown('The service does not run.');

/** Checks of the service and of its connection to the network. */
export const networkChecks: readonly Check[] = [
  {
    name: 'address',
    meaning: 'An address without TLS would show the token and the credentials to others.',
    judge: ({ enrolment, settings }) => {
      const url = enrolment?.coordinatorUrl ?? settings?.coordinator;
      if (url === undefined) return unknown('No coordinator was chosen yet.');
      return isReadableOnTheWay(url)
        ? fault(`${url} has no TLS.`, 'Use the https:// address of the coordinator.')
        : fine(`The coordinator is ${url}.`);
    },
  },
  {
    name: 'coordinator',
    meaning: 'Enrolment, renewal and earnings are requests to the coordinator.',
    judge: ({ coordinator }) => {
      switch (coordinator.state) {
        case 'unknown':
          return unknown('No coordinator was chosen yet, so none was called.');
        case 'unreachable':
          return fault(
            `The coordinator cannot be reached: ${coordinator.detail}.`,
            'Check the internet connection, and the address with "dinf provider status".',
          );
        case 'certificate':
          return fine('The coordinator answers, but its certificate is not accepted (see tls).');
        case 'answered':
          return coordinator.isReady
            ? fine('The coordinator is ready.')
            : advice('The coordinator is not ready.', 'Wait: its operator sees the reason.');
      }
    },
  },
  {
    name: 'tls',
    meaning: 'The certificate proves that the coordinator is the right one.',
    judge: ({ coordinator }) =>
      coordinator.state === 'certificate'
        ? fault(
            `The certificate of the coordinator is not accepted: ${coordinator.detail}.`,
            'If the network has an authority of its own, set NODE_EXTRA_CA_CERTS to its certificate.',
          )
        : coordinator.state === 'answered'
          ? fine('The connection to the coordinator is accepted.')
          : unknown('The certificate was not seen.'),
  },
  {
    name: 'clock',
    meaning: 'The network does not trust a machine whose clock is wrong by more than two minutes.',
    judge: ({ coordinator }) => {
      if (coordinator.state !== 'answered' || coordinator.clockAheadMs === undefined)
        return unknown('The clock cannot be compared without the coordinator.');
      const seconds = Math.round(Math.abs(coordinator.clockAheadMs) / 1_000);
      const direction = coordinator.clockAheadMs > 0 ? 'ahead' : 'behind';
      if (seconds * 1_000 > MAX_CLOCK_MS)
        return fault(`The clock is ${seconds} s ${direction}.`, CLOCK_FIX);
      return seconds * 1_000 > ADVISED_CLOCK_MS
        ? advice(`The clock is somewhat wrong: ${seconds} s ${direction}.`, CLOCK_FIX)
        : fine('The clock agrees with the coordinator.');
    },
  },
  {
    name: 'hub',
    meaning: 'Requests and answers pass through a hub of the network.',
    judge: ({ hubs }) => {
      if (hubs.length === 0) return unknown('No address of a hub is known yet.');
      const reachable = hubs.filter((hub) => hub.fault === undefined);
      return reachable.length === 0
        ? fault(
            `No hub can be reached; ${hubs[0]?.address}: ${hubs[0]?.fault}.`,
            'Allow outgoing connections to this port in the firewall.',
          )
        : fine(`${reachable.length} of ${hubs.length} hubs can be reached.`);
    },
  },
  {
    name: 'service',
    meaning: 'The service answers requests in the background.',
    judge: ({ service }) =>
      service === undefined
        ? advice('The service does not run.', 'dinf provider start')
        : fine(`The service runs: ${service.phase}.`),
  },
  {
    name: 'version',
    meaning: 'After an update the service runs the old program until it is started again.',
    judge: ({ serviceVersion, programVersion }) => {
      if (serviceVersion === undefined) return NOT_RUNNING;
      return serviceVersion === programVersion
        ? fine(`The service runs version ${programVersion}.`)
        : advice(
            `The service runs version ${serviceVersion}; ${programVersion} is installed.`,
            'dinf provider stop, then dinf provider start',
          );
    },
  },
  {
    name: 'autostart',
    meaning: 'Without it the machine is away after a restart of the computer.',
    judge: ({ isInstalled }) =>
      isInstalled
        ? fine('The computer starts the service by itself.')
        : advice('The computer does not start the service by itself.', 'dinf provider install'),
  },
  {
    name: 'linger',
    meaning: 'Without lingering, systemd ends the services of a user who logs out.',
    judge: ({ lingers }) => {
      if (lingers === undefined) return unknown('This computer has no systemd.');
      return lingers
        ? fine('The service goes on after you log out.')
        : advice('The service ends when you log out.', 'loginctl enable-linger');
    },
  },
  {
    name: 'worker',
    meaning: 'The process that serves the models is started again if it fails.',
    judge: ({ service }) => {
      if (service === undefined) return NOT_RUNNING;
      return service.failures > 0
        ? fault(
            `The worker failed ${service.failures} times in a row. ${service.sentence}`,
            'dinf provider logs',
          )
        : fine('The worker runs.');
    },
  },
  {
    name: 'paused',
    meaning: 'A paused machine accepts no requests.',
    judge: ({ service }) => {
      if (service === undefined) return NOT_RUNNING;
      return service.phase === 'paused'
        ? advice('The machine is paused by you.', 'dinf provider resume')
        : fine('The machine is not paused.');
    },
  },
  {
    name: 'leaf',
    meaning: 'The nats-server of this machine holds the connection to a hub.',
    judge: ({ service }) => {
      if (service?.link === undefined) return unknown('The leaf does not run.');
      return service.link.fault === undefined
        ? fine('The leaf is connected to a hub.')
        : fault(`The leaf is not connected. ${service.sentence}`, 'dinf provider logs');
    },
  },
  {
    name: 'trust',
    meaning: 'Only verified machines get requests.',
    judge: judgeTrust,
  },
  {
    name: 'trust_level',
    meaning: 'Some callers and networks require a level; hardware is the highest.',
    judge: ({ service, platform }) => {
      switch (service?.trust?.level) {
        case undefined:
          return unknown('The network has not judged this machine since the start.');
        case 'hardware':
          return fine('The level is hardware, the highest one.');
        case 'self_signed':
          return platform === 'darwin'
            ? advice(
                'The level is self_signed: Apple has not confirmed the key of this Mac.',
                'Ask the operator whether the network confirms Macs by device management.',
              )
            : fine('The level is self_signed, the highest one of this system.');
        default:
          return advice('The machine has no level yet.', 'Wait for the next check, five minutes.');
      }
    },
  },
  {
    name: 'model_digests',
    meaning: 'The network compares the files of each model with those of its catalogue.',
    judge: ({ service }) => {
      if (service === undefined) return NOT_RUNNING;
      const wrong =
        service.trust?.fault === 'wrong_model' ||
        service.demand?.some(({ missed }) => missed === 'weights') === true;
      return wrong
        ? fault(gates.weights.text, 'dinf provider models verify MODEL, then pull it again')
        : fine('The network has reported no difference in the files of the models.');
    },
  },
  {
    name: 'requests',
    meaning: 'The router states once a minute why a machine got no request.',
    judge: ({ service }) => {
      if (service === undefined) return NOT_RUNNING;
      if (service.demand === undefined) return unknown('The router has not reported yet.');
      return service.no_request === undefined
        ? fine('The machine got requests in the last minute.')
        : advice(
            `The machine got no request in the last minute: ${service.no_request.text}`,
            'docs/providers/troubleshooting.md, "It gets no work", lists the reasons.',
          );
    },
  },
];

const CLOCK_FIX = 'Set the time automatically from a time server.';

function judgeTrust({ service }: Facts): CheckOutcome {
  const trust = service?.trust;
  if (trust === undefined) return unknown('The network has not judged this machine yet.');
  const text = Object.hasOwn(trustFaultTexts, trust.fault ?? '')
    ? trustFaultTexts[trust.fault as keyof typeof trustFaultTexts]
    : 'The network gives no reason.';
  switch (trust.standing) {
    case 'verified':
      return fine('The network has verified this machine.');
    case 'untrusted':
      return fault(`The network does not trust this machine. ${text}`, 'Ask its operator.');
    case 'lapsed':
      return fault(`The machine did not answer its checks. ${text}`, 'dinf provider restart');
    default:
      return trust.fault === undefined
        ? advice('The network checks this machine.', 'Wait: a check takes less than a minute.')
        : fault(`The network has not verified this machine. ${text}`, 'dinf provider logs');
  }
}
