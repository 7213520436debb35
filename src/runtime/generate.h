// Generate: a prompt's continuation, token by token.
#ifndef MOIETY_RUNTIME_GENERATE_H_
#define MOIETY_RUNTIME_GENERATE_H_

#include <cstdint>
#include <functional>
#include <span>

#include "moiety/generation.h"
#include "moiety/status.h"
#include "ops/observer.h"
#include "runtime/engine.h"

namespace moiety {

// Sampling options for what nobody set: the library's defaults, changed by what the model's authors
// recommend (generation_config.json).
SamplingOptions DefaultSampling(const GenerationConfig& config);

// Continues `prompt` (ids, special tokens included, at least one) in `sequence`, which must be
// empty or hold what went before. The text of all events joined is the continuation; an
// end-of-sequence token has an event of its own with no text.
//
// The first `num_held` ids of the prompt (not all of it) are the last that `sequence` holds: they
// count for penalties and for the text, but are not computed again. The result is the same.
// `cancelled` (may be null) is asked before each step of the computation; true ends the text.
Result<GenerationResult> Generate(Engine& engine, Sequence& sequence,
                                  std::span<const int32_t> prompt, const GenerationOptions& options,
                                  const OnToken& on_token, Observer* observer = nullptr,
                                  int64_t num_held = 0,
                                  const std::function<bool()>& cancelled = nullptr);

}  // namespace moiety

#endif  // MOIETY_RUNTIME_GENERATE_H_
