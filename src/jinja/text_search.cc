#include "jinja/text_search.h"

namespace moiety::jinja {
namespace {

constexpr size_t kBytesSearchedPerStep = 16;  // searched in about the time of a step
// Up to this length the plain search is as good as linear, and mostly faster.
constexpr size_t kShortPart = 16;

// The character `i` as counted from the end where the search begins.
template <bool kBackwards>
char At(std::string_view text, size_t i) {
  return text[kBackwards ? text.size() - 1 - i : i];
}

}  // namespace

TextFinder::TextFinder(Runtime& run, std::string_view text, std::string_view part, From from)
    : run_(run), part_(part), rest_(text), from_right_(from == From::kRight) {
  run_.Step(text.size() / kBytesSearchedPerStep);
}

size_t TextFinder::Next() {
  if (run_.failed() || part_.size() > rest_.size()) return std::string_view::npos;
  size_t at = 0;
  if (part_.size() <= kShortPart) {
    at = from_right_ ? rest_.rfind(part_) : rest_.find(part_);
  } else {
    if (borders_.empty() && !Prepare()) return std::string_view::npos;
    at = from_right_ ? Search<true>() : Search<false>();
  }
  if (at == std::string_view::npos) {
    rest_ = {};
    return at;
  }
  const size_t found = offset_ + at;
  if (from_right_) {
    rest_ = rest_.substr(0, at);
  } else {
    rest_.remove_prefix(at + part_.size());
    offset_ = found + part_.size();
  }
  return found;
}

bool TextFinder::Prepare() {
  if (!run_.HasRoom(part_.size() * sizeof(uint32_t))) return false;
  if (!run_.Step(part_.size() / kBytesSearchedPerStep)) return false;
  borders_.resize(part_.size());
  if (from_right_) {
    FillBorders<true>();
  } else {
    FillBorders<false>();
  }
  return true;
}

// borders_[i]: how much of the part's beginning is also the end of its first i + 1 characters,
// these themselves apart. So much still matches after a mismatch behind them.
template <bool kBackwards>
void TextFinder::FillBorders() {
  uint32_t length = 0;
  for (size_t i = 1; i < part_.size(); ++i) {
    const char c = At<kBackwards>(part_, i);
    while (length > 0 && At<kBackwards>(part_, length) != c) length = borders_[length - 1];
    if (At<kBackwards>(part_, length) == c) ++length;
    borders_[i] = length;
  }
}

template <bool kBackwards>
size_t TextFinder::Search() const {
  uint32_t matched = 0;
  for (size_t i = 0; i < rest_.size(); ++i) {
    const char c = At<kBackwards>(rest_, i);
    while (matched > 0 && At<kBackwards>(part_, matched) != c) matched = borders_[matched - 1];
    if (At<kBackwards>(part_, matched) == c) ++matched;
    if (matched == part_.size()) return kBackwards ? rest_.size() - 1 - i : i + 1 - matched;
  }
  return std::string_view::npos;
}

}  // namespace moiety::jinja
