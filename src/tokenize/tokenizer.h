// Tokenizer: text ⇄ token ids, exactly as Hugging Face's tokenizer.json says.
//
//   text ─ added tokens ─ normalizer ─ pre-tokenizer ─ model (BPE, …) ─ post-processor ─► ids
//   ids ─ pieces ─ decoder ─► text
//
// Immutable after loading; every method may be called from any thread.
#ifndef MOIETY_TOKENIZE_TOKENIZER_H_
#define MOIETY_TOKENIZE_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"

namespace moiety {

class Tokenizer {
 public:
  // From the text of a tokenizer.json; `where` (its path) starts every message. A part of the
  // pipeline that is not supported is an error that names it. "truncation" and "padding" are for
  // batches of equal length; Encode does neither.
  static Result<std::unique_ptr<const Tokenizer>> FromJson(std::string_view json,
                                                           const std::string& where);
  // The same from the document that the text describes.
  static Result<std::unique_ptr<const Tokenizer>> FromDocument(const nlohmann::json& document,
                                                               const std::string& where);
  ~Tokenizer();

  // Any bytes; what is not UTF-8 is read as U+FFFD (one per maximal ill-formed subpart).
  // `add_special`: with what the post-processor adds (a leading <s>, …). Special tokens that are
  // spelled out in the text are recognised in both cases. Fails (kResourceExhausted) only where a
  // pattern of the file needs too many steps on this text.
  Result<std::vector<int32_t>> Encode(std::string_view text, bool add_special = true) const;

  // Ids outside the vocabulary decode to nothing. `skip_special` leaves special tokens out.
  // Always valid UTF-8: bytes that form no character become U+FFFD.
  std::string Decode(std::span<const int32_t> ids, bool skip_special = true) const;

  // 1 + the largest id (models may have more rows than that).
  int32_t vocab_size() const;
  // The token as it stands in the vocabulary ("▁the", "<0x0A>"); empty for an unknown id.
  std::string_view Piece(int32_t id) const;
  std::optional<int32_t> IdOf(std::string_view piece) const;
  bool IsSpecial(int32_t id) const;

  // Decodes a growing sequence of ids and hands out text as soon as it is final: never half a
  // character, and all of Next() and Finish() joined equals Decode() of all the ids at once. The
  // cost of an id does not grow with the sequence. For one thread at a time; the tokenizer must
  // outlive it.
  class Stream {
   public:
    explicit Stream(const Tokenizer& tokenizer, bool skip_special = true);
    ~Stream();
    Stream(Stream&&) noexcept;
    Stream& operator=(Stream&&) noexcept;

    // Tells the stream that text went before (the prompt's ids), so that the first new id is
    // decoded as a continuation. Only before the first Next(). What follows is Decode() of prompt
    // and new ids, without the characters that it has in common with Decode() of the prompt alone.
    void Prime(std::span<const int32_t> ids);
    std::string Next(int32_t id);
    std::string Finish();  // what was held back because more might have followed; the last call

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_TOKENIZER_H_
