// Checkpoints of a run: RUN/checkpoints/step-N/ with everything that is needed to go on.
//
//   state.json              the step and what the caller adds
//   model.safetensors       weights, f32
//   optimizer.safetensors   what the optimizer remembers, f32
//
// A checkpoint is written into a folder of another name, synced to disk and then renamed: under its
// own name it is complete, whenever the process or the machine stops.
#ifndef MOIETY_TRAIN_CHECKPOINT_H_
#define MOIETY_TRAIN_CHECKPOINT_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "moiety/status.h"
#include "tensor/shape.h"

namespace moiety {

// A tensor of a checkpoint, where it is in memory.
struct CheckpointTensor {
  std::string name;
  Shape shape;
  std::span<float> values;
};

struct CheckpointContent {
  nlohmann::json state;  // an object; "step" is added
  std::vector<CheckpointTensor> weights;
  std::vector<CheckpointTensor> optimizer;
};

// Writes RUN/checkpoints/step-N, which must not be there, then removes all but the last `keep`
// (≥ 1). Fails with kIoError (disk full, no permission); then nothing is left of the new one and
// the older ones are untouched.
Status WriteCheckpoint(const std::filesystem::path& run, int64_t step,
                       const CheckpointContent& content, int64_t keep);

// The step of the last checkpoint; nullopt if there is none. Removes what a process left that died
// while it wrote one.
Result<std::optional<int64_t>> LastCheckpoint(const std::filesystem::path& run);

// Reads the checkpoint of a step into the tensors of `content`, which must have the same names and
// shapes, and its state. Fails with kNotFound, kInvalidData (a file that is broken or does not fit:
// which tensor, expected, found) or kIoError; the tensors' values may then have changed.
Status ReadCheckpoint(const std::filesystem::path& run, int64_t step, CheckpointContent& content);

}  // namespace moiety

#endif  // MOIETY_TRAIN_CHECKPOINT_H_
