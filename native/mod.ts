/**
 * System calls and decoders that need C++. A missing addon is reported as a value, not as an
 * exception.
 */
export {
  loadCpuDecoders,
  loadCpuEncoders,
  loadCpuVisionTowers,
  loadMlxDecoders,
  type NativeDecoder,
  type NativeDecoders,
  type NativeEncoder,
} from './decoder.ts';
export {
  type Hardening,
  type HardeningOrReason,
  type HardeningOutcome,
  loadHardening,
  type Measure,
} from './hardening.ts';
export {
  type EnclaveKey,
  type EnclaveKeyOrReason,
  openEnclaveKey,
  SecureEnclaveError,
} from './secure-enclave.ts';
