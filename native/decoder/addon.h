// A decoder as JavaScript sees it: `load` and `step` answer with promises, and all work happens on one thread of the decoder's
// own, because MLX allows no other and because a step must not hold up the event loop.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "model.h"

namespace dinf {

/// What an engine implements. Called on the engine's thread only. A text says what went wrong; none is success.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string load(const Model& model) = 0;
  virtual std::string step(const Step& step, StepResult& result) = 0;
  virtual int64_t memoryBytes() const = 0;
};

class EngineThread {
 public:
  EngineThread() : thread_([this] { run(); }) {}
  ~EngineThread() { stop(); }
  void post(std::function<void()> task) {
    {
      std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    wake_.notify_one();
  }
  /// Ends after everything posted before it is done.
  void stop() {
    if (!thread_.joinable()) return;
    post(nullptr);
    thread_.join();
  }

 private:
  void run() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !tasks_.empty(); });
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      if (!task) return;
      task();
    }
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::thread thread_;
};

template <class EngineOf>
class Decoder : public Napi::ObjectWrap<Decoder<EngineOf>> {
 public:
  static Napi::Function define(Napi::Env env) {
    using Wrap = Napi::ObjectWrap<Decoder>;
    return Wrap::DefineClass(env, "Decoder", {Wrap::InstanceMethod("load", &Decoder::load), Wrap::InstanceMethod("step", &Decoder::step), Wrap::InstanceMethod("close", &Decoder::close)});
  }
  explicit Decoder(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Decoder>(info), thread_(std::make_unique<EngineThread>()), engine_(std::make_shared<std::unique_ptr<EngineOf>>()) {}
  ~Decoder() override { shut(); }

 private:
  using Answer = std::function<Napi::Value(Napi::Env)>;
  using Work = std::function<std::string(Answer&)>;

  Napi::Value load(const Napi::CallbackInfo& info) {
    auto model = std::make_shared<Model>(reading::model(info[0].As<Napi::Object>()));
    return run(info.Env(), [engine = engine_, model](Answer& answer) {
      *engine = std::make_unique<EngineOf>();
      std::string wrong = (*engine)->load(*model);
      int64_t bytes = (*engine)->memoryBytes();
      answer = [bytes](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(bytes)); };
      return wrong;
    });
  }

  Napi::Value step(const Napi::CallbackInfo& info) {
    auto step = std::make_shared<Step>(reading::step(info[0].As<Napi::Object>()));
    return run(info.Env(), [engine = engine_, step](Answer& answer) -> std::string {
      if (!*engine) return "no model is loaded";
      auto result = std::make_shared<StepResult>();
      std::string wrong = (*engine)->step(*step, *result);
      answer = [result](Napi::Env env) {
        auto object = Napi::Object::New(env);
        auto best = Napi::Int32Array::New(env, result->best.size());
        std::copy(result->best.begin(), result->best.end(), best.Data());
        object.Set("best", best);
        if (!result->logits.empty()) {
          auto logits = Napi::Float32Array::New(env, result->logits.size());
          std::copy(result->logits.begin(), result->logits.end(), logits.Data());
          object.Set("logits", logits);
        }
        return object;
      };
      return wrong;
    });
  }

  /// The engine goes where it was made: on its own thread.
  Napi::Value close(const Napi::CallbackInfo& info) {
    return run(info.Env(), [engine = engine_](Answer& answer) {
      engine->reset();
      answer = [](Napi::Env env) { return env.Undefined(); };
      return std::string();
    });
  }

  Napi::Value run(Napi::Env env, Work work) {
    auto deferred = Napi::Promise::Deferred::New(env);
    auto settle = Napi::ThreadSafeFunction::New(env, Napi::Function(), "decoder", 0, 1);
    thread_->post([deferred, settle, work = std::move(work)] {
      auto answer = std::make_shared<Answer>();
      auto wrong = std::make_shared<std::string>(work(*answer));
      settle.BlockingCall([deferred, answer, wrong](Napi::Env env, Napi::Function) {
        Napi::HandleScope scope(env);
        if (wrong->empty()) deferred.Resolve((*answer)(env));
        else deferred.Reject(Napi::Error::New(env, *wrong).Value());
      });
      Napi::ThreadSafeFunction(settle).Release();
    });
    return deferred.Promise();
  }

  void shut() {
    if (!thread_) return;
    thread_->post([engine = engine_] { engine->reset(); });
    thread_->stop();
    thread_.reset();
  }

  std::unique_ptr<EngineThread> thread_;
  std::shared_ptr<std::unique_ptr<EngineOf>> engine_;
};

}  // namespace dinf
