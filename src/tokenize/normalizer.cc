#include "tokenize/normalizer.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "format/config_reader.h"
#include "tokenize/bert.h"
#include "tokenize/byte_level.h"
#include "tokenize/precompiled.h"
#include "tokenize/regex.h"
#include "tokenize/string_replacer.h"
#include "tokenize/unicode_normalizers.h"

namespace moiety {
namespace {

constexpr size_t kMaxPrefixBytes = 1024;

class Prepend : public Normalizer {
 public:
  static Result<std::unique_ptr<const Normalizer>> Make(const Component& component) {
    MOIETY_RETURN_IF_ERROR(CheckFields(component, {"prepend"}));
    ConfigReader reader(component.json, component.where);
    auto prepend = std::make_unique<Prepend>(reader.String("prepend"));
    // It is added to every piece of text between two added tokens, however short.
    if (prepend->prefix_.size() > kMaxPrefixBytes) {
      reader.FailUnsupported("prepend", Format("must have at most {} bytes, found {}",
                                               kMaxPrefixBytes, prepend->prefix_.size()));
    }
    MOIETY_RETURN_IF_ERROR(reader.status());
    return std::unique_ptr<const Normalizer>(std::move(prepend));
  }

  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}

  Status Apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, prefix_);
    return OkStatus();
  }

 private:
  std::string prefix_;
};

class ReplaceText : public Normalizer {
 public:
  explicit ReplaceText(StringReplacer replacer) : replacer_(std::move(replacer)) {}

  Status Apply(std::string& text) const override {
    text = replacer_.Replace(text);
    return OkStatus();
  }
  double Growth() const override { return replacer_.Growth(); }

 private:
  StringReplacer replacer_;
};

class ReplaceRegex : public Normalizer {
 public:
  ReplaceRegex(Regex regex, std::string content)
      : regex_(std::move(regex)), content_(std::move(content)) {}

  Status Apply(std::string& text) const override {
    if (text.empty()) return OkStatus();  // has no matches in the reference, not even empty ones
    Regex::Finder finder(regex_);
    finder.Reset(text);
    std::string out;
    Regex::Match match;
    size_t done = 0;
    while (finder.Next(&match)) {
      out.append(text, done, match.begin - done);
      out += content_;
      done = match.end;
    }
    MOIETY_RETURN_IF_ERROR(Status(finder.status()));
    out.append(text, done);
    text = std::move(out);
    return OkStatus();
  }
  // Matches may be empty: one before each byte.
  double Growth() const override { return static_cast<double>(1 + content_.size()); }

 private:
  Regex regex_;
  std::string content_;
};

Result<std::unique_ptr<const Normalizer>> MakeReplace(const Component& component) {
  const auto pattern = component.json.find("pattern");
  const bool is_regex =
      pattern != component.json.end() && pattern->is_object() && pattern->contains("Regex");
  if (!is_regex) {
    MOIETY_ASSIGN_OR_RETURN(StringReplacer replacer, LoadStringReplacer(component));
    return std::unique_ptr<const Normalizer>(std::make_unique<ReplaceText>(std::move(replacer)));
  }
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"pattern", "content"}));
  MOIETY_ASSIGN_OR_RETURN(Regex regex, LoadPattern(component));
  ConfigReader reader(component.json, component.where);
  std::string content = reader.String("content");
  MOIETY_RETURN_IF_ERROR(reader.status());
  return std::unique_ptr<const Normalizer>(
      std::make_unique<ReplaceRegex>(std::move(regex), std::move(content)));
}

constexpr StageType<Normalizer> kNormalizers[] = {
    {"BertNormalizer", &MakeBertNormalizer},
    {"ByteLevel", &MakeByteLevelNormalizer},
    {"Lowercase", &MakeLowercase},
    {"NFC", &MakeNfc},
    {"NFD", &MakeNfd},
    {"NFKC", &MakeNfkc},
    {"NFKD", &MakeNfkd},
    {"Nmt", &MakeNmt},
    {"Precompiled", &MakePrecompiled},
    {"Prepend", &Prepend::Make},
    {"Replace", &MakeReplace},
    {"Strip", &MakeStrip},
    {"StripAccents", &MakeStripAccents},
};

}  // namespace

Result<Normalizers> LoadNormalizers(const Component& component) {
  MOIETY_ASSIGN_OR_RETURN(Normalizers normalizers,
                          LoadStages(component, "normalizers", kNormalizers));
  double growth = 1;
  for (const auto& normalizer : normalizers) growth *= normalizer->Growth();
  MOIETY_RETURN_IF_ERROR(CheckGrowth(component, growth));
  return normalizers;
}

}  // namespace moiety
