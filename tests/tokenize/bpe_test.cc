#include "tokenize/bpe.h"

#include <gmock/gmock.h>

#include <map>
#include <random>

#include "tiny_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Bpe, MergesByRank) {
  const auto tokenizer = Load(TinyJson());
  EXPECT_THAT(Encode(*tokenizer, "abc"), ElementsAre(5));
  EXPECT_THAT(Encode(*tokenizer, "aabcbab"), ElementsAre(1, 5, 2, 4));
  EXPECT_THAT(Encode(*tokenizer, ""), IsEmpty());
}

TEST(Bpe, OfEqualRanksTheLeftmostGoesFirst) {
  json file = TinyJson();
  file["model"]["vocab"]["aa"] = 6;
  file["model"]["merges"] = json::array({"a a"});
  EXPECT_THAT(Encode(*Load(file), "aaaaa"), ElementsAre(6, 6, 1));
}

TEST(Bpe, ReadsBothSpellingsOfMerges) {
  json file = TinyJson();
  file["model"]["merges"] = {"#version: 0.2", "a b", "ab c"};
  EXPECT_THAT(Encode(*Load(file), "abc"), ElementsAre(5));
}

TEST(Bpe, UnknownCharacters) {
  json file = TinyJson();
  EXPECT_THAT(Encode(*Load(file), "axyb"), ElementsAre(1, 0, 0, 2));
  file["model"]["fuse_unk"] = true;
  EXPECT_THAT(Encode(*Load(file), "axybz"), ElementsAre(1, 0, 2, 0));
  file["model"]["unk_token"] = nullptr;
  EXPECT_THAT(Encode(*Load(file), "axyb"), ElementsAre(4));  // dropped, as in the reference
}

TEST(Bpe, ByteFallback) {
  json file = ByteFallbackJson();
  const auto tokenizer = Load(file);
  EXPECT_THAT(Encode(*tokenizer, "aé\nb"), ElementsAre(1, 6 + 0xC3, 6 + 0xA9, 6 + '\n', 2));
  // Where one byte is missing the whole character is unknown.
  file["model"]["vocab"].erase("<0xA9>");
  EXPECT_THAT(Encode(*Load(file), "aéb"), ElementsAre(1, 0, 2));
  // An unknown character that waits for more of its kind comes after bytes, as in the reference.
  EXPECT_THAT(Encode(*Load(file), "é!b"), ElementsAre(6 + '!', 0, 2));
}

TEST(Bpe, MergesMayGoOnFromBytesAndUnknowns) {
  json file = ByteFallbackJson();
  auto& vocab = file["model"]["vocab"];
  vocab["<0x41>b"] = 300;
  vocab["c<0x41>b"] = 301;
  vocab["<unk>a"] = 302;
  file["model"]["merges"] = {"<0x41> b", "c <0x41>b", "<unk> a"};
  EXPECT_THAT(Encode(*Load(file), "AbcAb"), ElementsAre(300, 301));
  file["model"]["byte_fallback"] = false;
  EXPECT_THAT(Encode(*Load(file), "Ab!a"), ElementsAre(0, 2, 302));
}

TEST(Bpe, IgnoreMergesTakesWholeWordsFirst) {
  json file = TinyJson();
  file["model"]["vocab"]["cab"] = 6;
  EXPECT_THAT(Encode(*Load(file), "cab"), ElementsAre(3, 4));
  file["model"]["ignore_merges"] = true;
  EXPECT_THAT(Encode(*Load(file), "cab"), ElementsAre(6));
  EXPECT_THAT(Encode(*Load(file), "caba"), ElementsAre(3, 4, 1));
}

