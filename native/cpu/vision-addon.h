// The vision tower's interface to JavaScript. Images are computed on one thread that belongs to it.
#pragma once

#include "floats-promise.h"
#include "gemma4-tower.h"
#include "vision-tower.h"

namespace dinf::cpu {

class VisionAddon : public Napi::ObjectWrap<VisionAddon> {
 public:
  static Napi::Function define(Napi::Env env) { return DefineClass(env, "VisionTower", {InstanceMethod("embed", &VisionAddon::embed), InstanceMethod("close", &VisionAddon::close)}); }

  explicit VisionAddon(const Napi::CallbackInfo& info) : Napi::ObjectWrap<VisionAddon>(info) {
    std::string wrong;
    const reading::Fields model(info[0], "model", wrong);
    if (model.flag("isGated")) openGemma4(model, wrong);
    else {
      const TowerShape shape = plainShape(model);
      open(shape, model, wrong, [&](int threads) { return std::make_shared<VisionTower>(shape, threads); });
    }
    if (!wrong.empty()) {
      throwInvalidModel(info.Env(), wrong);
      return;
    }
    thread_ = std::make_unique<EngineThread>();
  }
  ~VisionAddon() override { shut(); }

 private:
  static Division division(const reading::Fields& model, bool byPixels) { return {model.integer("patch"), model.integer("pooled"), model.integer("frames"), byPixels}; }
  static TowerShape plainShape(const reading::Fields& model) {
    return {model.integer("hidden"), model.integer("heads"), model.integer("inner"), model.integer("layers"), model.integer("out"), model.integer("positionsAcross"), division(model, model.flag("byPixels")), static_cast<float>(model.number("normEps")), model.number("ropeTheta"), model.flag("merges"), model.list<int32_t>("deepLayers")};
  }
  static Gemma4TowerShape gemma4Shape(const reading::Fields& model) {
    return {model.integer("hidden"), model.integer("heads"), model.integer("headDim"), model.integer("inner"), model.integer("layers"), model.integer("out"), model.integer("positionsAcross"), division(model, true), static_cast<float>(model.number("normEps")), model.number("ropeTheta"), model.flag("clips"), model.flag("standardises")};
  }

  void openGemma4(const reading::Fields& model, std::string& wrong) {
    const Gemma4TowerShape shape = gemma4Shape(model);
    std::vector<float> projection = model.list<float>("projection");
    if (wrong.empty() && projection.size() != static_cast<size_t>(int64_t{shape.out} * shape.hidden)) wrong = "the projection has not the size that the shape gives it";
    open(shape, model, wrong, [&](int threads) { return std::make_shared<Gemma4Tower>(shape, std::move(projection), threads); });
  }

  /// Checks the shape and the weights of a tower, lets `make` make it for a number of threads, and loads its
  /// weights. If that is not possible, `wrong` holds the reason.
  template <class Shape, class Make>
  void open(const Shape& shape, const reading::Fields& model, std::string& wrong, const Make& make) {
    const int threads = model.integer("threads");
    const uint32_t count = model.length("tensors");
    if (wrong.empty()) wrong = shape.wrong();
    std::vector<int64_t> sizes;
    if (wrong.empty()) sizes = shape.sizes();
    if (wrong.empty() && count != sizes.size()) wrong = "the number of weights does not fit the shape";
    std::vector<Tensor> tensors;
    for (uint32_t i = 0; i < sizes.size() && wrong.empty(); i++) {
      tensors.push_back(reading::tensor(model.at("tensors", i)));
      if (wrong.empty() && !checks::isPlain(tensors.back(), sizes[i])) wrong = "a weight has not the size that the shape gives it";
    }
    if (!wrong.empty()) return;
    tower_ = make(threads);
    wrong = tower_->load(tensors);
  }

  Napi::Value embed(const Napi::CallbackInfo& info) {
    std::string wrong;
    const reading::Fields from(info[0], "image", wrong);
    const auto image = std::make_shared<const TowerImage>(TowerImage{from.list<uint8_t>("numbers"), from.integer("width"), from.integer("height")});
    if (wrong.empty() && !thread_) wrong = "the tower is closed";
    if (wrong.empty()) wrong = tower_->wrong(*image);
    if (!wrong.empty()) return rejected(info.Env(), wrong, "invalid_step");
    return floatsFrom(info.Env(), *thread_, [tower = tower_, image] { return tower->embed(*image); });
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    shut();
    return nothing(info.Env());
  }

  /// Waits for the images that were begun, then frees the weights.
  void shut() {
    if (thread_) thread_->stop();
    thread_.reset();
    tower_.reset();
  }

  std::shared_ptr<Tower> tower_;
  std::unique_ptr<EngineThread> thread_;
};

}  // namespace dinf::cpu
