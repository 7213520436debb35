#include "tokenize/ctc.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "format/config_reader.h"
#include "tokenize/string_replacer.h"
#include "tokenize/wordpiece_decoder.h"

namespace moiety {
namespace {

class Ctc : public Decoder {
 public:
  Ctc(StringReplacer pad, StringReplacer delimiter, bool clean_up)
      : pad_(std::move(pad)), delimiter_(std::move(delimiter)), clean_up_(clean_up) {}

  std::unique_ptr<DecodeStage> Start(std::unique_ptr<DecodeStage> next) const override {
    return std::make_unique<Stage>(*this, std::move(next));
  }

 private:
  class Stage : public DecodeStage {
   public:
    Stage(const Ctc& ctc, std::unique_ptr<DecodeStage> next) : ctc_(ctc), next_(std::move(next)) {}
    void Text(std::string_view part) override { piece_ += part; }
    void EndPiece() override {
      if (last_ != piece_) {
        std::string text = ctc_.pad_.Replace(piece_);
        if (ctc_.clean_up_) text = ctc_.delimiter_.Replace(CleanUpSpaces(std::move(text)));
        if (!text.empty()) {
          next_->Text(text);
          next_->EndPiece();
        }
        last_ = std::move(piece_);
      }
      piece_.clear();
    }
    void Finish() override { next_->Finish(); }

   private:
    const Ctc& ctc_;
    std::unique_ptr<DecodeStage> next_;
    std::string piece_;
    std::optional<std::string> last_;
  };

  StringReplacer pad_;
  StringReplacer delimiter_;
  bool clean_up_;
};

}  // namespace

Result<std::unique_ptr<const Decoder>> MakeCtc(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"pad_token", "word_delimiter_token", "cleanup"}));
  ConfigReader reader(component.json, component.where);
  const std::string pad = reader.String("pad_token");
  const std::string delimiter = reader.String("word_delimiter_token");
  const bool clean_up = reader.BoolOr("cleanup", true);
  if (pad.empty()) reader.FailUnsupported("pad_token", "must not be empty");
  if (delimiter.empty()) reader.FailUnsupported("word_delimiter_token", "must not be empty");
  MOIETY_RETURN_IF_ERROR(reader.status());
  return std::unique_ptr<const Decoder>(
      std::make_unique<Ctc>(StringReplacer(pad, ""), StringReplacer(delimiter, " "), clean_up));
}

}  // namespace moiety
