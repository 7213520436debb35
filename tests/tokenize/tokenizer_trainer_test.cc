#include "tokenize/tokenizer_trainer.h"

#include <gmock/gmock.h>

#include "tiny_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

constexpr std::string_view kText =
    "the cat and the hat, the mat and the rat.\n\n    if x == 10:\n        return été + 日本\n"
    "the cat's hat isn't 12345 🙂\r\n\tthe end";

TokenizerTrainerOptions Options(TokenizerKind kind, int64_t vocab_size) {
  TokenizerTrainerOptions options;
  options.kind = kind;
  options.vocab_size = vocab_size;
  return options;
}

TokenizerTrainerOptions WithSpecial(std::vector<std::string> tokens) {
  TokenizerTrainerOptions options = Options(TokenizerKind::kByteFallback, 330);
  options.special_tokens = std::move(tokens);
  return options;
}

TokenizerTrainerOptions WithCoverage(double coverage) {
  TokenizerTrainerOptions options = Options(TokenizerKind::kByteFallback, 400);
  options.character_coverage = coverage;
  return options;
}

ordered_json TrainOn(const TokenizerTrainerOptions& options, int times = 10) {
  auto trainer = TokenizerTrainer::Create(options);
  EXPECT_TRUE(trainer.ok()) << trainer.status().message();
  for (int i = 0; i < times; ++i) EXPECT_TRUE(trainer->Add(kText).ok());
  auto file = trainer->Train([](int64_t) { return true; });
  EXPECT_TRUE(file.ok()) << file.status().message();
  return file.ok() ? *std::move(file) : ordered_json();
}

class TokenizerTrainerKinds : public testing::TestWithParam<TokenizerKind> {};

TEST_P(TokenizerTrainerKinds, TheFileLoadsAndIsReversible) {
  const ordered_json file = TrainOn(Options(GetParam(), 400));
  const auto tokenizer = Load(file.dump());
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->vocab_size(), file["model"]["vocab"].size());
  for (const std::string& text :
       {std::string(kText), std::string("Ωmega \0 and\xC2\xA0"), std::string("  two  "),
        std::string("new\nline\n"), std::string()}) {
    const Ids ids = Encode(*tokenizer, text);
    EXPECT_EQ(tokenizer->Decode(ids), text);
  }
  EXPECT_LT(Encode(*tokenizer, kText).size(), kText.size() / 2);
}

TEST_P(TokenizerTrainerKinds, TheSameTextsGiveTheSameFile) {
  EXPECT_EQ(TrainOn(Options(GetParam(), 350)).dump(), TrainOn(Options(GetParam(), 350)).dump());
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerTrainerKinds,
                         testing::Values(TokenizerKind::kByteLevel, TokenizerKind::kByteFallback),
                         [](const auto& kind) {
                           return kind.param == TokenizerKind::kByteLevel ? "ByteLevel"
                                                                          : "ByteFallback";
                         });

TEST(TokenizerTrainer, SpecialTokensComeFirst) {
  const auto level = Load(TrainOn(Options(TokenizerKind::kByteLevel, 300)).dump());
  EXPECT_EQ(level->IdOf("<|endoftext|>"), 0);
  EXPECT_TRUE(level->IsSpecial(0));
  const auto fallback = Load(TrainOn(Options(TokenizerKind::kByteFallback, 330)).dump());
  EXPECT_EQ(fallback->IdOf("<unk>"), 0);
  EXPECT_EQ(fallback->IdOf("</s>"), 2);
  EXPECT_EQ(fallback->IdOf("<0x00>"), 3);
  EXPECT_EQ(Encode(*fallback, "the")[0], 1);
  const auto own = Load(TrainOn(WithSpecial({"U", "B", "E", "X"})).dump());
  EXPECT_EQ(own->IdOf("X"), 3);
  EXPECT_EQ(Encode(*own, "")[0], 1);
}

TEST(TokenizerTrainer, RareCharactersAreBytes) {
  const auto all = Load(TrainOn(WithCoverage(1)).dump());
  EXPECT_TRUE(all->IdOf("🙂").has_value());
  const auto most = Load(TrainOn(WithCoverage(0.9)).dump());
  EXPECT_FALSE(most->IdOf("🙂").has_value());
  EXPECT_TRUE(most->IdOf("▁the").has_value());
}

TEST(TokenizerTrainer, Config) {
  const auto trainer = TokenizerTrainer::Create({});
  ASSERT_TRUE(trainer.ok());
  EXPECT_EQ(trainer->Config()["bos_token"], "<s>");
  EXPECT_EQ(trainer->Config()["eos_token"], "</s>");
}

TEST(TokenizerTrainer, Errors) {
  const auto error = [](const TokenizerTrainerOptions& options) {
    auto trainer = TokenizerTrainer::Create(options);
    return trainer.ok() ? trainer->Train([](int64_t) { return true; }).status().message()
                        : trainer.status().message();
  };
  EXPECT_THAT(error(WithSpecial({"<unk>"})), HasSubstr("at least 3 special tokens"));
  EXPECT_THAT(error(WithSpecial({"<unk>", "<s>", ""})), HasSubstr("not empty"));
  EXPECT_THAT(error(Options(TokenizerKind::kByteFallback, 100)),
              HasSubstr("a vocabulary of 100 is too small"));
  EXPECT_THAT(error(WithCoverage(0)), HasSubstr("the character coverage must be"));
  EXPECT_THAT(error(WithSpecial({"a", "b", "a"})), HasSubstr("there twice"));
}

}  // namespace
}  // namespace moiety
