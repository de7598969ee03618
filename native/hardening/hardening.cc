// What a provider does to its own process so that the machine's owner cannot read prompts out of it with a debugger, a core
// file or swap. A root user of Linux still can: hardware attestation, not this, is the answer to that.
#include <napi.h>

#include <cerrno>
#include <cstring>

#include <sys/mman.h>
#include <sys/resource.h>
#if defined(__linux__)
#include <sys/prctl.h>
#elif defined(__APPLE__)
#include <sys/types.h>
#include <sys/ptrace.h>
#endif

namespace {

Napi::Object Outcome(Napi::Env env, const char* measure, int error) {
  Napi::Object outcome = Napi::Object::New(env);
  outcome.Set("measure", measure);
  outcome.Set("done", error == 0);
  if (error != 0) outcome.Set("error", std::strerror(error));
  return outcome;
}

// Each returns 0 or errno, and trusts what it reads back, not what it asked for.
int DenyDebugger() {
#if defined(__linux__)
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return errno;
  return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : EPERM;
#elif defined(__APPLE__)
  return ptrace(PT_DENY_ATTACH, 0, nullptr, 0) == 0 ? 0 : errno;
#else
  return ENOTSUP;
#endif
}

int TurnCoreDumpsOff() {
  const struct rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return errno;
  struct rlimit now;
  if (getrlimit(RLIMIT_CORE, &now) != 0) return errno;
  return now.rlim_cur == 0 && now.rlim_max == 0 ? 0 : EPERM;
}

Napi::Value HardenProcess(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array outcomes = Napi::Array::New(env);
  outcomes.Set(0u, Outcome(env, "debugger_denied", DenyDebugger()));
  outcomes.Set(1u, Outcome(env, "core_dumps_off", TurnCoreDumpsOff()));
  return outcomes;
}

bool BytesOf(const Napi::CallbackInfo& info, void** data, size_t* length) {
  if (info.Length() != 1 || !info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Napi::TypeError::New(info.Env(), "expected one Uint8Array").ThrowAsJavaScriptException();
    return false;
  }
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  *data = bytes.Data();
  *length = bytes.ByteLength();
  return true;
}

Napi::Value LockMemory(const Napi::CallbackInfo& info) {
  void* data;
  size_t length;
  if (!BytesOf(info, &data, &length)) return info.Env().Undefined();
  const int error = length == 0 || mlock(data, length) == 0 ? 0 : errno;
  return Outcome(info.Env(), "memory_locked", error);
}

Napi::Value UnlockMemory(const Napi::CallbackInfo& info) {
  void* data;
  size_t length;
  if (!BytesOf(info, &data, &length)) return info.Env().Undefined();
  const int error = length == 0 || munlock(data, length) == 0 ? 0 : errno;
  return Outcome(info.Env(), "memory_unlocked", error);
}

void Wipe(const Napi::CallbackInfo& info) {
  void* data;
  size_t length;
  if (!BytesOf(info, &data, &length) || length == 0) return;
  std::memset(data, 0, length);
  // The compiler must assume that this reads the buffer, so the memset above has to happen.
  __asm__ __volatile__("" : : "r"(data) : "memory");
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("hardenProcess", Napi::Function::New(env, HardenProcess));
  exports.Set("lockMemory", Napi::Function::New(env, LockMemory));
  exports.Set("unlockMemory", Napi::Function::New(env, UnlockMemory));
  exports.Set("wipe", Napi::Function::New(env, Wipe));
  return exports;
}

}  // namespace

NODE_API_MODULE(hardening, Init)
