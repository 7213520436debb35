#include "tokenize/bert.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "format/config_reader.h"
#include "tokenize/unicode.h"
#include "tokenize/unicode_categories.h"
#include "tokenize/unicode_lowercase.h"

namespace moiety {
namespace {

// The blocks of CJK ideographs that the reference counts as Chinese.
bool IsChinese(uint32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

std::string CleanText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  ForEachCharacter(text, [&](uint32_t c, std::string_view bytes) {
    const bool ascii_space = c == '\t' || c == '\n' || c == '\r' || c == ' ';
    if (!ascii_space && (c == 0xFFFD || IsOther(c))) return;
    if (ascii_space || IsWhiteSpace(c)) {
      out += ' ';
    } else {
      out += bytes;
    }
  });
  return out;
}

std::string SpaceChinese(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  ForEachCharacter(text, [&](uint32_t c, std::string_view bytes) {
    const bool chinese = IsChinese(c);
    if (chinese) out += ' ';
    out += bytes;
    if (chinese) out += ' ';
  });
  return out;
}

std::string StripAccents(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  ForEachCharacter(Normalize(text, NormalForm::kNfd), [&](uint32_t c, std::string_view bytes) {
    if (!IsNonspacingMark(c)) out += bytes;
  });
  return out;
}

class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(ConfigReader& reader)
      : clean_text_(reader.BoolOr("clean_text", true)),
        space_chinese_(reader.BoolOr("handle_chinese_chars", true)),
        lowercase_(reader.BoolOr("lowercase", true)),
        strip_accents_(reader.BoolOr("strip_accents", lowercase_)) {}

  Status Apply(std::string& text) const override {
    if (clean_text_) text = CleanText(text);
    if (AsciiPrefix(text) < text.size()) {
      if (space_chinese_) text = SpaceChinese(text);
      if (strip_accents_) text = StripAccents(text);
    }
    if (lowercase_) text = UnicodeLowercase(text);
    return OkStatus();
  }

  // Three bytes become five; a character of two bytes can be decomposed to six, and in lower case
  // two become three.
  double Growth() const override {
    return (space_chinese_ ? 5.0 / 3 : 1) * (strip_accents_ ? 3 : 1) * (lowercase_ ? 1.5 : 1);
  }

 private:
  bool clean_text_;
  bool space_chinese_;
  bool lowercase_;
  bool strip_accents_;
};

class BertPreTokenizer : public PreTokenizer {
 public:
  Status Apply(Words& words) const override {
    Words cut;
    cut.text.reserve(words.text.size());
    // A text that starts with white space: its first word is further in.
    cut.starts_text = words.starts_text;
    size_t begin = 0;
    for (const size_t end : words.ends) {
      const auto end_word = [&] {
        if (cut.text.size() > (cut.ends.empty() ? 0 : cut.ends.back())) {
          cut.ends.push_back(cut.text.size());
        }
      };
      const std::string_view word = std::string_view(words.text).substr(begin, end - begin);
      ForEachCharacter(word, [&](uint32_t c, std::string_view bytes) {
        if (IsWhiteSpace(c)) {
          if (cut.text.empty()) cut.starts_text = false;
          end_word();
          return;
        }
        const bool alone = IsPunctuationOrAsciiSymbol(c);
        if (alone) end_word();
        cut.text += bytes;
        if (alone) end_word();
      });
      end_word();
      begin = end;
    }
    words = std::move(cut);
    return OkStatus();
  }
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> MakeBertNormalizer(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"clean_text", "handle_chinese_chars", "lowercase"},
                                     {"strip_accents"}));
  ConfigReader reader(component.json, component.where);
  auto normalizer = std::make_unique<BertNormalizer>(reader);
  MOIETY_RETURN_IF_ERROR(reader.status());
  return std::unique_ptr<const Normalizer>(std::move(normalizer));
}

Result<std::unique_ptr<const PreTokenizer>> MakeBertPreTokenizer(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {}));
  return std::unique_ptr<const PreTokenizer>(std::make_unique<BertPreTokenizer>());
}

}  // namespace moiety
