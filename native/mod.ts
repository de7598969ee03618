/** Calls that JavaScript cannot make. An addon that could not be built says so as data. */
export { type Hardening, type HardeningOrReason, loadHardening, type Measure, type Outcome } from './hardening.ts';
