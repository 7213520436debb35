#include "tokenize/metaspace.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "format/config_reader.h"
#include "format/json.h"

namespace moiety {
namespace {

enum class PrependScheme { kAlways, kFirst, kNever };

struct Settings {
  std::string replacement;  // one character
  PrependScheme scheme = PrependScheme::kAlways;
  bool split = true;
};

Result<Settings> Load(const Component& component) {
  // "str_rep" is a copy of the replacement in old files.
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"replacement"},
                                     {"str_rep", "add_prefix_space", "prepend_scheme", "split"}));
  ConfigReader reader(component.json, component.where);
  Settings settings;
  settings.replacement = reader.String("replacement");
  const std::string& replacement = settings.replacement;
  if (replacement.empty() ||
      static_cast<size_t>(DecodeUtf8(replacement).length) != replacement.size()) {
    reader.Fail("replacement", "must be one character, found " + ShowJson(replacement));
  }
  const bool prefix = reader.BoolOr("add_prefix_space", true);
  const std::string scheme = reader.StringOr("prepend_scheme", prefix ? "always" : "never");
  if (scheme == "first") {
    settings.scheme = PrependScheme::kFirst;
  } else if (scheme == "never") {
    settings.scheme = PrependScheme::kNever;
  } else if (scheme != "always") {
    reader.FailUnsupported("prepend_scheme",
                           "must be \"always\", \"first\" or \"never\", found " + ShowJson(scheme));
  }
  if (!prefix && settings.scheme != PrependScheme::kNever) {
    reader.Fail("add_prefix_space",
                "must be true with \"prepend_scheme\" " + ShowJson(scheme) + ", found false");
  }
  settings.split = reader.BoolOr("split", true);
  MOIETY_RETURN_IF_ERROR(reader.status());
  return settings;
}

class MetaspacePreTokenizer : public PreTokenizer {
 public:
  explicit MetaspacePreTokenizer(Settings settings) : settings_(std::move(settings)) {}

  Status Apply(Words& words) const override {
    std::string text;
    text.reserve(words.text.size() + words.text.size() / 2);
    std::vector<size_t> ends;
    size_t begin = 0;
    for (const size_t end : words.ends) {
      const std::string_view word = std::string_view(words.text).substr(begin, end - begin);
      const bool prepend =
          settings_.scheme == PrependScheme::kAlways ||
          (settings_.scheme == PrependScheme::kFirst && begin == 0 && words.starts_text);
      if (prepend && word[0] != ' ' && !word.starts_with(settings_.replacement)) {
        text += settings_.replacement;
      }
      AppendWord(word, text, ends);
      begin = end;
    }
    words.text = std::move(text);
    words.ends = std::move(ends);
    return OkStatus();
  }

 private:
  // Appends the word, and where its parts end.
  void AppendWord(std::string_view word, std::string& text, std::vector<size_t>& ends) const {
    const std::string& replacement = settings_.replacement;
    size_t copied = 0;  // of the word
    for (size_t i = 0; i < word.size();) {
      size_t length = 1;
      if (word[i] != ' ') {
        if (word[i] != replacement[0] || !word.substr(i).starts_with(replacement)) {
          ++i;
          continue;
        }
        length = replacement.size();
      }
      text += word.substr(copied, i - copied);
      if (settings_.split && i > 0) ends.push_back(text.size());
      text += replacement;
      i += length;
      copied = i;
    }
    text += word.substr(copied);
    ends.push_back(text.size());
  }

  Settings settings_;
};

class MetaspaceDecoder : public Decoder {
 public:
  explicit MetaspaceDecoder(Settings settings) : settings_(std::move(settings)) {}
  std::unique_ptr<DecodeStage> Start(std::unique_ptr<DecodeStage> next) const override {
    return std::make_unique<Stage>(settings_, std::move(next));
  }

 private:
  class Stage : public DecodeStage {
   public:
    Stage(const Settings& settings, std::unique_ptr<DecodeStage> next)
        : replacement_(settings.replacement),
          next_(std::move(next)),
          drop_(settings.scheme != PrependScheme::kNever) {}

    void Text(std::string_view part) override {
      std::string out;
      while (!part.empty()) {
        const size_t found = std::min(part.find(replacement_), part.size());
        out += part.substr(0, found);
        part.remove_prefix(found);
        if (part.empty()) break;
        if (!drop_) out += ' ';
        part.remove_prefix(replacement_.size());
      }
      if (!out.empty()) next_->Text(out);
    }
    void EndPiece() override {
      drop_ = false;
      next_->EndPiece();
    }
    void Finish() override { next_->Finish(); }

   private:
    const std::string& replacement_;
    std::unique_ptr<DecodeStage> next_;
    bool drop_;  // replacements of this piece
  };

  Settings settings_;
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> MakeMetaspacePreTokenizer(const Component& component) {
  MOIETY_ASSIGN_OR_RETURN(Settings settings, Load(component));
  return std::unique_ptr<const PreTokenizer>(
      std::make_unique<MetaspacePreTokenizer>(std::move(settings)));
}

Result<std::unique_ptr<const Decoder>> MakeMetaspaceDecoder(const Component& component) {
  MOIETY_ASSIGN_OR_RETURN(Settings settings, Load(component));
  return std::unique_ptr<const Decoder>(std::make_unique<MetaspaceDecoder>(std::move(settings)));
}

}  // namespace moiety
