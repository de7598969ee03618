/** Calls that JavaScript cannot make. An addon that could not be built says so as data. */
export { loadCpuDecoders, loadMlxDecoders, type NativeDecoder, type NativeDecoders } from './decoder.ts';
export { type Hardening, type HardeningOrReason, loadHardening, type Measure, type Outcome } from './hardening.ts';
export { type EnclaveKey, type EnclaveKeyOrReason, openEnclaveKey, SecureEnclaveError } from './secure-enclave.ts';
