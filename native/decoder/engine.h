// What computes the steps of a model. This file needs nothing of Node: reading its headers would take most of the
// time in which a small file is compiled.
#pragma once

#include <string>
#include <vector>

#include "checks.h"

namespace dinf {

/// The interface of an engine. It is called only on the engine's thread, with models and steps that
/// passed checks.h: an unchecked one would make it access memory out of bounds. Functions return an
/// error message, or an empty text on success.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string load(const Model& model) = 0;
  /// Names the step that probably follows the next one, with the most likely tokens of that in place of its own.
  virtual void expect(const Step&) {}
  virtual std::string step(const Step& step, StepResult& result) = 0;
  /// Begins the expected step. It is called after the results of the step before it were sent.
  virtual void begin() {}
  /// Moves states on by tokens of the last step.
  virtual std::string advance(const Advance& advance) = 0;
  /// Runs the draft head, and returns the most likely token after each output.
  virtual std::string draft(const DraftStep& draft, std::vector<int32_t>& best) = 0;
  /// Number of the states that are kept of the last draft, or of the last step, for the next draft.
  virtual size_t keptStates(bool ofDraft) const = 0;
  /// Memory of the engine without the cache of keys and values, in bytes.
  virtual int64_t memoryBytes() const = 0;
  /// Memory of the cache, in bytes. Only pages up to the highest used one count, because the others
  /// have no memory yet.
  virtual int64_t cacheBytes() const = 0;
  /// Releases the memory of all pages from number `pages` on, and of all state slots from number
  /// `states` on. Their contents are lost.
  virtual std::string keep(int pages, int states) = 0;
  /// Size in bytes of one number of the keys and values in the cache.
  virtual int64_t numberBytes() const { return sizeof(float); }
  /// Copies units one after the other, each layer by layer, into `bytes`, which has their size.
  virtual std::string save(const Units& units, uint8_t* bytes) = 0;
  /// Replaces the contents of units by bytes that `save` made.
  virtual std::string restore(const Units& units, const uint8_t* bytes) = 0;
};

}  // namespace dinf
