#include "tokenize/wordpiece_decoder.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "format/config_reader.h"
#include "tokenize/string_replacer.h"

namespace moiety {
namespace {

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool clean_up)
      : prefix_(std::move(prefix)), clean_up_(clean_up) {}

  std::unique_ptr<DecodeStage> Start(std::unique_ptr<DecodeStage> next) const override {
    return std::make_unique<Stage>(*this, std::move(next));
  }
  double Growth() const override { return 2; }  // a space per piece

 private:
  class Stage : public DecodeStage {
   public:
    Stage(const WordPieceDecoder& decoder, std::unique_ptr<DecodeStage> next)
        : decoder_(decoder), next_(std::move(next)) {}
    void Text(std::string_view part) override { piece_ += part; }
    void EndPiece() override {
      if (!first_) {
        if (piece_.starts_with(decoder_.prefix_)) {
          piece_.erase(0, decoder_.prefix_.size());
        } else {
          piece_.insert(0, 1, ' ');
        }
      }
      first_ = false;
      if (decoder_.clean_up_) piece_ = CleanUpSpaces(std::move(piece_));
      if (!piece_.empty()) next_->Text(piece_);
      piece_.clear();
      next_->EndPiece();
    }
    void Finish() override { next_->Finish(); }

   private:
    const WordPieceDecoder& decoder_;
    std::unique_ptr<DecodeStage> next_;
    std::string piece_;
    bool first_ = true;
  };

  std::string prefix_;
  bool clean_up_;
};

}  // namespace

std::string CleanUpSpaces(std::string text) {
  // Nearly always there is nothing to do.
  constexpr std::string_view kSecondOfPatterns = ".?!,'nd";
  size_t space = text.find(' ');
  while (space != std::string::npos &&
         (space + 1 == text.size() ||
          kSecondOfPatterns.find(text[space + 1]) == std::string_view::npos)) {
    space = text.find(' ', space + 1);
  }
  if (space == std::string::npos) return text;
  // One after the other, each over the whole text.
  static const StringReplacer kReplacers[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},           {" ,", ","},   {" ' ", "'"},  //
      {" n't", "n't"}, {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"},
      {" 're", "'re"}};
  for (const StringReplacer& replacer : kReplacers) {
    text = replacer.Replace(text);
  }
  return text;
}

Result<std::unique_ptr<const Decoder>> MakeWordPieceDecoder(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"prefix", "cleanup"}));
  ConfigReader reader(component.json, component.where);
  const std::string prefix = reader.String("prefix");
  const bool clean_up = reader.BoolOr("cleanup", true);
  MOIETY_RETURN_IF_ERROR(reader.status());
  return std::unique_ptr<const Decoder>(std::make_unique<WordPieceDecoder>(prefix, clean_up));
}

}  // namespace moiety
