#include "decoder.h"
#include "encoder-addon.h"
#include "vision-addon.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Decoder", dinf::Decoder<dinf::cpu::CpuEngine>::define(env));
  exports.Set("Encoder", dinf::cpu::EncoderAddon::define(env));
  exports.Set("VisionTower", dinf::cpu::VisionAddon::define(env));
  exports.Set("kernels", Napi::String::New(env, dinf::cpu::chooseKernels().name));
  return exports;
}

NODE_API_MODULE(cpu, init)
