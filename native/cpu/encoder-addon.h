// The encoder's interface to JavaScript. All passes happen on one thread that belongs to the encoder,
// because a pass must not block the event loop.
#pragma once

#include "../decoder/addon.h"
#include "encoder.h"

namespace dinf::cpu {

class EncoderAddon : public Napi::ObjectWrap<EncoderAddon> {
 public:
  static Napi::Function define(Napi::Env env) { return DefineClass(env, "Encoder", {InstanceMethod("pass", &EncoderAddon::pass), InstanceMethod("close", &EncoderAddon::close)}); }

  explicit EncoderAddon(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EncoderAddon>(info) {
    std::string wrong;
    const reading::Fields model(info[0], "model", wrong);
    EncoderShape shape{model.integer("vocabulary"), model.integer("hidden"), model.integer("heads"), model.integer("inner"), model.integer("layers"), model.integer("positions"), model.integer("kinds"), static_cast<float>(model.number("normEps"))};
    const int threads = model.integer("threads");
    std::vector<float> weights = model.list<float>("weights");
    if (wrong.empty()) wrong = shape.wrong();
    if (wrong.empty() && weights.size() != shape.weights()) wrong = "the number of weights does not fit the shape";
    if (!wrong.empty()) {
      Napi::Error error = Napi::Error::New(info.Env(), wrong);
      error.Set("code", Napi::String::New(info.Env(), "invalid_model"));
      error.ThrowAsJavaScriptException();
      return;
    }
    shape_ = shape;
    encoder_ = std::make_shared<Encoder>(shape, std::move(weights), threads);
    thread_ = std::make_unique<EngineThread>();
  }
  ~EncoderAddon() override { shut(); }

 private:
  Napi::Value pass(const Napi::CallbackInfo& info) {
    std::string wrong;
    const reading::Fields inputs(info[0], "inputs", wrong);
    auto texts = std::make_shared<Texts>(Texts{inputs.list<int32_t>("tokens"), inputs.list<int32_t>("kinds"), inputs.list<int32_t>("lengths")});
    if (wrong.empty() && !thread_) wrong = "the encoder is closed";
    if (wrong.empty()) wrong = texts->wrong(shape_);
    auto deferred = Napi::Promise::Deferred::New(info.Env());
    if (!wrong.empty()) {
      Napi::Object error = Napi::Error::New(info.Env(), wrong).Value();
      error.Set("code", "invalid_step");
      deferred.Reject(error);
      return deferred.Promise();
    }
    auto settle = Napi::ThreadSafeFunction::New(info.Env(), Napi::Function(), "encoder", 0, 1);
    thread_->post([deferred, settle, texts, encoder = encoder_] {
      auto vectors = std::make_shared<std::vector<float>>(encoder->pass(*texts));
      settle.BlockingCall([deferred, vectors](Napi::Env env, Napi::Function) {
        Napi::HandleScope scope(env);
        auto array = Napi::Float32Array::New(env, vectors->size());
        std::copy(vectors->begin(), vectors->end(), array.Data());
        deferred.Resolve(array);
      });
      Napi::ThreadSafeFunction(settle).Release();
    });
    return deferred.Promise();
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    shut();
    auto deferred = Napi::Promise::Deferred::New(info.Env());
    deferred.Resolve(info.Env().Undefined());
    return deferred.Promise();
  }

  /// Waits for the passes that were begun, then frees the weights.
  void shut() {
    if (thread_) thread_->stop();
    thread_.reset();
    encoder_.reset();
  }

  EncoderShape shape_{};
  std::shared_ptr<Encoder> encoder_;
  std::unique_ptr<EngineThread> thread_;
};

}  // namespace dinf::cpu
