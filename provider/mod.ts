/**
 * The provider, which serves models on one machine: agent, interface of the engine, leaf node, and
 * the supervision of processes.
 */
export { cacheFolder } from '#bus-schemas/program-folders.mjs';
export { type Agent, type AgentOptions, startAgent } from './agent/agent.ts';
export type { Identity } from './agent/attester.ts';
export {
  type EncodingWork,
  type Engine,
  type GenerationRequest,
  RequestRefused,
  type Sequence,
  type Sink,
} from './engine/engine.ts';
export { EnrolError, type Enrolment, enrolment } from './identity.ts';
export {
  keepRunning,
  type Restartable,
  type RestartableProcess,
  startRestartable,
} from './keep-running.ts';
export type { LaunchErrorCode } from './launch-error.ts';
export { LaunchError } from './launch-error.ts';
export { unpackDebian } from './leaf/debian-package.ts';
export { type Leaf, startLeaf } from './leaf/leaf.ts';
export type { NatsPlace, NatsPorts, NatsServer, NatsServerOptions } from './leaf/nats-server.ts';
export { startNatsServer } from './leaf/nats-server.ts';
export type { NatsServerBinary, NatsServerSource } from './leaf/nats-server-binary.ts';
export { findNatsServer } from './leaf/nats-server-binary.ts';
export { LeafCredentials } from './leaf-credentials.ts';
export type { MeasuredMachines } from './machine-metrics.ts';
export { ownIdentity } from './own-identity.ts';
export { startAgain } from './start-again.ts';
export type { Exit, SupervisedOptions, SupervisedProcess } from './supervised-process.ts';
export { startSupervised } from './supervised-process.ts';
