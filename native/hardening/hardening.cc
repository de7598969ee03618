// Hardens the provider's own process: without this, the owner of the machine could read prompts
// from its memory with a debugger or a core file. It does not stop a root user on Linux; hardware
// attestation addresses that attack.
#include <napi.h>

#include <cerrno>
#include <cstring>

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

// The following functions return 0 or an errno. They read the setting back, because a call that
// reports success does not prove that the setting is in force.
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

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("hardenProcess", Napi::Function::New(env, HardenProcess));
  return exports;
}

}  // namespace

NODE_API_MODULE(hardening, Init)
