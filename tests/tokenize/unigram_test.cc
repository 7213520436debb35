#include "tokenize/unigram.h"

#include <gmock/gmock.h>

#include <map>
#include <random>

#include "tiny_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

using Scores = std::vector<std::pair<std::string, double>>;

json UnigramJson(const Scores& vocab) {
  json file = TinyJson();
  file["model"] = {
      {"type", "Unigram"}, {"unk_id", 0}, {"vocab", json::array()}, {"byte_fallback", false}};
  for (const auto& [piece, score] : vocab) file["model"]["vocab"].push_back({piece, score});
  return file;
}

TEST(Unigram, TakesTheLargestSum) {
  const auto tokenizer = Load(UnigramJson({{"<unk>", 0},
                                           {"a", 0},
                                           {"b", 0},
                                           {"c", 0},
                                           {"d", 0},
                                           {"cd", 1},
                                           {"ab", 2},
                                           {"abc", 5},
                                           {"abcd", 10}}));
  EXPECT_THAT(Encode(*tokenizer, "abcd"), ElementsAre(8));
  EXPECT_THAT(Encode(*tokenizer, "abcc"), ElementsAre(7, 3));
  EXPECT_THAT(Encode(*tokenizer, "abcdacdxx"), ElementsAre(8, 1, 5, 0));
  EXPECT_THAT(Encode(*tokenizer, ""), IsEmpty());
}

TEST(Unigram, OfEqualSumsThePieceThatStartsFirstWins) {
  const auto tokenizer = Load(UnigramJson({{"<unk>", 0}, {"a", -1}, {"aa", -2}, {"aaa", -3}}));
  EXPECT_THAT(Encode(*tokenizer, "aaa"), ElementsAre(3));
  EXPECT_THAT(Encode(*tokenizer, "aaaa"), ElementsAre(1, 3));
}

TEST(Unigram, ScoresAreReadAsInTheReference) {
  for (const double score : {0.0, -0.0, 1.0, -20.0, 1e22, 5e-324, 1.7976931348623157e308, -0.1}) {
    const auto tokenizer = Load(UnigramJson({{"<unk>", 0}, {"a", score}}));
    EXPECT_THAT(Encode(*tokenizer, "a"), ElementsAre(1)) << score;
  }
  // The second score is twice the first, and of equal sums "aa" would win; but the reference reads
  // one of them a last place off.
  for (const auto& [one, two] : {std::pair(-3.7621080601795835, -7.524216120359167),
                                 std::pair(-0.24809401175799994, -0.4961880235159999),
                                 std::pair(-4.674014343761591, -9.348028687523183)}) {
    const auto tokenizer = Load(UnigramJson({{"<unk>", 0}, {"a", one}, {"aa", two}}));
    EXPECT_THAT(Encode(*tokenizer, "aa"), ElementsAre(1, 1)) << one;
  }
}

TEST(Unigram, UnknownCharactersTogetherAreOneToken) {
  json file = UnigramJson({{"<unk>", 0}, {"a", -1}, {"é", -1}});
  EXPECT_THAT(Encode(*Load(file), "xyaéz日本"), ElementsAre(0, 1, 2, 0));
  // Also with the unknown token where the text spells it out.
  EXPECT_THAT(Encode(*Load(file), "x<unk>y<unk>"), ElementsAre(0));
  EXPECT_THAT(Encode(*Load(file), "a<unk>a"), ElementsAre(1, 0, 1));
  file["model"]["unk_id"] = 1;
  EXPECT_THAT(Encode(*Load(file), "aéxa"), ElementsAre(1, 2, 1));
}

// Where scores are above zero two unknown characters can be better than the piece of both.
TEST(Unigram, UnknownTextMayBeAPiece) {
  const auto tokenizer = Load(UnigramJson({{"<unk>", 100}, {"xy", 101}, {"b", 100}}));
  EXPECT_THAT(Encode(*tokenizer, "bxyb"), ElementsAre(2, 1, 2));
  EXPECT_THAT(Encode(*tokenizer, "bxyxb"), ElementsAre(2, 0, 2));
}