// The definition of BPE, one merge after the other over the whole word.
Ids Oracle(const std::string& word, const std::map<std::string, int32_t>& vocab,
           const std::vector<std::pair<std::string, std::string>>& merges) {
  std::vector<std::string> symbols;
  for (const char c : word) symbols.push_back(std::string(1, c));
  while (true) {
    size_t best = merges.size();
    size_t where = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      for (size_t rank = 0; rank < best; ++rank) {
        if (merges[rank].first == symbols[i] && merges[rank].second == symbols[i + 1]) {
          best = rank;
          where = i;
        }
      }
    }
    if (best == merges.size()) break;
    symbols[where] += symbols[where + 1];
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(where) + 1);
  }
  Ids ids;
  for (const std::string& symbol : symbols) ids.push_back(vocab.at(symbol));
  return ids;
}

// Words shorter and longer than where the heap takes over; merges in an order that a trained
// tokenizer never has, so that later merges enable earlier ones.
TEST(Bpe, EqualsTheDefinitionForRandomMerges) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    const int num_letters = 2 + static_cast<int>(random() % 4);
    std::map<std::string, int32_t> vocab;
    std::vector<std::string> pieces;
    const auto add = [&](const std::string& piece) {
      if (vocab.emplace(piece, static_cast<int32_t>(vocab.size())).second) pieces.push_back(piece);
    };
    for (int i = 0; i < num_letters; ++i) add(std::string(1, static_cast<char>('a' + i)));
    std::vector<std::pair<std::string, std::string>> merges;
    const size_t num_merges = random() % 25;
    while (merges.size() < num_merges) {
      const std::string left = pieces[random() % pieces.size()];
      const std::string right = pieces[random() % pieces.size()];
      const std::pair<std::string, std::string> merge(left, right);
      if (left.size() + right.size() > 12) break;
      if (std::find(merges.begin(), merges.end(), merge) != merges.end()) break;
      merges.push_back(merge);
      add(left + right);
    }
    std::shuffle(merges.begin(), merges.end(), random);
    json file = TinyJson();
    file["model"] = {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}};
    const auto tokenizer = Load(file);
    for (const size_t length : {0, 1, 2, 5, 20, 39, 40, 41, 42, 100, 300}) {
      std::string word(length, 'a');
      for (char& c : word)
        c = static_cast<char>('a' + random() % static_cast<unsigned>(num_letters));
      EXPECT_EQ(Encode(*tokenizer, word), Oracle(word, vocab, merges)) << file["model"] << word;
    }
    // Long enough for words to be looked up, and for cuts where a letter follows no other.
    if (round % 15 == 0) {
      std::string text(4200, 'a');
      for (char& c : text)
        c = static_cast<char>('a' + random() % static_cast<unsigned>(num_letters));
      EXPECT_EQ(Encode(*tokenizer, text), Oracle(text, vocab, merges)) << file["model"] << text;
    }
    file["pre_tokenizer"] = {{"type", "WhitespaceSplit"}};
    std::string text;
    Ids expected;
    while (text.size() < 6000) {
      std::string word(1 + random() % 6, 'a');
      if (random() % 8 == 0) word.resize(10 + random() % 10, 'b');
      for (char& c : word)
        c = static_cast<char>('a' + random() % static_cast<unsigned>(num_letters));
      const Ids ids = Oracle(word, vocab, merges);
      expected.insert(expected.end(), ids.begin(), ids.end());
      text += word + " ";
    }
    EXPECT_EQ(Encode(*Load(file), text), expected) << file["model"];
  }
}

// Words are cut before a character that stands behind no other in any token, but not within a run
// of it and not where a merge can cross.
TEST(Bpe, CutsBeforeStarters) {
  json file = TinyJson();
  file["model"]["vocab"] = {{"<unk>", 0}, {"_", 1},  {"a", 2},   {"b", 3},  {"__", 4},
                            {"_a", 5},    {"ab", 6}, {"_ab", 7}, {"__a", 8}};
  file["model"]["merges"] = {"_ _", "a b", "_ a", "_ ab", "__ a"};
  const auto tokenizer = Load(file);
  std::string text;
  Ids expected;
  for (int i = 0; i < 2000; ++i) {
    text += "_ab__ax";
    for (const int32_t id : {7, 8, 0}) expected.push_back(id);
  }
  EXPECT_EQ(Encode(*tokenizer, text), expected);
  // Now "_" follows "a" in a token: no cut there.
  file["model"]["vocab"]["a_"] = 9;
  file["model"]["merges"].insert(file["model"]["merges"].begin(), "a _");
  expected.clear();
  text.clear();
  for (int i = 0; i < 2000; ++i) {
    text += "ba_";
    for (const int32_t id : {3, 9}) expected.push_back(id);
  }
  EXPECT_EQ(Encode(*Load(file), text), expected);
}

