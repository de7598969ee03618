/** Simulated Macs and whole fleets of them, for tests, benchmarks and `npm start`. */
export { type ChipName, chipNames } from './chips.ts';
export { EmulatedMac } from './emulated-mac.ts';
export {
  type Fault,
  type FleetOptions,
  type SimulatedFleet,
  type SimulatedProvider,
  startFleet,
} from './fleet.ts';
export { imaginaryId } from './imaginary-id.ts';
export { simulatedAliases, simulatedBuilds, simulatedModels } from './models.ts';
export { type SimulatedAnswer, simulatedAnswer } from './simulated-answer.ts';
export {
  createSimulatedEngine,
  type EngineProfile,
  type SimulatedEngine,
} from './simulated-engine.ts';
