// Regular expressions of a tokenizer.json, which are written for Oniguruma in its Ruby syntax.
// Searched by PCRE2 with its just-in-time compiler; regex_dialect.h translates.
#ifndef MOIETY_TOKENIZE_REGEX_H_
#define MOIETY_TOKENIZE_REGEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "moiety/status.h"
#include "tokenize/component.h"

namespace moiety {

// In a class: the word characters of Rust's regular expressions (UTS 18, annex C), which the
// reference uses in places. Oniguruma's \w has other numbers too, and not the two joiners.
inline constexpr std::string_view kRustWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d)";

// Immutable; may be searched from any thread.
class Regex {
 public:
  // `where` starts the message. Fails with kInvalidData (no regular expression) or kUnsupported
  // (Oniguruma's, but not one that can be translated).
  static Result<Regex> Compile(std::string_view pattern, const std::string& where);
  // Matches this text and nothing else; not empty.
  static Result<Regex> Literal(std::string_view text, const std::string& where);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  struct Match {
    size_t begin = 0;
    size_t end = 0;
  };

  // Finds the matches of one text after the other, from left to right and without overlaps; a match
  // may be empty, but not right behind another one. For one thread; the regex must outlive it.
  class Finder {
   public:
    explicit Finder(const Regex& regex);
    ~Finder();
    Finder(const Finder&) = delete;
    Finder& operator=(const Finder&) = delete;

    // Starts with a new text: valid UTF-8, which must stay where it is.
    void Reset(std::string_view text);
    // False after the last match, and after a failure.
    bool Next(Match* match);
    // A search that goes back and forth too often (catastrophic patterns) is an error.
    const Status& status() const { return status_; }

   private:
    struct Scratch;
    const Regex& regex_;
    std::unique_ptr<Scratch> scratch_;
    std::string_view text_;
    size_t start_ = 0;
    size_t last_end_ = 0;  // of the last match, if has_match_
    bool has_match_ = false;
    Status status_;
  };

 private:
  struct Code;
  static Result<Regex> Make(std::string_view pcre2, uint32_t options, std::string_view pattern,
                            const std::string& where);
  explicit Regex(std::unique_ptr<const Code> code);
  std::unique_ptr<const Code> code_;
};

// The component's field "pattern": {"Regex": "…"} or {"String": "…"}.
Result<Regex> LoadPattern(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_REGEX_H_
