// Work on a thread of its own whose result is an array of floats.
#pragma once

#include "../decoder/addon.h"

namespace dinf::cpu {

/// Returns a promise that is rejected with a reason and its code.
inline Napi::Value rejected(Napi::Env env, const std::string& wrong, const char* code) {
  auto deferred = Napi::Promise::Deferred::New(env);
  Napi::Object error = Napi::Error::New(env, wrong).Value();
  error.Set("code", code);
  deferred.Reject(error);
  return deferred.Promise();
}

inline void throwInvalidModel(Napi::Env env, const std::string& wrong) {
  Napi::Error error = Napi::Error::New(env, wrong);
  error.Set("code", Napi::String::New(env, "invalid_model"));
  error.ThrowAsJavaScriptException();
}

/// Returns a promise of the floats that `work` makes on the thread, because work must not block the
/// event loop.
inline Napi::Value floatsFrom(Napi::Env env, EngineThread& thread, std::function<std::vector<float>()> work) {
  auto deferred = Napi::Promise::Deferred::New(env);
  auto settle = Napi::ThreadSafeFunction::New(env, Napi::Function(), "floats", 0, 1);
  thread.post([deferred, settle, work = std::move(work)] {
    auto made = std::make_shared<std::vector<float>>(work());
    settle.BlockingCall([deferred, made](Napi::Env env, Napi::Function) {
      Napi::HandleScope scope(env);
      auto array = Napi::Float32Array::New(env, made->size());
      std::copy(made->begin(), made->end(), array.Data());
      deferred.Resolve(array);
    });
    Napi::ThreadSafeFunction(settle).Release();
  });
  return deferred.Promise();
}

inline Napi::Value nothing(Napi::Env env) {
  auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Resolve(env.Undefined());
  return deferred.Promise();
}

}  // namespace dinf::cpu
