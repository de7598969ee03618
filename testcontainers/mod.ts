/**
 * What tests and benchmarks need around the network: nodes in containers or as processes, fakes of
 * external services, raw connections and faulty ones.
 */

export { findEngineDrivers, mlxPackages } from './engine-drivers.ts';
export { ensureFolder } from './ensure-folder.ts';
export { FakeHuggingFace } from './fake-hugging-face.ts';
export { type FakeDevice, FakeMicroMdm, type Mood } from './fake-micro-mdm.ts';
export { FakePackageIndex } from './fake-package-index.ts';
export type { Dispute } from './fake-stripe/bank.ts';
export { FakeStripe, type FaultKind } from './fake-stripe/fake-stripe.ts';
export { HubRoutes } from './hub-routes.ts';
export { makeMemoryGroup, whyNoMemoryGroups } from './memory-group.ts';
export {
  nodeStarters,
  startBareHub,
  startNatsHub,
  startNatsLeaf,
  startPostgres,
  startTestDatabase,
  startTestHub,
  type TestDatabase,
} from './nodes.ts';
export { npmPackages } from './npm-packages.ts';
export { type ArchivedPostgres, startArchivedPostgres } from './postgres/archived-postgres.ts';
export { lockWaits } from './postgres/lock-waits.ts';
export {
  type ReplicatedPostgres,
  startReplicatedPostgres,
} from './postgres/replicated-postgres.ts';
export { pythonPackages } from './python-packages.ts';
export { RawLeaf, type RawMessage } from './raw-leaf.ts';
export { chooseRuntime, type Runtime, whyNoContainers } from './runtime.ts';
export {
  startTcpProxy,
  type TcpProxy,
  type TcpProxyOptions,
  type TcpProxyTarget,
} from './tcp-proxy.ts';
export {
  deviceExtensions,
  TestAppleCa,
  type TestDevice,
} from './test-apple-ca.ts';
