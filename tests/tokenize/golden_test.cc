// Small tokenizers of tests/data against the published implementation.
#include <gtest/gtest.h>

#include "reference_cases.h"

namespace moiety {
namespace {

class TokenizerGolden : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerGolden, EqualsTheReference) {
  ExpectEqualsReference(std::filesystem::path(MOIETY_SOURCE_DIR) / "tests/data/tokenizers" /
                        GetParam());
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerGolden,
                         testing::Values("bert", "bert_cased", "word_level", "unigram_bytes",
                                         "unigram_some_bytes", "metaspace_first", "metaspace_never",
                                         "metaspace_whole", "precompiled", "ctc", "bpe_decoder"),
                         [](const auto& kind) { return std::string(kind.param); });

}  // namespace
}  // namespace moiety
