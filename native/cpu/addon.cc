#include "../decoder/addon.h"
#include "decoder.h"
#include "encoder-addon.h"
#include "vision-addon.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Decoder", dinf::Decoder<dinf::cpu::CpuEngine>::define(env));
  exports.Set("Encoder", dinf::cpu::EncoderAddon::define(env));
  exports.Set("VisionTower", dinf::cpu::VisionAddon::define(env));
  const dinf::cpu::Kernels& kernels = dinf::cpu::chooseKernels();
  exports.Set("kernels", Napi::String::New(env, kernels.name));
  exports.Set("hasFastBytes", Napi::Boolean::New(env, kernels.hasFastBytes));
  return exports;
}

NODE_API_MODULE(cpu, init)
