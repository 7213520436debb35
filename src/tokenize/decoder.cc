#include "tokenize/decoder.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "tokenize/bpe_decoder.h"
#include "tokenize/byte_level.h"
#include "tokenize/ctc.h"
#include "tokenize/metaspace.h"
#include "tokenize/string_replacer.h"
#include "tokenize/wordpiece_decoder.h"

namespace moiety {
namespace {

using Next = std::unique_ptr<DecodeStage>;

// The end of the chain: pieces joined.
class Join : public DecodeStage {
 public:
  explicit Join(std::string& out) : out_(out) {}
  void Text(std::string_view part) override { out_ += part; }
  void EndPiece() override {}
  void Finish() override {}

 private:
  std::string& out_;
};

// What "decoder": null means.
class JoinWithSpaces : public Decoder {
 public:
  Next Start(Next next) const override { return std::make_unique<Stage>(std::move(next)); }

 private:
  class Stage : public DecodeStage {
   public:
    explicit Stage(Next next) : next_(std::move(next)) {}
    void Text(std::string_view part) override {
      BeginPiece();
      next_->Text(part);
    }
    void EndPiece() override {
      BeginPiece();  // an empty piece has its space too
      in_piece_ = false;
      next_->EndPiece();
    }
    void Finish() override { next_->Finish(); }

   private:
    void BeginPiece() {
      if (!in_piece_ && !first_) next_->Text(" ");
      in_piece_ = true;
      first_ = false;
    }
    Next next_;
    bool in_piece_ = false;
    bool first_ = true;
  };
};

class Replace : public Decoder {
 public:
  static Result<std::unique_ptr<const Decoder>> Make(const Component& component) {
    MOIETY_ASSIGN_OR_RETURN(StringReplacer replacer, LoadStringReplacer(component));
    return std::unique_ptr<const Decoder>(std::make_unique<Replace>(std::move(replacer)));
  }

  explicit Replace(StringReplacer replacer) : replacer_(std::move(replacer)) {}
  Next Start(Next next) const override {
    return std::make_unique<Stage>(replacer_, std::move(next));
  }
  double Growth() const override { return replacer_.Growth(); }

 private:
  // What is held back starts a pattern, so it starts with a whole character, and so does the text
  // that is passed on end with one.
  class Stage : public DecodeStage {
   public:
    Stage(const StringReplacer& replacer, Next next)
        : replacer_(replacer), next_(std::move(next)) {}
    void Text(std::string_view part) override {
      replacer_.Feed(part, matched_, buffer_);
      Pass();
    }
    void EndPiece() override {
      replacer_.Flush(matched_, buffer_);
      Pass();
      next_->EndPiece();
    }
    void Finish() override { next_->Finish(); }

   private:
    void Pass() {
      if (!buffer_.empty()) next_->Text(buffer_);
      buffer_.clear();
    }
    const StringReplacer& replacer_;
    Next next_;
    size_t matched_ = 0;
    std::string buffer_;
  };

  StringReplacer replacer_;
};

// Pieces "<0x00>" … "<0xFF>" are bytes. A run of them is one piece of text if it is valid UTF-8 as
// a whole, else one U+FFFD per byte; so nothing of a run is final before its end.
class ByteFallback : public Decoder {
 public:
  static Result<std::unique_ptr<const Decoder>> Make(const Component& component) {
    MOIETY_RETURN_IF_ERROR(CheckFields(component, {}));
    return std::unique_ptr<const Decoder>(std::make_unique<ByteFallback>());
  }

  Next Start(Next next) const override { return std::make_unique<Stage>(std::move(next)); }

 private:
  static constexpr size_t kByteLength = 6;

  // -1 where the piece is no byte.
  static int ByteOf(std::string_view piece) {
    if (piece.size() != kByteLength || !piece.starts_with("<0x") || piece.back() != '>') return -1;
    int byte = 0;
    for (const char digit : piece.substr(3, 2)) {
      byte *= 16;
      if (digit >= '0' && digit <= '9') {
        byte += digit - '0';
      } else if (digit >= 'A' && digit <= 'F') {
        byte += digit - 'A' + 10;
      } else if (digit >= 'a' && digit <= 'f') {
        byte += digit - 'a' + 10;
      } else {
        return -1;
      }
    }
    return byte;
  }

  class Stage : public DecodeStage {
   public:
    explicit Stage(Next next) : next_(std::move(next)) {}

    void Text(std::string_view part) override {
      if (!is_text_ && piece_.size() + part.size() <= kByteLength) {
        piece_ += part;  // may still become a byte
        return;
      }
      BeginText();
      next_->Text(part);
    }

    void EndPiece() override {
      const int byte = is_text_ ? -1 : ByteOf(piece_);
      if (byte >= 0) {
        run_ += static_cast<char>(byte);
        piece_.clear();
        return;
      }
      BeginText();
      is_text_ = false;
      next_->EndPiece();
    }

    void Finish() override {
      EndRun();
      next_->Finish();
    }

   private:
    void BeginText() {
      if (is_text_) return;
      EndRun();
      is_text_ = true;
      if (!piece_.empty()) next_->Text(piece_);
      piece_.clear();
    }

