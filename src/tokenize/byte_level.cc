#include "tokenize/byte_level.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "format/config_reader.h"
#include "tokenize/regex.h"

namespace moiety {
namespace {

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Printable characters of Latin-1 stand for themselves, the other bytes in order for 256, 257, ….
constexpr bool IsPrintable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Character {
  std::array<char, 2> utf8{};
  uint8_t length = 0;
};

constexpr std::array<Character, 256> MakeCharacters() {
  std::array<Character, 256> characters{};
  int others = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const int c = IsPrintable(byte) ? byte : others++;
    Character& character = characters[static_cast<size_t>(byte)];
    if (c < 0x80) {
      character = {{static_cast<char>(c), 0}, 1};
    } else {
      character = {{static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))}, 2};
    }
  }
  return characters;
}

constexpr int kEndCharacter = 256 + 68;  // 68 bytes are not printable

constexpr std::array<int16_t, kEndCharacter> MakeBytes() {
  std::array<int16_t, kEndCharacter> bytes{};
  for (int16_t& byte : bytes) byte = -1;
  int others = 256;
  for (int byte = 0; byte < 256; ++byte) {
    bytes[static_cast<size_t>(IsPrintable(byte) ? byte : others++)] = static_cast<int16_t>(byte);
  }
  return bytes;
}

constexpr std::array<Character, 256> kCharacters = MakeCharacters();
constexpr std::array<int16_t, kEndCharacter> kBytes = MakeBytes();  // -1: no byte

// Appends to a buffer that is resized in large steps.
class Writer {
 public:
  explicit Writer(size_t num_bytes) : text_(2 * num_bytes, '\0') {}
  void Put(std::string_view bytes) {
    if (text_.size() - size_ < 2 * bytes.size()) text_.resize(2 * (size_ + bytes.size()));
    char* out = text_.data() + size_;
    for (const char byte : bytes) {
      const Character& character = kCharacters[static_cast<uint8_t>(byte)];
      out[0] = character.utf8[0];
      out[1] = character.utf8[1];
      out += character.length;
    }
    size_ = static_cast<size_t>(out - text_.data());
  }
  size_t size() const { return size_; }
  std::string Take() {
    text_.resize(size_);
    return std::move(text_);
  }

 private:
  std::string text_;
  size_t size_ = 0;
};

class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, std::optional<Regex> regex)
      : add_prefix_space_(add_prefix_space), regex_(std::move(regex)) {}

  Status Apply(Words& words) const override {
    Writer text(words.text.size() + (add_prefix_space_ ? words.ends.size() : 0));
    std::vector<size_t> ends;
    ends.reserve(regex_.has_value() ? words.text.size() / 4 : words.ends.size());
    std::optional<Regex::Finder> finder;
    if (regex_.has_value()) finder.emplace(*regex_);
    std::string prefixed;
    const auto put = [&](std::string_view word) {
      if (word.empty()) return;
      text.Put(word);
      ends.push_back(text.size());
    };
    size_t begin = 0;
    for (const size_t end : words.ends) {
      std::string_view word = std::string_view(words.text).substr(begin, end - begin);
      begin = end;
      if (add_prefix_space_ && !word.starts_with(' ')) {
        prefixed = ' ';
        prefixed += word;
        word = prefixed;
      }
      size_t done = 0;
      if (finder.has_value()) {
        finder->Reset(word);
        Regex::Match match;
        while (finder->Next(&match)) {
          put(word.substr(done, match.begin - done));
          put(word.substr(match.begin, match.end - match.begin));
          done = match.end;
        }
        MOIETY_RETURN_IF_ERROR(Status(finder->status()));
      }
      put(word.substr(done));
    }
    words.text = text.Take();
    words.ends = std::move(ends);
    return OkStatus();
  }

 private:
  bool add_prefix_space_;
  std::optional<Regex> regex_;
};

class ByteLevelNormalizer : public Normalizer {
 public:
  Status Apply(std::string& text) const override {
    Writer writer(text.size());
    writer.Put(text);
    text = writer.Take();
    return OkStatus();
  }
  double Growth() const override { return 2; }
};

// All pieces become one text, which may be cut inside a character at any piece. A piece with a
// character that stands for no byte is text as it is.
class ByteLevelDecoder : public Decoder {
 public:
  std::unique_ptr<DecodeStage> Start(std::unique_ptr<DecodeStage> next) const override {
    return std::make_unique<Stage>(std::move(next));
  }

 private:
  class Stage : public DecodeStage {
   public:
    explicit Stage(std::unique_ptr<DecodeStage> next) : next_(std::move(next)) {}

    void Text(std::string_view part) override { piece_ += part; }

    void EndPiece() override {
      const size_t before = bytes_.size();
      bool all_bytes = true;
      for (std::string_view rest = piece_; all_bytes && !rest.empty();) {
        const Utf8Character c = DecodeUtf8(rest);
        rest.remove_prefix(static_cast<size_t>(c.length));
        all_bytes = c.code_point < kEndCharacter && kBytes[c.code_point] >= 0;
        if (all_bytes) bytes_ += static_cast<char>(kBytes[c.code_point]);
      }
      if (!all_bytes) {
        bytes_.resize(before);
        bytes_ += piece_;
      }
      piece_.clear();
      Pass(CompleteUtf8Prefix(bytes_));
    }

    void Finish() override {
      Pass(bytes_.size());
      next_->EndPiece();
      next_->Finish();
    }

   private:
    void Pass(size_t length) {
      if (length > 0) next_->Text(ToValidUtf8(std::string_view(bytes_).substr(0, length)));
      bytes_.erase(0, length);
    }
    std::unique_ptr<DecodeStage> next_;
    std::string piece_;
    std::string bytes_;  // the beginning of a character
  };
};

}  // namespace

Status CheckByteLevelFields(const Component& component) {
  MOIETY_RETURN_IF_ERROR(
      CheckFields(component, {}, {"add_prefix_space", "trim_offsets", "use_regex"}));
  ConfigReader reader(component.json, component.where);
  for (const char* field : {"add_prefix_space", "trim_offsets", "use_regex"}) {
    reader.BoolOr(field, true);
  }
  return reader.status();
}

Result<std::unique_ptr<const PreTokenizer>> MakeByteLevelPreTokenizer(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckByteLevelFields(component));
  ConfigReader reader(component.json, component.where);
  const bool add_prefix_space = reader.BoolOr("add_prefix_space", true);
  std::optional<Regex> regex;
  if (reader.BoolOr("use_regex", true)) {
    MOIETY_ASSIGN_OR_RETURN(regex, Regex::Compile(kGpt2Pattern, component.where));
  }
  return std::unique_ptr<const PreTokenizer>(
      std::make_unique<ByteLevelPreTokenizer>(add_prefix_space, std::move(regex)));
}

Result<std::unique_ptr<const Normalizer>> MakeByteLevelNormalizer(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {}));
  return std::unique_ptr<const Normalizer>(std::make_unique<ByteLevelNormalizer>());
}

Result<std::unique_ptr<const Decoder>> MakeByteLevelDecoder(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckByteLevelFields(component));
  return std::unique_ptr<const Decoder>(std::make_unique<ByteLevelDecoder>());
}

std::string_view ByteLevelCharacter(uint8_t byte) {
  const Character& character = kCharacters[byte];
  return {character.utf8.data(), character.length};
}

}  // namespace moiety
