// Opening tiny models in tests.
#ifndef MOIETY_TESTS_SUPPORT_LOADED_MODEL_H_
#define MOIETY_TESTS_SUPPORT_LOADED_MODEL_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "runtime/engine.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"

namespace moiety {

// Null after a test failure.
inline std::unique_ptr<Engine> OpenOrFail(const std::filesystem::path& folder,
                                          const EngineOptions& options = {}) {
  auto engine = Engine::Open(folder, options);
  if (engine.ok()) return *std::move(engine);
  ADD_FAILURE() << engine.status().message();
  return nullptr;
}

// The model, written to disk and opened; null after a test failure.
inline std::unique_ptr<Engine> OpenOrFail(const TinyModel& model,
                                          const EngineOptions& options = {}) {
  const ScratchFolder folder;  // mapped files outlive their names
  model.Write(folder.path());
  return OpenOrFail(folder.path(), options);
}

inline Status OpenStatus(const TinyModel& model, const EngineOptions& options = {}) {
  const ScratchFolder folder;
  model.Write(folder.path());
  return Engine::Open(folder.path(), options).status();
}

// The logits after each id, appended to `sequence`; empty after a test failure.
inline std::vector<float> FeedLogits(Engine& engine, Sequence& sequence,
                                     std::span<const int32_t> ids,
                                     int64_t chunk = Engine::kDefaultChunk,
                                     Observer* observer = nullptr) {
  std::vector<float> logits;
  const Status status = engine.Feed(
      sequence, ids, LogitRows::kAll,
      [&](int64_t, const Matrix& rows) {
        logits.insert(logits.end(), rows.data, rows.data + rows.size());
        return OkStatus();
      },
      observer, chunk);
  EXPECT_TRUE(status.ok()) << status.message();
  return status.ok() ? logits : std::vector<float>();
}
inline std::vector<float> AllLogits(Engine& engine, const std::vector<int32_t>& ids) {
  Sequence sequence(engine.pages());
  return FeedLogits(engine, sequence, ids);
}

// The row of position `position`.
inline std::vector<float> LogitsAt(const Engine& engine, const std::vector<float>& logits,
                                   int64_t position) {
  const auto vocab_size = static_cast<ptrdiff_t>(engine.model().info().vocab_size);
  const auto row = logits.begin() + static_cast<ptrdiff_t>(position) * vocab_size;
  return {row, row + vocab_size};
}

// Ids of a tiny model's vocabulary.
inline std::vector<int32_t> SomeIds(size_t count, uint64_t seed = 7) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<int32_t>(UniformDouble(seed, 1, i) * kTinyVocab));
  }
  return ids;
}

// The last position whose logits change when the first of the ids does: what a model can still see
// of it. -1 if none does.
inline int64_t LastPositionThatSeesTheFirst(Engine& engine, std::vector<int32_t> ids) {
  const std::vector<float> before = AllLogits(engine, ids);
  ids[0] = (ids[0] + 1) % kTinyVocab;
  const std::vector<float> after = AllLogits(engine, ids);
  int64_t last = -1;
  for (int64_t i = 0; i < static_cast<int64_t>(ids.size()); ++i) {
    if (LogitsAt(engine, before, i) != LogitsAt(engine, after, i)) last = i;
  }
  return last;
}

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_LOADED_MODEL_H_
