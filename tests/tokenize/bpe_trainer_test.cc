#include "tokenize/bpe_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr auto kGoOn = [](int64_t) { return true; };

BpeTraining Train(const std::vector<WordCount>& words, const std::vector<std::string>& symbols,
                  int64_t vocab_size, int64_t min_frequency = 1) {
  auto training = TrainBpe(words, symbols, vocab_size, min_frequency, kGoOn);
  EXPECT_TRUE(training.ok()) << training.status().message();
  return training.ok() ? *std::move(training) : BpeTraining();
}

TEST(BpeTrainer, TheMostFrequentPairFirst) {
  // ab: 5 + 2, bc: 2 + 3, de: 3.
  const BpeTraining training =
      Train({{"ab", 5}, {"abc", 2}, {"bcde", 3}}, {"a", "b", "c", "d", "e"}, 100);
  // After ab: bc 3 (the one in abc is gone), abc 2, cd 3, de 3. Of the three the lowest ids.
  EXPECT_THAT(training.vocabulary,
              ElementsAre("a", "b", "c", "d", "e", "ab", "bc", "de", "bcde", "abc"));
  EXPECT_THAT(training.merges,
              ElementsAre(Pair(0, 1), Pair(1, 2), Pair(3, 4), Pair(6, 7), Pair(5, 2)));
}

TEST(BpeTrainer, EndsAtTheVocabularySizeOrTheFrequency) {
  const std::vector<WordCount> words = {{"ab", 5}, {"cd", 4}, {"ef", 1}};
  const std::vector<std::string> symbols = {"a", "b", "c", "d", "e", "f"};
  EXPECT_EQ(Train(words, symbols, 7).merges.size(), 1U);
  EXPECT_EQ(Train(words, symbols, 6).merges.size(), 0U);
  EXPECT_EQ(Train(words, symbols, 100, 2).merges.size(), 2U);
  EXPECT_EQ(Train(words, symbols, 100, 1).merges.size(), 3U);
}

TEST(BpeTrainer, UnknownCharactersEndWords) {
  const BpeTraining training = Train({{"a日b", 9}, {"éé", 2}}, {"a", "b", "é"}, 100);
  EXPECT_THAT(training.vocabulary, ElementsAre("a", "b", "é", "éé"));
}

TEST(BpeTrainer, RunsOfOneCharacter) {
  const BpeTraining training = Train({{"aaaaa", 1}}, {"a"}, 100);
  EXPECT_THAT(training.vocabulary, ElementsAre("a", "aa", "aaa", "aaaaa"));
}

// The definition: count all pairs anew before each merge.
BpeTraining Oracle(const std::vector<WordCount>& words, const std::vector<std::string>& symbols,
                   size_t vocab_size) {
  BpeTraining out;
  out.vocabulary = symbols;
  std::map<std::string, int32_t> ids;
  for (const std::string& symbol : symbols) ids.emplace(symbol, ids.size());
  std::vector<std::pair<std::vector<int32_t>, int64_t>> split;
  for (const WordCount& word : words) {
    split.push_back({{}, word.count});
    for (const char c : word.word) split.back().first.push_back(ids.at(std::string(1, c)));
  }
  while (out.vocabulary.size() < vocab_size) {
    std::map<std::pair<int32_t, int32_t>, int64_t> counts;
    for (const auto& [word, count] : split) {
      for (size_t i = 0; i + 1 < word.size(); ++i) counts[{word[i], word[i + 1]}] += count;
    }
    if (counts.empty()) break;
    auto best = counts.begin();
    for (auto it = counts.begin(); it != counts.end(); ++it) {
      if (it->second > best->second) best = it;
    }
    const auto [left, right] = best->first;
    const std::string text =
        out.vocabulary[static_cast<size_t>(left)] + out.vocabulary[static_cast<size_t>(right)];
    const auto [entry, is_new] = ids.emplace(text, ids.size());
    if (is_new) out.vocabulary.push_back(text);
    out.merges.emplace_back(left, right);
    for (auto& [word, count] : split) {
      for (size_t i = 0; i + 1 < word.size(); ++i) {
        if (word[i] != left || word[i + 1] != right) continue;
        word[i] = entry->second;
        word.erase(word.begin() + static_cast<ptrdiff_t>(i) + 1);
      }
    }
  }
  return out;
}

TEST(BpeTrainer, EqualsTheDefinitionForRandomWords) {
  std::mt19937 random(3);
  for (int round = 0; round < 100; ++round) {
    std::vector<WordCount> words(1 + random() % 30);
    for (WordCount& word : words) {
      word.word.resize(1 + random() % 12);
      for (char& c : word.word) c = static_cast<char>('a' + random() % 3);
      word.count = 1 + random() % 4;
    }
    const std::vector<std::string> symbols = {"<s>", "a", "b", "c"};
    const BpeTraining training = Train(words, symbols, 40);
    const BpeTraining expected = Oracle(words, symbols, 40);
    EXPECT_EQ(training.vocabulary, expected.vocabulary);
    EXPECT_EQ(training.merges, expected.merges);
    std::shuffle(words.begin(), words.end(), random);
    EXPECT_EQ(Train(words, symbols, 40).merges, expected.merges);
  }
}

TEST(BpeTrainer, WordsOfMegabytesTakeSeconds) {
  std::string word;
  std::mt19937 random(1);
  for (int i = 0; i < 1 << 20; ++i) word += static_cast<char>('a' + random() % 8);
  const BpeTraining training = Train({{word, 1}}, {"a", "b", "c", "d", "e", "f", "g", "h"}, 1000);
  EXPECT_EQ(training.vocabulary.size(), 1000U);
}

TEST(BpeTrainer, CancelledAndErrors) {
  int64_t seen = 0;
  const auto stop = [&](int64_t num_tokens) {
    seen = num_tokens;
    return false;
  };
  EXPECT_EQ(TrainBpe({{"ab", 1}}, {"a", "b"}, 10, 1, stop).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(seen, 3);
  EXPECT_THAT(TrainBpe({}, {"a", "b"}, 1, 1, kGoOn).status().message(),
              HasSubstr("a vocabulary of 1 is too small: 2 tokens"));
  EXPECT_THAT(TrainBpe({}, {"a", "a"}, 5, 1, kGoOn).status().message(),
              HasSubstr("the token \"a\" is there twice"));
}

}  // namespace
}  // namespace moiety
