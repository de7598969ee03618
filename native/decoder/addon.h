// The decoder's interface to JavaScript. `load` and `step` return promises. All work happens on one
// thread that belongs to the decoder: MLX requires a single thread, and a step must not block the
// event loop.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "checks.h"
#include "engine.h"
#include "reading.h"

namespace dinf {

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
  /// Runs all tasks posted so far, then ends the thread.
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
    return Wrap::DefineClass(env, "Decoder", {Wrap::InstanceMethod("load", &Decoder::load), Wrap::InstanceMethod("step", &Decoder::step), Wrap::InstanceMethod("advance", &Decoder::advance), Wrap::InstanceMethod("draft", &Decoder::draft), Wrap::InstanceMethod("keep", &Decoder::keep), Wrap::InstanceMethod("save", &Decoder::save), Wrap::InstanceMethod("restore", &Decoder::restore), Wrap::InstanceMethod("close", &Decoder::close)});
  }
  explicit Decoder(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Decoder>(info), thread_(std::make_unique<EngineThread>()), state_(std::make_shared<State>()) {}
  ~Decoder() override { shut(); }

 private:
  /// Only the engine's thread may access it.
  struct State {
    Model model;
    std::unique_ptr<EngineOf> engine;
    /// Number of tokens of the last step that did not fail.
    size_t stepped = 0;
  };
  using Answer = std::function<Napi::Value(Napi::Env)>;
  /// The reason why a call was rejected or failed. `code` becomes the `code` of the JavaScript
  /// error; an empty code means success.
  struct Failure {
    const char* code = nullptr;
    std::string text;
  };
  using Work = std::function<Failure(Answer&)>;
  static Napi::Value arrayOf(Napi::Env env, const std::vector<int32_t>& list) {
    auto array = Napi::Int32Array::New(env, list.size());
    std::copy(list.begin(), list.end(), array.Data());
    return array;
  }
  static Failure failureOf(std::string wrong) { return wrong.empty() ? Failure{} : Failure{"engine_failed", std::move(wrong)}; }

  Napi::Value load(const Napi::CallbackInfo& info) {
    std::string wrong;
    auto model = std::make_shared<Model>(reading::model(info[0], wrong));
    if (wrong.empty()) wrong = checks::wrongModel(*model);
    if (!wrong.empty()) return refuse(info.Env(), {"invalid_model", wrong});
    return run(info.Env(), [state = state_, model](Answer& answer) {
      state->model = *model;
      state->stepped = 0;
      state->engine = std::make_unique<EngineOf>();
      Failure failure = failureOf(state->engine->load(state->model));
      if (failure.code) state->engine.reset();
      else answer = [bytes = state->engine->memoryBytes()](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(bytes)); };
      return failure;
    });
  }

  Napi::Value step(const Napi::CallbackInfo& info) {
    std::string wrong;
    auto step = std::make_shared<Step>(reading::step(info[0], wrong));
    auto expected = info[1].IsUndefined() ? nullptr : std::make_shared<Step>(reading::step(info[1], wrong));
    if (!wrong.empty()) return refuse(info.Env(), {"invalid_step", wrong});
    const auto work = [state = state_, step, expected](Answer& answer) -> Failure {
      if (!state->engine) return {"not_loaded", "no model is loaded"};
      if (std::string wrong = checks::wrongStep(state->model, *step); !wrong.empty()) return {"invalid_step", wrong};
      if (std::string wrong = expected ? checks::wrongExpected(state->model, *step, *expected) : ""; !wrong.empty()) return {"invalid_step", wrong};
      if (expected) state->engine->expect(*expected);
      auto result = std::make_shared<StepResult>();
      state->stepped = 0;
      Failure failure = failureOf(state->engine->step(*step, *result));
      if (!failure.code) state->stepped = step->tokens.size();
      answer = [result, cacheBytes = state->engine->cacheBytes()](Napi::Env env) {
        auto object = Napi::Object::New(env);
        object.Set("best", arrayOf(env, result->best));
        object.Set("cacheBytes", Napi::Number::New(env, static_cast<double>(cacheBytes)));
        object.Set("wasAhead", Napi::Boolean::New(env, result->wasAhead));
        if (!result->logits.empty()) {
          auto logits = Napi::Float32Array::New(env, result->logits.size());
          std::copy(result->logits.begin(), result->logits.end(), logits.Data());
          object.Set("logits", logits);
        }
        return object;
      };
      return failure;
    };
    return run(info.Env(), work, [state = state_] {
      if (state->engine) state->engine->begin();
    });
  }

  Napi::Value advance(const Napi::CallbackInfo& info) {
    std::string wrong;
    auto advance = std::make_shared<Advance>(reading::advance(info[0], wrong));
    if (!wrong.empty()) return refuse(info.Env(), {"invalid_step", wrong});
    return run(info.Env(), [state = state_, advance](Answer& answer) -> Failure {
      if (!state->engine) return {"not_loaded", "no model is loaded"};
      if (std::string wrong = checks::wrongAdvance(state->model, *advance, state->stepped); !wrong.empty()) return {"invalid_step", wrong};
      answer = [](Napi::Env env) { return env.Undefined(); };
      return advance->slots.empty() ? Failure{} : failureOf(state->engine->advance(*advance));
    });
  }

  Napi::Value draft(const Napi::CallbackInfo& info) {
    std::string wrong;
    auto draft = std::make_shared<DraftStep>(reading::draft(info[0], wrong));
    if (!wrong.empty()) return refuse(info.Env(), {"invalid_step", wrong});
    return run(info.Env(), [state = state_, draft](Answer& answer) -> Failure {
      if (!state->engine) return {"not_loaded", "no model is loaded"};
      if (std::string wrong = checks::wrongDraft(state->model, *draft, state->engine->keptStates(draft->isChained)); !wrong.empty()) return {"invalid_step", wrong};
      auto best = std::make_shared<std::vector<int32_t>>();
      Failure failure = failureOf(state->engine->draft(*draft, *best));
      answer = [best](Napi::Env env) { return arrayOf(env, *best); };
      return failure;
    });
  }

  Napi::Value keep(const Napi::CallbackInfo& info) {
    const auto number = [&info](int i) { return info[i].IsNumber() ? info[i].As<Napi::Number>().DoubleValue() : -1; };
    return run(info.Env(), [state = state_, pages = number(0), states = number(1)](Answer& answer) -> Failure {
      if (!state->engine) return {"not_loaded", "no model is loaded"};
      if (!(pages >= 0 && pages <= state->model.pages)) return {"invalid_step", "the number of pages is not within the cache"};
      if (!(states >= 0 && states <= state->model.states)) return {"invalid_step", "the number of state slots is not within the cache"};
      Failure failure = failureOf(state->engine->keep(static_cast<int>(pages), static_cast<int>(states)));
      answer = [cacheBytes = state->engine->cacheBytes()](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(cacheBytes)); };
      return failure;
    });
  }

  static int64_t bytesOf(const State& state, const Units& units) {
    const int64_t pageBytes = state.model.pageNumbers() * state.engine->numberBytes(), stateBytes = state.model.stateNumbers() * static_cast<int64_t>(sizeof(float));
    return static_cast<int64_t>(units.pages.size()) * pageBytes + static_cast<int64_t>(units.states.size()) * stateBytes;
  }

  Napi::Value save(const Napi::CallbackInfo& info) {
    std::string wrong;
    auto units = std::make_shared<Units>(reading::units(info[0], wrong));
    if (!wrong.empty()) return refuse(info.Env(), {"invalid_step", wrong});
    return run(info.Env(), [state = state_, units](Answer& answer) -> Failure {
      if (!state->engine) return {"not_loaded", "no model is loaded"};
      if (std::string wrong = checks::wrongUnits(state->model, *units); !wrong.empty()) return {"invalid_step", wrong};
      auto bytes = std::make_shared<UnitBytes>();
      bytes->list.resize(bytesOf(*state, *units));
      Failure failure = failureOf(state->engine->save(*units, bytes->list.data()));
      answer = [bytes](Napi::Env env) {
        auto copy = Napi::Uint8Array::New(env, bytes->list.size());
        std::copy(bytes->list.begin(), bytes->list.end(), copy.Data());
        return copy;
      };
      return failure;
    });
  }

  Napi::Value restore(const Napi::CallbackInfo& info) {
    std::string wrong;
    auto units = std::make_shared<Units>(reading::units(info[0], wrong));
    auto bytes = std::make_shared<UnitBytes>(reading::bytes(info[1], wrong));
    if (!wrong.empty()) return refuse(info.Env(), {"invalid_step", wrong});
    return run(info.Env(), [state = state_, units, bytes](Answer& answer) -> Failure {
      if (!state->engine) return {"not_loaded", "no model is loaded"};
      if (std::string wrong = checks::wrongUnits(state->model, *units); !wrong.empty()) return {"invalid_step", wrong};
      if (static_cast<int64_t>(bytes->list.size()) != bytesOf(*state, *units)) return {"invalid_step", "the bytes have not the size of the pages and states"};
      Failure failure = failureOf(state->engine->restore(*units, bytes->list.data()));
      answer = [cacheBytes = state->engine->cacheBytes()](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(cacheBytes)); };
      return failure;
    });
  }

  /// The engine is destroyed on its own thread, on which it was created, because MLX requires it.
  Napi::Value close(const Napi::CallbackInfo& info) {
    return run(info.Env(), [state = state_](Answer& answer) {
      state->engine.reset();
      answer = [](Napi::Env env) { return env.Undefined(); };
      return Failure{};
    });
  }

  static Napi::Value errorOf(Napi::Env env, const Failure& failure) {
    Napi::Object error = Napi::Error::New(env, failure.text).Value();
    error.Set("code", failure.code);
    return error;
  }

  static Napi::Value refuse(Napi::Env env, const Failure& failure) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(errorOf(env, failure));
    return deferred.Promise();
  }

  /// `after` runs once the answer was sent.
  Napi::Value run(Napi::Env env, Work work, std::function<void()> after = {}) {
    auto deferred = Napi::Promise::Deferred::New(env);
    auto settle = Napi::ThreadSafeFunction::New(env, Napi::Function(), "decoder", 0, 1);
    thread_->post([deferred, settle, work = std::move(work), after = std::move(after)] {
      auto answer = std::make_shared<Answer>();
      auto failure = std::make_shared<Failure>(work(*answer));
      settle.BlockingCall([deferred, answer, failure](Napi::Env env, Napi::Function) {
        Napi::HandleScope scope(env);
        if (failure->code) deferred.Reject(errorOf(env, *failure));
        else deferred.Resolve((*answer)(env));
      });
      Napi::ThreadSafeFunction(settle).Release();
      if (after) after();
    });
    return deferred.Promise();
  }

  void shut() {
    if (!thread_) return;
    thread_->post([state = state_] { state->engine.reset(); });
    thread_->stop();
    thread_.reset();
  }

  std::unique_ptr<EngineThread> thread_;
  std::shared_ptr<State> state_;
};

}  // namespace dinf
