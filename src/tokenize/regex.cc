#include "tokenize/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"
#include "format/json.h"
#include "tokenize/regex_dialect.h"
#include "tokenize/stand_ins.h"

namespace moiety {
namespace {

// The steps of one match. Real patterns need a few for each byte that they look at; a catastrophic
// one ends within seconds.
constexpr uint64_t kStepsPerByte = 16;
constexpr uint32_t kMinMatchLimit = 50'000'000;
constexpr uint32_t kHeapLimitKib = 256 << 10;
constexpr size_t kMaxJitStackBytes = size_t{512} << 20;

}  // namespace

namespace pcre2 {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
template <class T, auto kFree>
using Owned = std::unique_ptr<T, Freed<kFree>>;

}  // namespace pcre2

struct Regex::Code {
  pcre2::Owned<pcre2_code, pcre2_code_free> code;
  bool jit = false;
  std::string pattern;
  std::string where;
};

struct Regex::Finder::Scratch {
  pcre2::Owned<pcre2_match_data, pcre2_match_data_free> data;
  pcre2::Owned<pcre2_match_context, pcre2_match_context_free> context;
  std::string replaced;  // the text with stand-ins, where it needs them
  pcre2::Owned<pcre2_jit_stack, pcre2_jit_stack_free>
      stack;  // null until the small one is too small
};

Regex::Regex(std::unique_ptr<const Code> code) : code_(std::move(code)) {}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

Result<Regex> Regex::Compile(std::string_view pattern, const std::string& where) {
  MOIETY_ASSIGN_OR_RETURN(const std::string translated, ToPcre2(pattern, where));
  // In Ruby's syntax ^ and $ are at every line.
  return Make(translated, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, pattern, where);
}

Result<Regex> Regex::Literal(std::string_view text, const std::string& where) {
  return Make(text, PCRE2_UTF | PCRE2_LITERAL, text, where);
}

Result<Regex> Regex::Make(std::string_view pcre2, uint32_t options, std::string_view pattern,
                          const std::string& where) {
  const pcre2::Owned<pcre2_compile_context, pcre2_compile_context_free> context(
      pcre2_compile_context_create(nullptr));
  if (context == nullptr) return ResourceExhausted("out of memory");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  size_t offset = 0;
  auto code = std::make_unique<Code>();
  code->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre2.data()), pcre2.size(), options,
                                 &error, &offset, context.get()));
  if (code->code == nullptr) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    return InvalidData(Format("{}: not a regular expression ({}): {}", where,
                              reinterpret_cast<const char*>(message.data()),
                              ShowJson(std::string(pattern))));
  }
  // Where there is no compiler for the processor, PCRE2 interprets: the same matches, slower.
  code->jit = pcre2_jit_compile(code->code.get(), PCRE2_JIT_COMPLETE) == 0;
  code->pattern = pattern;
  code->where = where;
  return Regex(std::move(code));
}

Regex::Finder::Finder(const Regex& regex) : regex_(regex), scratch_(std::make_unique<Scratch>()) {
  scratch_->data.reset(pcre2_match_data_create(1, nullptr));
  scratch_->context.reset(pcre2_match_context_create(nullptr));
  if (scratch_->data == nullptr || scratch_->context == nullptr) {
    status_ = ResourceExhausted("out of memory");
    return;
  }
  pcre2_set_heap_limit(scratch_->context.get(), kHeapLimitKib);
}

Regex::Finder::~Finder() = default;

void Regex::Finder::Reset(std::string_view text) {
  text_ = text;
  start_ = 0;
  has_match_ = false;
  for (size_t at = AsciiPrefix(text); at < text.size();) {
    const Utf8Character c = DecodeUtf8(text.substr(at));
    if (const uint32_t stand_in = StandIn(c.code_point); stand_in != c.code_point) {
      if (text_.data() == text.data()) {
        scratch_->replaced = text;
        text_ = scratch_->replaced;
      }
      std::string character;
      AppendUtf8(stand_in, character);
      scratch_->replaced.replace(at, character.size(), character);
    }
    at += static_cast<size_t>(c.length);
    at += AsciiPrefix(text.substr(at));
  }
  if (scratch_->context != nullptr) {
    const auto steps = std::min<uint64_t>(kStepsPerByte * text.size(), UINT32_MAX);
    pcre2_set_match_limit(scratch_->context.get(),
                          std::max(kMinMatchLimit, static_cast<uint32_t>(steps)));
  }
}

bool Regex::Finder::Next(Match* match) {
  const Code& code = *regex_.code_;
  while (status_.ok() && start_ <= text_.size()) {
    // The text is known to be UTF-8: looking again at each match would make a search quadratic.
    const auto search = [&] {
      const auto* subject = reinterpret_cast<PCRE2_SPTR>(text_.data());
      return (code.jit ? pcre2_jit_match : pcre2_match)(
          code.code.get(), subject, text_.size(), start_, PCRE2_NO_UTF_CHECK, scratch_->data.get(),
          scratch_->context.get());
    };
    int result = search();
    if (result == PCRE2_ERROR_JIT_STACKLIMIT && scratch_->stack == nullptr) {
      scratch_->stack.reset(pcre2_jit_stack_create(size_t{1} << 15, kMaxJitStackBytes, nullptr));
      pcre2_jit_stack_assign(scratch_->context.get(), nullptr, scratch_->stack.get());
      result = search();
    }
    if (result == PCRE2_ERROR_NOMATCH) {
      start_ = text_.size() + 1;
      return false;
    }
    if (result < 0) {
      status_ = ResourceExhausted(Format("{}: the pattern takes too many steps on this text: {}",
                                         code.where, ShowJson(code.pattern)));
      return false;
    }
    const size_t* ends = pcre2_get_ovector_pointer(scratch_->data.get());
    // \K inside a look-ahead could end a match before its beginning; the dialect refuses \K.
    const Match found = {ends[0], ends[1]};
    if (found.begin == found.end && has_match_ && last_end_ == found.end) {
      start_ = found.end < text_.size()
                   ? found.end + static_cast<size_t>(DecodeUtf8(text_.substr(found.end)).length)
                   : text_.size() + 1;
      continue;
    }
    start_ = last_end_ = found.end;
    has_match_ = true;
    *match = found;
    return true;
  }
  return false;
}

Result<Regex> LoadPattern(const Component& component) {
  const nlohmann::json& pattern = component.json.at("pattern");
  const bool one_field = pattern.is_object() && pattern.size() == 1;
  if (one_field && pattern.contains("Regex") && pattern["Regex"].is_string()) {
    return Regex::Compile(pattern["Regex"].get_ref<const std::string&>(), component.where);
  }
  MOIETY_ASSIGN_OR_RETURN(const std::string text, StringPattern(component));
  return Regex::Literal(text, component.where);
}

}  // namespace moiety
