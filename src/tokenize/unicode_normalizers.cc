#include "tokenize/unicode_normalizers.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/utf8.h"
#include "format/config_reader.h"
#include "tokenize/unicode.h"
#include "tokenize/unicode_lowercase.h"

namespace moiety {
namespace {

using Rewrite = std::function<std::string(std::string_view text)>;

class RewriteText : public Normalizer {
 public:
  RewriteText(Rewrite rewrite, double growth) : rewrite_(std::move(rewrite)), growth_(growth) {}
  Status Apply(std::string& text) const override {
    text = rewrite_(text);
    return OkStatus();
  }
  double Growth() const override { return growth_; }

 private:
  Rewrite rewrite_;
  double growth_;
};

NormalizerResult Make(const Component& component, Rewrite rewrite, double growth) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {}));
  return std::unique_ptr<const Normalizer>(
      std::make_unique<RewriteText>(std::move(rewrite), growth));
}

// In UTF-8 a character becomes at most 3 times as long by canonical, 11 times by compatible
// decomposition (UAX 15, section 9; U+FDFA).
NormalizerResult MakeForm(const Component& component, NormalForm form, double growth) {
  return Make(
      component, [form](std::string_view text) { return Normalize(text, form); }, growth);
}

std::string WithoutMarks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  ForEachCharacter(text, [&](uint32_t c, std::string_view bytes) {
    if (!IsMark(c)) out += bytes;
  });
  return out;
}

bool IsNmtRemoved(uint32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}

bool IsNmtSpace(uint32_t c) {
  return c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
         c == 0xFFFD;
}

std::string Nmt(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  ForEachCharacter(text, [&](uint32_t c, std::string_view bytes) {
    if (IsNmtSpace(c)) {
      out += ' ';
    } else if (!IsNmtRemoved(c)) {
      out += bytes;
    }
  });
  return out;
}

std::string_view Stripped(std::string_view text, bool left, bool right) {
  if (left) text = text.substr(WhiteSpaceAfter(text, 0));
  if (right) text = text.substr(0, WhiteSpaceBefore(text, 0, text.size()));
  return text;
}

}  // namespace

NormalizerResult MakeNfc(const Component& component) {
  return MakeForm(component, NormalForm::kNfc, 3);
}
NormalizerResult MakeNfd(const Component& component) {
  return MakeForm(component, NormalForm::kNfd, 3);
}
NormalizerResult MakeNfkc(const Component& component) {
  return MakeForm(component, NormalForm::kNfkc, 11);
}
NormalizerResult MakeNfkd(const Component& component) {
  return MakeForm(component, NormalForm::kNfkd, 11);
}
NormalizerResult MakeLowercase(const Component& component) {
  return Make(component, &UnicodeLowercase, 1.5);  // U+023A: 2 bytes become 3
}
NormalizerResult MakeStripAccents(const Component& component) {
  return Make(component, &WithoutMarks, 1);
}
NormalizerResult MakeNmt(const Component& component) { return Make(component, &Nmt, 1); }

NormalizerResult MakeStrip(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"strip_left", "strip_right"}));
  ConfigReader reader(component.json, component.where);
  const bool left = reader.BoolOr("strip_left", true);
  const bool right = reader.BoolOr("strip_right", true);
  MOIETY_RETURN_IF_ERROR(reader.status());
  return std::unique_ptr<const Normalizer>(std::make_unique<RewriteText>(
      [left, right](std::string_view text) { return std::string(Stripped(text, left, right)); },
      1));
}

}  // namespace moiety
