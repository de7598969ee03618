/** Exports of the coordinator for the other folders. */

export { Bus, BusError } from './bus.ts';
export { type Config, readConfig } from './config.ts';
export { connectToHub } from './connect-bus.ts';
export { DatabaseRefused, DatabaseUnreachable } from './database/errors.ts';
export { connectDatabase } from './database.ts';
export { type HubTls, hubConfig } from './founding/hub-config.ts';
export { leafUrlOf } from './founding/network-plan.ts';
export { type OperatorHome, prepareOperatorHome } from './founding/operator-home.ts';
export {
  type Coordinator,
  type CoordinatorOptions,
  componentNames,
  loadComponents,
  startCoordinator,
} from './main.ts';
export { migrate } from './migrate.ts';
export { makeApiKey, type NewSecret } from './secrets.ts';
export { makeSignInLink } from './sign-in-link.ts';
export { wantedReplicas } from './stream-replicas.ts';
export { explainStorage } from './stream-storage.ts';
export { ensureStreams, StreamStorageError } from './streams.ts';
export { keepTokenizer } from './tokenizers/tokenizer-files.ts';