// With a quadratic algorithm this test would take hours.
TEST(Bpe, OneLongWordTakesSeconds) {
  json file = TinyJson();
  std::string piece = "a";
  for (int32_t id = 10; id < 20; ++id) {
    file["model"]["merges"].push_back(piece + " " + piece);
    piece += piece;
    file["model"]["vocab"][piece] = id;
  }
  const auto tokenizer = Load(file);
  const Ids ids = Encode(*tokenizer, std::string(3 << 20, 'a'));
  EXPECT_EQ(ids, Ids(3 << 10, 19));
}

TEST(Bpe, Errors) {
  const auto error = [](const char* pointer, const json& value) {
    json file = TinyJson();
    file[json::json_pointer(pointer)] = value;
    return LoadStatus(file).message();
  };
  const std::string model = "tokenizer.json: model: ";
  EXPECT_EQ(error("/model/vocab/a", -1),
            model + "\"vocab\": token \"a\" must have an id from 0 to 65919, found -1");
  EXPECT_THAT(error("/model/vocab/a", int64_t{1} << 40), HasSubstr("must have an id from 0 to"));
  EXPECT_THAT(error("/model/vocab/a", UINT64_MAX), HasSubstr("must give token \"a\" an integer"));
  EXPECT_THAT(error("/model/vocab/a", 1.0), HasSubstr("must give token \"a\" an integer"));
  EXPECT_EQ(error("/model/vocab/a", 2),
            model + "\"vocab\": tokens \"a\" and \"b\" must not share the id 2");
  EXPECT_EQ(error("/model/vocab", json::array()), model + "\"vocab\" must be an object, found []");
  EXPECT_EQ(error("/model/merges", "a b"), model + "\"merges\" must be a list, found \"a b\"");
  EXPECT_EQ(error("/model/merges/1", {"a", "x"}),
            model + "\"merges\"[1] must name two tokens of the vocabulary, found [\"a\",\"x\"]");
  EXPECT_EQ(error("/model/merges/1", {"b", "a"}),
            model + "\"merges\"[1] must result in a token of the vocabulary, found [\"b\",\"a\"]");
  EXPECT_EQ(error("/model/merges/1", {"a", "b", "c"}),
            model + "\"merges\"[1] must be a pair of tokens, found [\"a\",\"b\",\"c\"]");
  EXPECT_EQ(
      error("/model/merges/1", "a b c"),
      model + "\"merges\"[1] must be two tokens with one space between them, found \"a b c\"");
  EXPECT_THAT(error("/model/merges/1", "ab"), HasSubstr("one space between them"));
  EXPECT_THAT(error("/model/merges/1", 3), HasSubstr("must be a pair of tokens, found 3"));
  EXPECT_EQ(error("/model/unk_token", "x"),
            model + "\"unk_token\" must be in the vocabulary, found \"x\"");
  EXPECT_EQ(error("/model/dropout", 0.1), model + "\"dropout\" other than 0 is not supported");
  EXPECT_EQ(error("/model/end_of_word_suffix", "</w>"),
            model + "\"end_of_word_suffix\" is not supported, found \"</w>\"");
  EXPECT_EQ(error("/model/speed", 3), model + "field \"speed\" is not supported, found 3");
  EXPECT_THAT(error("/model/type", "Magic"),
              HasSubstr(model + "type \"Magic\" is not supported (only BPE, "));

  for (const char* field : {"vocab", "merges", "type"}) {
    json file = TinyJson();
    file["model"].erase(field);
    EXPECT_EQ(LoadStatus(file).message(), model + "\"" + field + "\" is missing");
  }
}

}  // namespace
}  // namespace moiety
