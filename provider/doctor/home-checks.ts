import { advice, type Check, type CheckOutcome, fault, fine, unknown } from './check.ts';
import type { Facts } from './facts.ts';
import type { ModelServerFact } from './model-server.ts';

const DAY_MS = 86_400_000;
const SOON_MS = 2 * DAY_MS;
/** Permission bits of the group and of other users. */
const OTHERS = 0o077;

/** A file that other users of the computer must not read. */
const secret = (name: string, file: string, meaning: string): Check => ({
  name,
  meaning,
  judge: ({ modes, home }: Facts) => {
    const mode = modes[file];
    const shown = file === '.' ? 'the folder of this machine' : file;
    if (mode === undefined) return unknown(`There is no ${file === '.' ? 'folder' : file} yet.`);
    return (mode & OTHERS) === 0
      ? fine(`Only its owner can read ${shown}.`)
      : fault(
          `Other users can read ${shown} (mode ${mode.toString(8)}).`,
          `chmod go= ${file === '.' ? home : `${home}/${file}`}`,
        );
  },
});

function ofModelServer(server: ModelServerFact): CheckOutcome {
  if (server.fault !== undefined) return unknown('The model server does not answer.');
  const { served, missing } = server;
  const names = missing.join(', ');
  const fix = 'Load the model there, or choose another: dinf provider start --model MODEL';
  if (served === 0 && missing.length === 0)
    return fault('The model server offers no model that can chat.', fix);
  if (served === 0)
    return fault(`The model server offers none of the chosen models: ${names}.`, fix);
  return missing.length === 0
    ? fine(`The machine serves ${served} ${served === 1 ? 'model' : 'models'} of the model server.`)
    : advice(`The model server does not offer ${names}.`, fix);
}

/** Checks of the folder of the machine: its keys, enrolment, settings and models. */
export const homeChecks: readonly Check[] = [
  secret('home', '.', 'The folder of the machine has its keys.'),
  secret('bus_key', 'user.nk', 'This key identifies the machine on the bus.'),
  secret(
    'signing_key',
    'signing.pem',
    'This key signs receipts; a copy could claim your earnings.',
  ),
  secret('credentials', 'leaf.creds', 'With these credentials the leaf connects to the hubs.'),
  secret(
    'control_socket',
    'control.sock',
    'Through this socket the service is stopped and paused.',
  ),
  {
    name: 'enrolment',
    meaning: 'A machine is enrolled once; its account then gets what it earns.',
    judge: ({ enrolment }) =>
      enrolment === undefined
        ? advice('This machine is not enrolled yet.', 'dinf provider start --link')
        : fine(`This machine is enrolled as ${enrolment.provider}.`),
  },
  {
    name: 'credentials_expiry',
    meaning: 'Credentials are renewed automatically at half of their lifetime.',
    judge: ({ credentialsExpireAt, now }) => {
      if (credentialsExpireAt === undefined)
        return unknown('There are no credentials that expire.');
      if (credentialsExpireAt <= now)
        return fault(
          'The credentials of the leaf have expired.',
          'Run "dinf provider restart": it renews them when the coordinator can be reached.',
        );
      return credentialsExpireAt - now < SOON_MS
        ? advice(
            'The credentials of the leaf expire within two days and were not renewed.',
            'Run "dinf provider logs": it shows why the renewal fails.',
          )
        : fine(`The credentials of the leaf are valid until ${dayOf(credentialsExpireAt)}.`);
    },
  },
  {
    name: 'hub_authority',
    meaning: 'The certificate of the authority with which the machine recognises the hubs.',
    judge: ({ hubCaExpiresAt, now }) => {
      if (hubCaExpiresAt === undefined)
        return unknown('The hubs of this network have no authority.');
      return hubCaExpiresAt <= now
        ? fault('The certificate of the authority has expired.', 'dinf provider restart')
        : fine(`The certificate of the authority is valid until ${dayOf(hubCaExpiresAt)}.`);
    },
  },
  {
    name: 'settings',
    meaning: 'The options of "dinf provider start" are saved, so that they hold after a restart.',
    judge: ({ settings }) =>
      settings === undefined
        ? advice('No options are saved.', 'dinf provider start --link --model MODEL')
        : fine('The options of the last start are saved.'),
  },
  {
    name: 'models',
    meaning:
      'Each model must be complete on this computer, or its model server must offer it, if there is one.',
    judge: ({ models, modelServer }) => {
      if (modelServer !== undefined) return ofModelServer(modelServer);
      const broken = models.find((model) => model.fault !== undefined);
      if (broken !== undefined)
        return fault(
          `${broken.name} cannot be opened: ${broken.fault}.`,
          `dinf provider models pull ${broken.name}`,
        );
      return models.length === 0
        ? advice(
            'No model was chosen, so the small test model is served.',
            'dinf provider start --model MODEL',
          )
        : fine('Every chosen model is complete.');
    },
  },
  {
    name: 'receipts',
    meaning: 'Answers are paid when the network has acknowledged their receipts.',
    judge: ({ receiptsWaiting }) =>
      receiptsWaiting === 0
        ? fine('All receipts are acknowledged.')
        : advice(
            `${receiptsWaiting} receipts are not acknowledged yet.`,
            'Keep the service running: it repeats them until they are.',
          ),
  },
];

const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);
