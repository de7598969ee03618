/**
 * Starts the services that d-inference depends on, for tests, benchmarks and `npm start`:
 * nats-server, Postgres, fakes of external services, and whole networks.
 */

export { findEngineDrivers } from './engine-drivers.ts';
export { type FakeDevice, FakeMicroMdm, type Mood } from './fake-micro-mdm.ts';
export type { Dispute } from './fake-stripe/bank.ts';
export { FakeStripe, type FaultKind } from './fake-stripe/fake-stripe.ts';
export type { NatsNode, NatsNodeOptions } from './nats-node.ts';
export { type Network, type NetworkOptions, startNetwork } from './network.ts';
export { startNatsHub, startNatsLeaf, startPostgres } from './nodes.ts';
export { type OidcIssuer, startOidcIssuer } from './oidc-issuer.ts';
export type { PostgresNode, PostgresOptions } from './postgres-server.ts';
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
  issueCertificate,
  TestAppleCa,
  type TestCertificate,
  type TestDevice,
} from './test-apple-ca.ts';