TEST(Unigram, ByteFallback) {
  json file = UnigramJson({{"<unk>", 0}, {"a", -1}, {"<0xC3>", -5}, {"<0xA9>", -5}});
  file["model"]["byte_fallback"] = true;
  EXPECT_THAT(Encode(*Load(file), "aéa"), ElementsAre(1, 2, 3, 1));
  EXPECT_THAT(Encode(*Load(file), "éé"), ElementsAre(2, 3, 2, 3));
  EXPECT_THAT(Encode(*Load(file), "éx"), ElementsAre(0));  // of the run a byte is missing
  file["model"]["byte_fallback"] = false;
  EXPECT_THAT(Encode(*Load(file), "aéa"), ElementsAre(1, 0, 1));
}

// All ways to cut a word, the best sum.
double BestScore(std::string_view word, const std::map<std::string, double>& scores) {
  std::vector<double> best(word.size() + 1, -1e300);
  best[0] = 0;
  for (size_t end = 1; end <= word.size(); ++end) {
    for (size_t begin = 0; begin < end; ++begin) {
      const auto found = scores.find(std::string(word.substr(begin, end - begin)));
      if (found != scores.end()) best[end] = std::max(best[end], best[begin] + found->second);
    }
  }
  return best.back();
}

TEST(Unigram, AgreesWithTheDefinition) {
  std::mt19937 random(2);
  for (int round = 0; round < 100; ++round) {
    Scores vocab = {{"<unk>", 0}, {"a", -9.5}, {"b", -8.25}, {"c", -9}};
    std::map<std::string, double> scores(vocab.begin(), vocab.end());
    for (int i = 0; i < 20; ++i) {
      std::string piece(2 + random() % 4, 'a');
      for (char& c : piece) c = static_cast<char>('a' + random() % 3);
      const double score = -1.0 - static_cast<double>(random() % 1000) / 100;
      if (scores.emplace(piece, score).second) vocab.emplace_back(piece, score);
    }
    const auto tokenizer = Load(UnigramJson(vocab));
    std::string word(random() % 60, 'a');
    for (char& c : word) c = static_cast<char>('a' + random() % 3);
    double sum = 0;
    std::string joined;
    for (const int32_t id : Encode(*tokenizer, word)) {
      sum += vocab[static_cast<size_t>(id)].second;
      joined += vocab[static_cast<size_t>(id)].first;
    }
    EXPECT_EQ(joined, word);
    EXPECT_NEAR(sum, BestScore(word, scores), 1e-9);  // sums in another order
  }
}

TEST(Unigram, OneLongWordTakesSeconds) {
  Scores vocab = {{"<unk>", 0}, {"a", -3}, {std::string(16, 'a'), -2}};
  EXPECT_EQ(Encode(*Load(UnigramJson(vocab)), std::string(4 << 20, 'a')), Ids(4 << 16, 2));
}

TEST(Unigram, Errors) {
  const auto error = [](const char* pointer, const json& value) {
    json file = UnigramJson({{"<unk>", 0}, {"a", -1}});
    file[json::json_pointer(pointer)] = value;
    return LoadStatus(file).message();
  };
  const std::string model = "tokenizer.json: model: ";
  EXPECT_EQ(error("/model/unk_id", nullptr), model + "\"unk_id\" must be given");
  EXPECT_EQ(error("/model/unk_id", 2),
            model + "\"unk_id\" must be an integer from 0 to 1, found 2");
  EXPECT_EQ(error("/model/vocab", json::object()),
            model + "\"vocab\" must be a list with at least one token, found {}");
  EXPECT_EQ(error("/model/vocab", json::array()),
            model + "\"vocab\" must be a list with at least one token, found []");
  EXPECT_EQ(error("/model/vocab/1", {"a"}),
            model + "\"vocab\"[1] must be a token and its score, found [\"a\"]");
  EXPECT_EQ(error("/model/vocab/1", {"a", "b"}),
            model + "\"vocab\"[1] must be a token and its score, found [\"a\",\"b\"]");
  EXPECT_EQ(error("/model/vocab/1", {"<unk>", 1}),
            model + "\"vocab\": token \"<unk>\" must have one id, found 0 and 1");
  EXPECT_THAT(error("/model/vocab/1", {std::string(2000, 'a'), 1}),
              testing::HasSubstr("must have at most 1024 bytes, found 2000"));
  EXPECT_EQ(error("/model/alpha", 3), model + "field \"alpha\" is not supported, found 3");
}

}  // namespace
}  // namespace moiety
