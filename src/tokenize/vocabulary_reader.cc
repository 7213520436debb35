#include "tokenize/vocabulary_reader.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/format.h"
#include "format/config_reader.h"
#include "format/json.h"

namespace moiety {

using nlohmann::json;

Result<Vocabulary> ReadVocabulary(const Component& component) {
  const json& vocab = component.json.at("vocab");
  if (!vocab.is_object()) {
    return InvalidData(
        Format("{}: \"vocab\" must be an object, found {}", component.where, ShowJson(vocab)));
  }
  Vocabulary vocabulary(vocab.size());
  for (const auto& [piece, value] : vocab.items()) {
    const std::optional<int64_t> id = IntegerIn(value, INT64_MIN, INT64_MAX);
    if (!id.has_value()) {
      return InvalidData(Format("{}: \"vocab\" must give token {} an integer, found {}",
                                component.where, ShowJson(piece), ShowJson(value)));
    }
    MOIETY_RETURN_IF_ERROR(vocabulary.Add(piece, *id).WithContext(component.where + ": \"vocab\""));
  }
  return vocabulary;
}

Result<int32_t> ReadUnknownToken(const Component& component, const Vocabulary& vocabulary) {
  ConfigReader reader(component.json, component.where);
  const std::string unknown = reader.String("unk_token");
  MOIETY_RETURN_IF_ERROR(reader.status());
  const int32_t id = vocabulary.Find(unknown);
  if (id == Vocabulary::kNone) {
    reader.Fail("unk_token", "must be in the vocabulary, found " + ShowJson(unknown));
    return reader.status();
  }
  return id;
}

}  // namespace moiety
