import { gb } from '../downloads/fit.ts';
import { advice, type Check, fault, fine, unknown } from './check.ts';
import type { Facts } from './facts.ts';

const MIN_NODE = 24;
const MIN_FREE_BYTES = 1e9;
const MIN_OPEN_FILES = 1_024;
/** Memory that a loaded model needs beside its weights, as a share of them. */
const BESIDE_WEIGHTS = 0.1;

/** Checks of the computer: its program, hardware, power and environment. */
export const machineChecks: readonly Check[] = [
  {
    name: 'node',
    meaning: 'The program needs Node 24.',
    judge: ({ nodeVersion }) =>
      Number(/^v?(\d+)/.exec(nodeVersion)?.[1]) >= MIN_NODE
        ? fine(`Node ${nodeVersion} runs the program.`)
        : fault(`Node ${nodeVersion} is too old.`, 'Install Node 24 or later from nodejs.org.'),
  },
  {
    name: 'nats_server',
    meaning: 'A nats-server of its own connects the machine to the network.',
    judge: ({ natsServer }) =>
      'version' in natsServer
        ? fine(`nats-server ${natsServer.version} was found.`)
        : fault(
            `No nats-server can be used: ${natsServer.fault}`,
            'Install nats-server, or set DINF_NATS_SERVER to its path.',
          ),
  },
  {
    name: 'native_part',
    meaning:
      'The native part denies debuggers, runs the processor engine, and reads the Secure Enclave.',
    judge: ({ nativeFault }) =>
      nativeFault === undefined
        ? fine('The native part is built.')
        : advice(
            `The native part is missing: ${nativeFault}.`,
            'Install a C++ compiler (on a Mac: xcode-select --install) and start the program again.',
          ),
  },
  {
    name: 'engine',
    meaning: 'An engine on the GPU or the vector instructions answers faster than one in software.',
    judge: ({ engine, modelServer }) => {
      if (modelServer?.fault !== undefined)
        return fault(
          `${modelServer.fault}.`,
          'Start the model server, or name it: dinf provider start --engine openai --upstream URL',
        );
      if (modelServer !== undefined)
        return fine(`The model server at ${modelServer.url} runs the models.`);
      if ('fault' in engine)
        return fault(`No engine runs here: ${engine.fault}.`, 'Run "dinf doctor" for the engines.');
      return engine.isSoftware
        ? advice(
            `The engine ${engine.name} computes in software, which is slow.`,
            'Run "dinf doctor": it says why no better engine runs here.',
          )
        : fine(`The engine ${engine.name} runs the models.`);
    },
  },
  {
    name: 'memory',
    meaning: 'The models must fit into the memory that this computer has for them.',
    judge: ({ models, memoryForModels }) => {
      const largest = Math.max(0, ...models.map(({ bytes }) => bytes)) * (1 + BESIDE_WEIGHTS);
      return largest > memoryForModels
        ? fault(
            `The largest model needs about ${gb(largest)}, and this computer has ${gb(memoryForModels)} for models.`,
            'Serve a smaller model: "dinf provider models search" lists some.',
          )
        : fine(`This computer has ${gb(memoryForModels)} for models.`);
    },
  },
  {
    name: 'memory_free',
    meaning:
      'With little free memory the system moves the model to the disk, and answers become slow.',
    judge: ({ memoryFree }) =>
      memoryFree < MIN_FREE_BYTES
        ? advice(
            `Only ${gb(memoryFree)} of memory is free.`,
            'Close programs that need much memory.',
          )
        : fine(`${gb(memoryFree)} of memory is free.`),
  },
  {
    name: 'disk_home',
    meaning: 'Keys, receipts and logs are written to the folder of the machine.',
    judge: ({ homeFree, home }) => {
      if (homeFree === undefined) return unknown(`The free space of ${home} cannot be read.`);
      return homeFree < MIN_FREE_BYTES
        ? fault(
            `The disk of ${home} has only ${gb(homeFree)} free.`,
            'Delete files you do not need.',
          )
        : fine(`The disk of ${home} has ${gb(homeFree)} free.`);
    },
  },
  {
    name: 'disk_models',
    meaning: 'Models are downloaded to a cache on this disk.',
    judge: ({ cacheFree }) => {
      if (cacheFree === undefined) return unknown('No model has been downloaded yet.');
      return cacheFree < MIN_FREE_BYTES
        ? advice(
            `The disk of the models has only ${gb(cacheFree)} free.`,
            'Remove models: "dinf provider models list" shows them, and "remove" deletes one.',
          )
        : fine(`The disk of the models has ${gb(cacheFree)} free.`);
    },
  },
  {
    name: 'open_files',
    meaning: 'Connections and model files need many open files.',
    judge: ({ openFiles }) => {
      if (openFiles === undefined) return unknown('The limit of open files cannot be read here.');
      return openFiles < MIN_OPEN_FILES
        ? advice(
            `A process may open only ${openFiles} files.`,
            'Run "ulimit -n 4096" before the start.',
          )
        : fine(`A process may open ${openFiles} files.`);
    },
  },
  {
    name: 'user',
    meaning: 'A program without administrator rights can do less harm.',
    judge: ({ isRoot }) =>
      isRoot
        ? advice('The program runs as root.', 'Run it as an ordinary user.')
        : fine('The program runs as an ordinary user.'),
  },
  {
    name: 'power',
    meaning: 'A machine that runs on battery becomes slow and stops when the battery is empty.',
    judge: ({ hasBattery, isOnBattery }) => {
      if (!hasBattery) return fine('This computer has no battery.');
      return isOnBattery
        ? advice('This computer runs on its battery.', 'Connect its power supply.')
        : fine('This computer runs on its power supply.');
    },
  },
  {
    name: 'sleep',
    meaning: 'A computer that sleeps gets no requests.',
    judge: judgeSleep,
  },
  {
    name: 'proxy',
    meaning: 'The connection to the hubs does not use an HTTP proxy.',
    judge: ({ proxies }) => {
      return proxies.length > 0
        ? advice(
            `${proxies.join(' and ')} name a proxy, which the program does not use.`,
            'Allow direct connections to the coordinator and to the port of the hubs.',
          )
        : fine('No proxy is set.');
    },
  },
  {
    name: 'certificates',
    meaning: 'Without the check of certificates, others could read the credentials of the machine.',
    judge: ({ checksCertificates }) =>
      !checksCertificates
        ? fault(
            'NODE_TLS_REJECT_UNAUTHORIZED=0 switches off the check of certificates.',
            'Remove the variable; NODE_EXTRA_CA_CERTS adds an authority of your own.',
          )
        : fine('Certificates are checked.'),
  },
  {
    name: 'insecure',
    meaning: 'DINF_INSECURE allows coordinators without TLS.',
    judge: ({ allowsInsecure }) =>
      allowsInsecure
        ? advice('DINF_INSECURE=1 is set.', 'Remove it, unless you trust the network between.')
        : fine('Only coordinators with TLS, or on this computer, are accepted.'),
  },
  {
    name: 'node_options',
    meaning: 'NODE_OPTIONS changes how every Node program runs.',
    judge: ({ hasNodeOptions }) =>
      hasNodeOptions
        ? advice('NODE_OPTIONS is set and may change memory or debugging.', 'Remove the variable.')
        : fine('NODE_OPTIONS is not set.'),
  },
];

function judgeSleep({ sleepMinutes, hasBattery, platform }: Facts) {
  if (sleepMinutes === undefined)
    return hasBattery
      ? advice(
          'This computer has a battery and may sleep when its lid is closed.',
          'Set in the system that it does not sleep while it is connected to power.',
        )
      : unknown('When this computer sleeps cannot be read here.');
  return sleepMinutes > 0
    ? advice(
        `This computer sleeps after ${sleepMinutes} min without input.`,
        platform === 'darwin'
          ? 'Run "sudo pmset -c sleep 0": it then stays awake while it is connected to power.'
          : 'Switch off automatic sleep in the settings of the system.',
      )
    : fine('This computer does not sleep by itself.');
}
