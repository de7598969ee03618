/** Exports of the coordinator for the other folders. */

export { Bus, BusError } from './bus.ts';
export { type Config, ConfigError, readConfig } from './config.ts';
export { connectToHub } from './connect-bus.ts';
export { DatabaseRefused, DatabaseUnreachable } from './database/errors.ts';
export { connectDatabase } from './database.ts';
export {
  type Coordinator,
  type CoordinatorOptions,
  componentNames,
  startCoordinator,
} from './main.ts';
export { migrate } from './migrate.ts';
export { makeApiKey, type NewSecret } from './secrets.ts';
export { explainStorage } from './stream-storage.ts';
export { ensureStreams, StreamStorageError } from './streams.ts';
export { keepTokenizer } from './tokenizers/tokenizer-files.ts';
export { type OperatorHome, prepareOperatorHome } from './trust/operator-home.ts';
