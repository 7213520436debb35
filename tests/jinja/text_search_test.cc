#include "jinja/text_search.h"

#include <gmock/gmock.h>

#include <random>
#include <string>

namespace moiety::jinja {
namespace {

using From = TextFinder::From;

std::vector<size_t> Places(std::string_view text, std::string_view part, From from,
                           const Limits& limits = {}) {
  Runtime run("t", limits, std::nullopt);
  TextFinder finder(run, text, part, from);
  std::vector<size_t> places;
  for (size_t at = finder.Next(); at != std::string::npos; at = finder.Next()) {
    places.push_back(at);
  }
  return places;
}

TEST(TextFinder, EqualsThePlainSearch) {
  std::mt19937 random(7);
  const auto make = [&](size_t length) {
    std::string text(length, 'a');
    for (char& c : text) c = random() % 16 == 0 ? 'b' : 'a';
    return text;
  };
  size_t found = 0;
  for (int round = 0; round < 2000; ++round) {
    const std::string part = make(1 + random() % 40);
    std::string text;
    for (int i = 0; i < 6; ++i) text += random() % 2 == 0 ? part : make(random() % 30);
    std::vector<size_t> forward;
    for (size_t at = text.find(part); at != std::string::npos;
         at = text.find(part, at + part.size())) {
      forward.push_back(at);
    }
    std::vector<size_t> backward;
    for (std::string_view rest = text; rest.rfind(part) != std::string::npos;) {
      backward.push_back(rest.rfind(part));
      rest = rest.substr(0, backward.back());
    }
    EXPECT_EQ(Places(text, part, From::kLeft), forward) << text << " " << part;
    EXPECT_EQ(Places(text, part, From::kRight), backward) << text << " " << part;
    found += forward.size();
  }
  EXPECT_GT(found, 2000U);
}

TEST(TextFinder, FindsNothingAfterAnErrorOfTheRun) {
  const std::string part(1000, 'a');
  EXPECT_EQ(Places(part + part, part, From::kLeft).size(), 2U);
  Limits limits;
  limits.live_bytes = 2000;
  EXPECT_EQ(Places(part + part, part, From::kLeft, limits).size(), 0U);
}

}  // namespace
}  // namespace moiety::jinja
