#include "../decoder/addon.h"
#include "engine.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Decoder", dinf::Decoder<dinf::mlx::MlxEngine>::define(env));
  exports.Set("device", Napi::String::New(env, dinf::mlx::device()));
  exports.Set("mismatch", Napi::String::New(env, dinf::mlx::mismatch()));
  return exports;
}

NODE_API_MODULE(mlx, init)
