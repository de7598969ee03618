// The encoder's interface to JavaScript. All passes happen on one thread that belongs to the encoder,
// because a pass must not block the event loop.
#pragma once

#include "encoder.h"
#include "floats-promise.h"

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
      throwInvalidModel(info.Env(), wrong);
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
    if (!wrong.empty()) return rejected(info.Env(), wrong, "invalid_step");
    return floatsFrom(info.Env(), *thread_, [texts, encoder = encoder_] { return encoder->pass(*texts); });
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    shut();
    return nothing(info.Env());
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