    void EndRun() {
      if (run_.empty()) return;
      if (IsUtf8(run_)) {
        next_->Text(run_);
        next_->EndPiece();
      } else {
        for (size_t i = 0; i < run_.size(); ++i) {
          next_->Text(kReplacementCharacter);
          next_->EndPiece();
        }
      }
      run_.clear();
    }

    Next next_;
    std::string run_;       // bytes
    std::string piece_;     // the open piece, while it may be a byte
    bool is_text_ = false;  // the open piece is no byte; its text is passed on
  };
};

// All pieces become one.
class Fuse : public Decoder {
 public:
  static Result<std::unique_ptr<const Decoder>> Make(const Component& component) {
    MOIETY_RETURN_IF_ERROR(CheckFields(component, {}));
    return std::unique_ptr<const Decoder>(std::make_unique<Fuse>());
  }

  Next Start(Next next) const override { return std::make_unique<Stage>(std::move(next)); }

 private:
  class Stage : public DecodeStage {
   public:
    explicit Stage(Next next) : next_(std::move(next)) {}
    void Text(std::string_view part) override { next_->Text(part); }
    void EndPiece() override {}
    void Finish() override {
      next_->EndPiece();
      next_->Finish();
    }

   private:
    Next next_;
  };
};

// Takes a character away from both ends of each piece, at most `start` and `stop` times.
class Strip : public Decoder {
 public:
  static Result<std::unique_ptr<const Decoder>> Make(const Component& component) {
    MOIETY_RETURN_IF_ERROR(CheckFields(component, {"content", "start", "stop"}));
    ConfigReader reader(component.json, component.where);
    const std::string content = reader.String("content");
    const int64_t start = reader.Int("start", 0, INT64_MAX);
    const int64_t stop = reader.Int("stop", 0, INT64_MAX);
    if (content.empty() || static_cast<size_t>(DecodeUtf8(content).length) != content.size()) {
      reader.Fail("content", "must be one character, found " + ShowJson(content));
    }
    MOIETY_RETURN_IF_ERROR(reader.status());
    return std::unique_ptr<const Decoder>(std::make_unique<Strip>(content, start, stop));
  }

  Strip(std::string content, int64_t start, int64_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  Next Start(Next next) const override { return std::make_unique<Stage>(*this, std::move(next)); }

 private:
  class Stage : public DecodeStage {
   public:
    Stage(const Strip& strip, Next next)
        : strip_(strip), next_(std::move(next)), start_left_(strip.start_) {}

    void Text(std::string_view part) override {
      const std::string& content = strip_.content_;
      while (start_left_ > 0 && !part.empty()) {
        if (!part.starts_with(content)) {
          start_left_ = 0;
          break;
        }
        part.remove_prefix(content.size());
        --start_left_;
      }
      // Characters that may be at the end of the piece are held back, as far as they would go.
      std::string_view kept = part;
      int64_t at_end = 0;
      while (kept.ends_with(content) && strip_.stop_ > 0) {
        kept.remove_suffix(content.size());
        ++at_end;
      }
      if (!kept.empty()) {
        Release(0);
        next_->Text(kept);
      }
      held_ += at_end;
      Release(strip_.stop_);
    }

    void EndPiece() override {
      held_ = 0;
      start_left_ = strip_.start_;
      next_->EndPiece();
    }

    void Finish() override { next_->Finish(); }

   private:
    void Release(int64_t keep) {
      for (; held_ > keep; --held_) next_->Text(strip_.content_);
    }
    const Strip& strip_;
    Next next_;
    int64_t start_left_;
    int64_t held_ = 0;
  };

  std::string content_;
  int64_t start_;
  int64_t stop_;
};

constexpr StageType<Decoder> kDecoders[] = {
    {"BPEDecoder", &MakeBpeDecoder},
    {"ByteFallback", &ByteFallback::Make},
    {"ByteLevel", &MakeByteLevelDecoder},
    {"CTC", &MakeCtc},
    {"Fuse", &Fuse::Make},
    {"Metaspace", &MakeMetaspaceDecoder},
    {"Replace", &Replace::Make},
    {"Strip", &Strip::Make},
    {"WordPiece", &MakeWordPieceDecoder},
};

}  // namespace

Result<Decoders> LoadDecoders(const Component& component) {
  if (component.json.is_null()) {
    Decoders decoders;
    decoders.push_back(std::make_unique<JoinWithSpaces>());
    return decoders;
  }
  MOIETY_ASSIGN_OR_RETURN(Decoders decoders, LoadStages(component, "decoders", kDecoders));
  double growth = 1;
  for (const auto& decoder : decoders) growth *= decoder->Growth();
  MOIETY_RETURN_IF_ERROR(CheckGrowth(component, growth));
  return decoders;
}

std::unique_ptr<DecodeStage> StartDecoding(const Decoders& decoders, std::string& out) {
  Next stage = std::make_unique<Join>(out);
  for (auto decoder = decoders.rbegin(); decoder != decoders.rend(); ++decoder) {
    stage = (*decoder)->Start(std::move(stage));
  }
  return stage;
}

}  // namespace moiety
