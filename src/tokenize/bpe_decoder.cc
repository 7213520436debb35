#include "tokenize/bpe_decoder.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "format/config_reader.h"
#include "tokenize/string_replacer.h"

namespace moiety {
namespace {

class BpeDecoder : public Decoder {
 public:
  explicit BpeDecoder(const std::string& suffix)
      : suffix_(suffix), inside_(suffix, " "), last_(suffix, "") {}

  std::unique_ptr<DecodeStage> Start(std::unique_ptr<DecodeStage> next) const override {
    return std::make_unique<Stage>(*this, std::move(next));
  }

 private:
  // Of a piece, what stands before its first suffix is passed on when it ends; the rest waits for
  // the next piece or the end.
  class Stage : public DecodeStage {
   public:
    Stage(const BpeDecoder& decoder, std::unique_ptr<DecodeStage> next)
        : decoder_(decoder), next_(std::move(next)) {}
    void Text(std::string_view part) override { piece_ += part; }
    void EndPiece() override {
      EndWaiting(decoder_.inside_);
      const size_t suffix = std::min(piece_.find(decoder_.suffix_), piece_.size());
      Pass(std::string_view(piece_).substr(0, suffix));
      waiting_ = piece_.substr(suffix);
      is_waiting_ = true;
      piece_.clear();
    }
    void Finish() override {
      EndWaiting(decoder_.last_);
      next_->Finish();
    }

   private:
    void EndWaiting(const StringReplacer& replacer) {
      if (!is_waiting_) return;
      Pass(replacer.Replace(waiting_));
      next_->EndPiece();
      is_waiting_ = false;
    }
    void Pass(std::string_view text) {
      if (!text.empty()) next_->Text(text);
    }

    const BpeDecoder& decoder_;
    std::unique_ptr<DecodeStage> next_;
    std::string piece_;
    std::string waiting_;
    bool is_waiting_ = false;
  };

  std::string suffix_;
  StringReplacer inside_;
  StringReplacer last_;
};

}  // namespace

Result<std::unique_ptr<const Decoder>> MakeBpeDecoder(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"suffix"}));
  ConfigReader reader(component.json, component.where);
  const std::string suffix = reader.String("suffix");
  if (suffix.empty()) reader.FailUnsupported("suffix", "must not be empty");
  MOIETY_RETURN_IF_ERROR(reader.status());
  return std::unique_ptr<const Decoder>(std::make_unique<BpeDecoder>(suffix));
}

}  // namespace moiety
