#include "tokenize/normalizer.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "format/config_reader.h"
#include "tokenize/bert.h"
#include "tokenize/precompiled.h"
#include "tokenize/string_replacer.h"

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

  void Apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, prefix_);
  }

 private:
  std::string prefix_;
};

class Replace : public Normalizer {
 public:
  static Result<std::unique_ptr<const Normalizer>> Make(const Component& component) {
    MOIETY_ASSIGN_OR_RETURN(StringReplacer replacer, LoadStringReplacer(component));
    return std::unique_ptr<const Normalizer>(std::make_unique<Replace>(std::move(replacer)));
  }

  explicit Replace(StringReplacer replacer) : replacer_(std::move(replacer)) {}

  void Apply(std::string& text) const override { text = replacer_.Replace(text); }
  double Growth() const override { return replacer_.Growth(); }

 private:
  StringReplacer replacer_;
};

constexpr StageType<Normalizer> kTypes[] = {
    {"BertNormalizer", &MakeBertNormalizer},
    {"Precompiled", &MakePrecompiled},
    {"Prepend", &Prepend::Make},
    {"Replace", &Replace::Make},
};

}  // namespace

Result<Normalizers> LoadNormalizers(const Component& component) {
  MOIETY_ASSIGN_OR_RETURN(Normalizers normalizers, LoadStages(component, "normalizers", kTypes));
  double growth = 1;
  for (const auto& normalizer : normalizers) growth *= normalizer->Growth();
  MOIETY_RETURN_IF_ERROR(CheckGrowth(component, growth));
  return normalizers;
}

}  // namespace moiety
