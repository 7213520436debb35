// The table of expert shares.
#include <gmock/gmock.h>

#include <sstream>

#include "support/golden.h"
#include "support/process.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using nlohmann::json;

// A layer's line, cut at blanks; percent signs left out.
std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream words(line);
  std::string word;
  while (words >> word) {
    if (word != "%") cells.push_back(word);
  }
  return cells;
}

std::vector<std::string> TextLines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text.substr(text.find("\nlayer") + 1));
  std::string line;
  while (std::getline(stream, line)) lines.push_back(line);
  return lines;
}

struct Outcome {
  std::vector<std::string> table;
  json experts;
};

Outcome RunWithExperts(int num_experts) {
  json config = TinyMixtralConfig();
  config["num_local_experts"] = num_experts;
  const ScratchFolder folder;
  TinyModel(config).Write(folder.path());
  const std::vector<std::string> arguments = {
      "run",       folder.path().string(), "-p", "some words", "-n", "20", "--greedy",
      "--experts", "--ignore-eos"};
  std::vector<std::string> as_json = arguments;
  as_json.emplace_back("--json");
  const ProcessResult text = Moiety(arguments);
  EXPECT_EQ(text.exit_code, 0) << text.err;
  return {TextLines(text.out), json::parse(Moiety(as_json).out)["experts"]};
}

TEST(ExpertTable, HasAColumnPerExpert) {
  const Outcome found = RunWithExperts(3);
  ASSERT_EQ(found.table.size(), 3U);
  EXPECT_EQ(Cells(found.table[0]),
            (std::vector<std::string>{"layer", "e0", "e1", "e2", "balance"}));
  for (size_t layer = 0; layer < 2; ++layer) {
    const std::vector<std::string> cells = Cells(found.table[layer + 1]);
    ASSERT_EQ(cells.size(), 5U);
    EXPECT_EQ(cells[0], std::to_string(layer));
    for (size_t e = 0; e < 3; ++e) {
      EXPECT_NEAR(std::stod(cells[e + 1]), 100 * found.experts[layer]["share"][e].get<double>(),
                  0.5001);
    }
    EXPECT_NEAR(std::stod(cells[4]), found.experts[layer]["balance"], 0.005001);
  }
}

TEST(ExpertTable, ManyExpertsAreCutToTheBusiest) {
  const Outcome found = RunWithExperts(20);
  ASSERT_EQ(found.table.size(), 3U);
  EXPECT_EQ(found.table[0], "layer  the 8 busiest of 20 experts");
  for (size_t layer = 0; layer < 2; ++layer) {
    std::vector<double> shares = found.experts[layer]["share"];
    ASSERT_EQ(shares.size(), 20U);
    // "0 e12: 15 % e3: 12 % … balance 0.71"
    const std::vector<std::string> cells = Cells(found.table[layer + 1]);
    ASSERT_EQ(cells.size(), 1U + 2 * 8 + 2) << found.table[layer + 1];
    double least = 1;
    for (size_t i = 0; i < 8; ++i) {
      const size_t expert = std::stoul(cells[1 + 2 * i].substr(1));
      EXPECT_NEAR(std::stod(cells[2 + 2 * i]), 100 * shares[expert], 0.5001);
      EXPECT_LE(shares[expert], least) << "best first";
      least = shares[expert];
      shares[expert] = 0;
    }
    for (const double other : shares) EXPECT_LE(other, least);
  }
}

}  // namespace
}  // namespace moiety
